// SPDX-License-Identifier: BSD-3-Clause
/** The lease protocol on its socket (docs/lease-protocol.md). */
import { asVfringError, badRequest, causeText } from '../errors.js';
import type { Log } from '../log.js';
import type { LeaseManager } from '../leases/manager.js';
import { REMEDY, doneReply, errorReply, leaseReply, parseRequest, vfReply } from './lease-messages.js';
import { LINE_LIMITS, LineServer, type LineAnswer, type LineFault, type LineLimits } from './line-server.js';
import type { Peer, Processes } from '../node/processes.js';
import { RefusalLog } from './refusal-log.js';

export interface LeaseServerOptions {
  readonly manager: LeaseManager;
  readonly processes: Processes;
  readonly log: Log;
  readonly limits?: LineLimits;
}

export function leaseServer(options: LeaseServerOptions): LineServer {
  const { processes, log, limits = LINE_LIMITS } = options;
  const refusals = new RefusalLog(log);
  return new LineServer(
    {
      peerOf: (socket) => processes.peerOf(socket),
      sendOpened: (socket, text, descriptors) => processes.sendOpened(socket, text, descriptors),
      async answer(line, peer) {
        try {
          return await answer(line, peer, options);
        } catch (error) {
          const known = asVfringError(error);
          refusals.note(peer.uid, { uid: peer.uid, pid: peer.pid, code: known.code, message: known.message });
          return { line: errorReply(known.report()) };
        }
      },
      fault: (fault) => ({ line: errorReply(badRequest(faultText(fault, limits), REMEDY).report()) }),
    },
    limits,
  );
}

async function answer(line: string, peer: Peer, { manager, processes, log }: LeaseServerOptions): Promise<LineAnswer> {
  const message = parseRequest(line);
  if (message.op === 'release') {
    await manager.release(peer.pid, message.lease, 'released', message.report);
    return { line: doneReply() };
  }
  if (message.op === 'report') {
    await manager.report(peer.pid, message.lease, message.report);
    return { line: doneReply() };
  }
  if (message.op === 'vf') {
    return { line: vfReply(manager.pool.backSince(message.mac)) };
  }
  if (message.op === 'show') {
    return { line: leaseReply(manager.show(peer.pid, message.lease)) };
  }
  const { count, most, job, rank, ranks, local_ranks: localRanks, except, instead_of: unfit } = message;
  if (unfit !== undefined) {
    await manager.release(peer.pid, unfit, 'kept from its process');
  }
  const lease = await manager.lease(peer.uid, processes.hold(peer), { count, most, job, rank, ranks, localRanks, ...(except && { except }) });
  // Its process may live on for long without ever knowing of the lease.
  const undelivered = (): Promise<void> =>
    manager.release(peer.pid, lease.id, 'not delivered').catch((error: unknown) => {
      log.info('an undelivered lease had ended already', { lease: lease.id, cause: causeText(error) });
    });
  try {
    const opened = await manager.open(lease);
    return { line: leaseReply(lease), opened, undelivered: () => void undelivered() };
  } catch (error) {
    await undelivered();
    throw error;
  }
}

function faultText(fault: LineFault, limits: LineLimits): string {
  switch (fault) {
    case 'too long':
      return `the request has more than ${limits.lineBytes} bytes`;
    case 'silent':
      return `no whole line came within ${limits.silenceMs} ms of silence or ${limits.lineMs} ms in all`;
    case 'ended early':
      return 'the request ended before its newline';
    case 'more than a line':
      return 'more than one line was sent: a connection takes one request';
    case 'not UTF-8':
      return 'the request is not UTF-8';
    case 'too many connections':
      return `this user has more than ${limits.perUid} connections open`;
  }
}
