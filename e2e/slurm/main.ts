// SPDX-License-Identifier: BSD-3-Clause
/** `node --test-reporter=tap main.ts soft|lab [GROUP...]`: docs/slurm.md is followed on two hosts, and jobs are run there. */
import { after, before, test } from 'node:test';
import { Cluster, type ClusterKind, type Node, type WithHosts } from './cluster.js';
import { brokenTests } from './broken.test.js';
import { deviceTests } from './devices.test.js';
import { faultTests } from './faults.test.js';
import { jobTests } from './jobs.test.js';

const lab = process.argv[2] === 'lab';
const { kind, withHosts } = await (async (): Promise<{ kind: ClusterKind; withHosts: (work: WithHosts) => Promise<void> }> => {
  if (lab) {
    const { labKind, withLabHosts } = await import('./lab-hosts.js');
    return { kind: labKind, withHosts: withLabHosts };
  }
  const { softKind, withSoftHosts } = await import('./soft-hosts.js');
  return { kind: softKind, withHosts: withSoftHosts };
})();

const nodes: Node[] = [];
const cluster = new Cluster(nodes, kind);
let finish: () => void = () => undefined;
let gone: Promise<void> = Promise.resolve();

before(async () => {
  await new Promise<void>((resolve, reject) => {
    gone = withHosts(async (hosts, lose) => {
      nodes.push(...hosts);
      cluster.lose = lose;
      resolve();
      await new Promise<void>((end) => (finish = end));
    });
    gone.catch(reject);
  });
});
after(async () => {
  finish();
  await gone;
});

test('Slurm runs before vfring comes to it', async () => await cluster.setUp());
test('Slurm without a GRES of VFs refuses a job that asks for them', async () => await cluster.refusesVfs());
test('docs/slurm.md, line by line', async () => await cluster.followPage());
test('then vfring doctor finds nothing amiss in Slurm', async () => await cluster.doctorContent());
const groups: Readonly<Record<string, (on: Cluster) => void>> = {
  // Only emulated hosts have wires between them, and a devices cgroup.
  ...(lab && { devices: deviceTests }),
  jobs: jobTests,
  broken: brokenTests,
  // The last one switches a host off.
  faults: faultTests,
};
for (const [name, tests] of Object.entries(groups)) {
  if (process.argv.length <= 3 || process.argv.includes(name)) {
    tests(cluster);
  }
}
