// SPDX-License-Identifier: BSD-3-Clause
/** Two hosts whose administrator runs a plain Slurm with accounting, and has installed vfring. */
import { OTHER, type Cluster, type ClusterKind } from './cluster.js';
import { SYSTEMCTL } from './services.js';

const DBD = `AuthType=auth/munge
DbdHost=localhost
SlurmUser=slurm
PidFile=/run/slurmdbd/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_acct_db
LogFile=/var/log/slurm/slurmdbd.log
`;

const DATABASE = '[mariadbd]\nskip_ssl\nskip_networking\n[client]\nskip-ssl\n';
const DATABASE_USER = 'create user if not exists slurm@localhost identified via unix_socket; grant all on slurm_acct_db.* to slurm@localhost';

export interface SlurmKind extends Pick<ClusterKind, 'real' | 'cpus'> {
  /** As slurm.conf names them. */
  readonly hosts: string;
  readonly controller: string;
  readonly accounting: boolean;
}

/** A Slurm that runs, and knows nothing of vfring. On a busy computer an emulated node takes a minute to begin a job: Slurm waits for it. */
export const slurmConf = ({ real, cpus, hosts, controller, accounting }: SlurmKind): string => `ClusterName=lab
SlurmctldHost=${controller}
SlurmUser=slurm
AuthType=auth/munge
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
${accounting ? `AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=${controller}\n` : ''}JobAcctGatherType=jobacct_gather/${real ? 'cgroup' : 'linux'}
${real ? '' : 'ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n'}DefMemPerCPU=100
KillWait=5
BatchStartTimeout=600
MessageTimeout=60
SlurmdTimeout=120
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=${hosts} CPUs=${cpus} RealMemory=1000
PartitionName=all Nodes=ALL Default=YES State=UP OverSubscribe=FORCE:8
`;
export const cgroupConf = (real: boolean): string => (real ? 'CgroupPlugin=cgroup/v2\n' : 'CgroupPlugin=disabled\n');

/** The number of VFs, in the line of each node, as the page says, unless it is there. */
export async function withGres(cluster: Cluster): Promise<void> {
  await cluster.everywhere(async (n) => void await cluster.sh(n, `sed -i '/^NodeName=/{/ Gres=/!s/$/ Gres=vf:${cluster.kind.vfs}/}' /etc/slurm/slurm.conf`));
}

export async function setUp(cluster: Cluster): Promise<void> {
  const { kind } = cluster;
  await cluster.everywhere(async (n) => {
    await cluster.sh(n, kind.prepare);
    if (!kind.real) {
      await cluster.write(n, '/usr/local/sbin/systemctl', SYSTEMCTL);
      await cluster.sh(n, 'chmod 755 /usr/local/sbin/systemctl');
    }
    await cluster.write(n, '/etc/vfring/vfringd.yaml', `version: 1\n${kind.provider}`);
    await cluster.write(n, '/etc/slurm/slurm.conf', slurmConf({ ...kind, hosts: 'host[1-2]', controller: 'host1', accounting: true }));
    await cluster.write(n, '/etc/slurm/cgroup.conf', cgroupConf(kind.real));
    await cluster.sh(n, [
      'install -d -o slurm -g slurm /var/log/slurm /run/slurmdbd /var/lib/slurm/slurmctld',
      'install -d -o munge -g munge -m 0700 /var/log/munge',
      'install -d -o munge -g munge -m 0755 /run/munge',
      `id ${OTHER} >/dev/null 2>&1 || useradd -m -u 1001 -s /bin/bash ${OTHER}`,
      'systemctl start munge',
    ].join(' && '));
  });
  await cluster.write(1, '/etc/slurm/slurmdbd.conf', DBD);
  await cluster.write(1, '/etc/mysql/mariadb.conf.d/99-tests.cnf', DATABASE);
  await cluster.sh(1, 'chown slurm: /etc/slurm/slurmdbd.conf && chmod 600 /etc/slurm/slurmdbd.conf');
  await cluster.sh(1, `systemctl start mariadb && mariadb -e '${DATABASE_USER}' && systemctl start slurmdbd`);
  await cluster.until('the accounting answers', async () => (await cluster.trySh(1, 'sacctmgr -n list cluster')).status === 0);
  await cluster.sh(1, 'systemctl start slurmctld');
  await cluster.everywhere(async (n) => void await cluster.sh(n, 'systemctl start slurmd'));
}
