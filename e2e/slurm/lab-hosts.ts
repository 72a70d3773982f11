// SPDX-License-Identifier: BSD-3-Clause
/** Two emulated hosts under systemd: real VFs behind an IOMMU, device nodes, cgroups, the units of Debian's packages. */
import { withSite } from '../../lab/src/site.js';
import { USER, type ClusterKind, type Done, type Node, type WithHosts } from './cluster.js';

export const labKind: ClusterKind = {
  vfs: 4,
  provider: 'provider:\n  sriov:\n    pf:\n      - name: eth0\n        vfs: 4\n        mtu: 9000\n        segment: pf0\n',
  real: true,
  cpus: 4,
  prepare: 'modprobe -a igb uio_vf',
};

export async function withLabHosts(work: WithHosts): Promise<void> {
  await withSite({ hosts: 2, timeoutS: 7200, machine: { memoryMiB: 2048, append: 'lab.init=systemd' } }, async (site) => {
    await work(site.hosts.map((host) => {
      // A host of the lab does one job at a time.
      let before: Promise<unknown> = Promise.resolve();
      const exec = async (argv: readonly string[], user: string): Promise<Done> => {
        // The lab knows the users root and mpi.
        const own = user === 'root' || user === USER;
        const become = own ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--inh-caps=-all', 'env', `HOME=/home/${user}`, `USER=${user}`];
        return await host.exec({ argv: [...become, ...argv], user: own ? user : 'root' });
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
    }), async (share) => await site.wires.impair({}, { loss: share }));
  });
}
