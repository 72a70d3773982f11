// SPDX-License-Identifier: BSD-3-Clause
/** Two emulated hosts: real VFs behind an IOMMU, device nodes, cgroups. */
import { withSite } from '../../lab/src/site.js';
import type { ClusterKind, Done, Node } from './cluster.js';

export const labKind: ClusterKind = {
  vfs: 4,
  provider: 'provider:\n  sriov:\n    pf:\n      - name: eth0\n        vfs: 2\n        mtu: 9000\n      - name: eth1\n        vfs: 2\n        mtu: 9000\n',
  cgroups: true,
  cpus: 2,
  prepare: 'modprobe igb',
};

export async function withLabHosts(work: (nodes: readonly Node[]) => Promise<void>): Promise<void> {
  await withSite({ hosts: 2, timeoutS: 1500, machine: { memoryMiB: 2048 } }, async (site) => {
    await work(site.hosts.map((host) => {
      // A host of the lab does one job at a time.
      let before: Promise<unknown> = Promise.resolve();
      const exec = async (argv: readonly string[], user: string): Promise<Done> => {
        // The lab knows the users root and mpi.
        const become = user === 'other' ? ['setpriv', '--reuid=other', '--regid=other', '--init-groups', '--inh-caps=-all', 'env', 'HOME=/home/other', 'USER=other'] : [];
        return await host.exec({ argv: [...become, ...argv], user: user === 'other' ? 'root' : user });
      };
      return {
        name: host.name,
        exec: (argv, user = 'root') => {
          const mine = before.then(() => exec(argv, user));
          before = mine.catch(() => undefined);
          return mine;
        },
        switchOff: () => host.switchOff(),
      } satisfies Node;
    }));
  });
}
