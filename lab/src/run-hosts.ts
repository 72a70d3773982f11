// SPDX-License-Identifier: BSD-3-Clause
/** npm run lab -- --hosts N: commands on several hosts, those of different hosts side by side. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { Output } from './guest.js';
import { runCommand, runShell, sayFaults, showPlainly } from './job.js';
import { LinePrefix } from './line-prefix.js';
import type { LabOptions } from './options.js';
import { resultsDir } from './paths.js';
import { serveOrders } from './site-control.js';
import { type Host, Site } from './site.js';

/** Shows what one host prints; where several run commands, with its name before each line. */
async function showing(host: Host, prefixed: boolean, work: (onOutput: Output) => Promise<number>): Promise<number> {
  if (!prefixed) {
    return await work(showPlainly);
  }
  const lines = {
    stdout: new LinePrefix(`${host.name}: `, (line) => process.stdout.write(line)),
    stderr: new LinePrefix(`${host.name}: `, (line) => process.stderr.write(line)),
  };
  try {
    return await work((stream, chunk) => lines[stream].push(chunk));
  } finally {
    lines.stdout.flush();
    lines.stderr.flush();
  }
}

async function runAll(site: Site, options: LabOptions): Promise<number> {
  const perHost = site.hosts.map((host) => {
    const work: ((onOutput: Output) => Promise<number>)[] = [];
    if (host.number === 1 && options.shell) {
      work.push(() => runShell(host.guest, options.user));
    } else if (host.number === 1 && (options.argv.length > 0 || options.script !== undefined)) {
      work.push((onOutput) => runCommand(host, options, onOutput));
    }
    for (const { argv } of options.commands.filter((command) => command.host === host.name)) {
      work.push(async (onOutput) => (await host.exec({ argv, user: options.user, collect: false, onOutput })).status);
    }
    return { host, work };
  }).filter(({ work }) => work.length > 0);
  const prefixed = perHost.length > 1 && !options.shell;
  const statuses = await Promise.all(perHost.map(async ({ host, work }) => {
    const results: number[] = [];
    for (const one of work) {
      results.push(await showing(host, prefixed, one));
    }
    return results;
  }));
  return statuses.flat().find((status) => status !== 0) ?? 0;
}

export async function runOnHosts(options: LabOptions, hosts: number, signal: AbortSignal): Promise<number> {
  const { machine, parts, cold, timeoutS, wire } = options;
  const site = await Site.start({ hosts, machine, parts, cold, timeoutS, signal, ...(wire.seed === undefined ? {} : { seed: wire.seed }) });
  let stopOrders = (): void => undefined;
  try {
    if (options.vfs !== undefined) {
      await site.startDaemons(options.vfs);
    }
    await site.wires.impair({}, wire.impairment);
    stopOrders = await serveOrders(site);
    const status = await Promise.race([runAll(site, options), site.failed]);
    rmSync(resultsDir, { recursive: true, force: true });
    for (const { name, guest } of site.hosts) {
      await guest.fetchResults(path.join(resultsDir, name));
    }
    return status;
  } finally {
    stopOrders();
    await site.close();
    site.hosts.forEach(({ name, guest }) => sayFaults(name, guest));
  }
}
