// SPDX-License-Identifier: BSD-3-Clause
/** Carries out what plan.ts planned. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VfringError, causeText, errnoCode } from '../../errors.js';
import { failureText, type Exec } from '../../exec.js';
import type { Log } from '../../log.js';
import type { Backend } from '../../config/schema.js';
import { driverOf, vfNode, type ObserveContext } from './observe.js';
import { describe, type Action } from './plan.js';

export interface ApplyContext extends ObserveContext {
  readonly exec: Exec;
  readonly log: Log;
  /** How long to wait for a link or a node. */
  readonly patienceMs: number;
}

const POLL_MS = 20;

export async function apply(action: Action, context: ApplyContext): Promise<void> {
  const { sysfs, ip, log } = context;
  log.info('provision', { do: describe(action), why: action.why });
  switch (action.do) {
    case 'ip':
      return ip.set(action.pf, action.args);
    case 'write':
      return sysfs.write(action.path, action.value);
    case 'wait-link':
      if (!(await eventually(context, async () => (await sysfs.read(`class/net/${action.pf}/carrier`)) === '1'))) {
        // Not fatal: leases are refused with VFRING_ERR_PF_DOWN until it is there.
        log.warn('the link of the PF is not up', { pf: action.pf, remedy: 'check the cable and the switch port' });
      }
      return;
    case 'wait-node':
      return waitNode(context, action.bdf, action.backend);
    case 'wait-udev':
      return waitUdev(context);
  }
}

async function waitNode(context: ApplyContext, bdf: string, backend: Backend): Promise<void> {
  const driver = driverOf(backend);
  let what = `bus/pci/devices/${bdf}/${driver} in sysfs`;
  const there = await eventually(context, async () => {
    const node = await vfNode(context.sysfs, bdf, backend);
    if (node === undefined) {
      return false;
    }
    what = join(context.devDir, node.name);
    return lstat(what).then(
      () => true,
      () => false,
    );
  });
  if (!there) {
    throw new VfringError('VFRING_ERR_VF_NO_NODE', { vf: bdf, driver, what, cause: `waited ${context.patienceMs} ms` });
  }
}

/** @param done grows by each step before it is taken: one that fails may have had an effect */
export async function applyAll(actions: readonly Action[], done: Action[], context: ApplyContext): Promise<void> {
  for (const action of actions) {
    done.push(action);
    await apply(action, context);
  }
}

/** Back to what was there, as far as that goes; the last step first. */
export async function undoAll(done: readonly Action[], context: ApplyContext): Promise<void> {
  for (const { undo } of [...done].reverse()) {
    if (undo === undefined) {
      continue;
    }
    try {
      await apply(undo, context);
    } catch (error) {
      // A VF that is gone by now needs no undoing, for example.
      context.log.warn('not undone', { what: describe(undo), cause: causeText(error) });
    }
  }
}

/** Where no udev is, or none runs, there is nothing to wait for. */
async function waitUdev({ exec, log, patienceMs }: ApplyContext): Promise<void> {
  try {
    const result = await exec('udevadm', ['settle', `--timeout=${Math.ceil(patienceMs / 1000)}`]);
    if (result.status !== 0) {
      log.warn('udev is still at work', { cause: failureText(result), remedy: 'udevadm monitor shows at what; a node that it takes from its user is given back within 15 s' });
    }
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') {
      throw error;
    }
  }
}

async function eventually(context: ApplyContext, check: () => Promise<boolean>): Promise<boolean> {
  for (let waited = 0; ; waited += POLL_MS) {
    if (await check()) {
      return true;
    }
    if (waited >= context.patienceMs) {
      return false;
    }
    await sleep(POLL_MS);
  }
}
