// SPDX-License-Identifier: BSD-3-Clause
/** Two hosts with Slurm: how they are set up before vfring comes to them, and how tests talk to them. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { readPage, type Step } from './page.js';
import { SYSTEMCTL } from './services.js';

export interface Done {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Node {
  readonly name: string;
  exec(argv: readonly string[], user?: string): Promise<Done>;
  /** As if its plug was pulled. */
  switchOff(): Promise<void>;
}

export interface ClusterKind {
  /** VFs of a node. */
  readonly vfs: number;
  /** provider: of vfringd.yaml. */
  readonly provider: string;
  /** cgroups, and a devices cgroup. */
  readonly cgroups: boolean;
  readonly cpus: number;
  /** What is done to each node first. */
  readonly prepare: string;
}

/** Two users, of whom the second is made for these tests. */
export const USER = 'mpi';
export const OTHER = 'other';

const DBD = `AuthType=auth/munge
DbdHost=localhost
SlurmUser=slurm
PidFile=/run/slurm/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_acct_db
LogFile=/var/log/slurm/slurmdbd.log
`;

/** A Slurm that runs, and knows nothing of vfring. */
const slurmConf = (kind: ClusterKind): string => `ClusterName=lab
SlurmctldHost=host1
SlurmUser=slurm
AuthType=auth/munge
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=host1
JobAcctGatherType=jobacct_gather/${kind.cgroups ? 'cgroup' : 'linux'}
${kind.cgroups ? '' : 'ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n'}DefMemPerCPU=100
KillWait=5
SlurmdTimeout=30
SlurmdParameters=config_overrides
ReturnToService=2
`;

const nodeLines = (kind: ClusterKind): string => `NodeName=host[1-2] CPUs=${kind.cpus} RealMemory=1000 Gres=vf:${kind.vfs}
PartitionName=all Nodes=ALL Default=YES State=UP OverSubscribe=FORCE:8
`;

export class Cluster {
  constructor(readonly nodes: readonly Node[], readonly kind: ClusterKind) {}

  node(n: 1 | 2): Node {
    return this.nodes[n - 1] as Node;
  }

  /** A shell command, which must do well. Returns what it printed. */
  async sh(n: 1 | 2, command: string, user = 'root'): Promise<string> {
    const { status, stdout, stderr } = await this.trySh(n, command, user);
    assert.equal(status, 0, `${this.node(n).name}: ${command}\n${stdout}${stderr}`);
    return stdout.trim();
  }

  async trySh(n: 1 | 2, command: string, user = 'root'): Promise<Done> {
    return await this.node(n).exec(['sh', '-c', command], user);
  }

  async write(n: 1 | 2, file: string, text: string, append = false): Promise<void> {
    await this.sh(n, `mkdir -p "$(dirname ${file})" && cat ${append ? '>>' : '>'} ${file} <<'END OF FILE'\n${text.replace(/\n?$/, '\n')}END OF FILE\n`);
  }

  async everywhere(work: (n: 1 | 2) => Promise<void>): Promise<void> {
    await Promise.all(([1, 2] as const).map(work));
  }

  /** Slurm runs, vfring is installed and not yet made known to it. */
  async setUp(): Promise<void> {
    const { kind } = this;
    await this.everywhere(async (n) => {
      await this.sh(n, kind.prepare);
      await this.write(n, '/usr/local/sbin/systemctl', SYSTEMCTL);
      await this.write(n, '/etc/vfring/vfringd.yaml', `version: 1\n${kind.provider}`);
      await this.write(n, '/etc/slurm/slurm.conf', slurmConf(kind));
      await this.write(n, '/etc/slurm/cgroup.conf', kind.cgroups ? 'CgroupPlugin=cgroup/v2\nIgnoreSystemd=yes\nEnableControllers=yes\n' : 'CgroupPlugin=disabled\n');
      await this.sh(n, [
        'chmod 755 /usr/local/sbin/systemctl',
        'install -d -o slurm -g slurm /var/log/slurm /run/slurm /var/lib/slurm/slurmctld',
        'install -d -o munge -g munge -m 0700 /var/log/munge',
        'install -d -o munge -g munge -m 0755 /run/munge',
        `id ${OTHER} >/dev/null 2>&1 || useradd -m -u 1001 -s /bin/bash ${OTHER}`,
        'systemctl start munge',
      ].join(' && '));
    });
    await this.write(1, '/etc/slurm/slurmdbd.conf', DBD);
    await this.sh(1, 'chown slurm: /etc/slurm/slurmdbd.conf && chmod 600 /etc/slurm/slurmdbd.conf && systemctl start mariadb && systemctl start slurmdbd');
  }

  /** What docs/slurm.md says. */
  async followPage(): Promise<void> {
    for (const step of readPage()) {
      await this.#follow(step);
      if (step.kind === 'add' && step.file === '/etc/slurm/slurm.conf') {
        await this.everywhere((n) => this.write(n, step.file, nodeLines(this.kind), true));
      }
    }
    await this.until('both nodes are idle', async () => /^host1 idle vf:\d+\s+host2 idle vf:\d+$/.test(await this.sh(1, "sinfo -h -N -o '%N %T %G'")));
  }

  async #follow(step: Step): Promise<void> {
    if (step.kind === 'add') {
      const text = this.kind.cgroups ? step.text : step.text.replace(/^(ConstrainDevices|ProctrackType|TaskPlugin)=.*\n/gm, '');
      return await this.everywhere((n) => this.write(n, step.file, text, true));
    }
    const run = async (n: 1 | 2): Promise<string> => await this.sh(n, `set -e\n${step.commands.replace(/^vfring doctor$/m, 'vfring doctor || test $? = 69')}`);
    if (step.on === 'controller') {
      await run(1);
      return;
    }
    const said = await Promise.all([run(1), run(2)]);
    if (step.collect !== undefined) {
      await this.everywhere((n) => this.write(n, step.collect as string, said.join('\n')));
    }
  }

  async until(what: string, condition: () => Promise<boolean>, seconds = 300): Promise<void> {
    const start = performance.now();
    while (!(await condition())) {
      if (performance.now() - start > seconds * 1000) {
        throw new Error(`not within ${seconds} s: ${what}\n${await this.report()}`);
      }
      await sleep(300);
    }
  }

  /** What is going on, for a test that failed. */
  async report(): Promise<string> {
    const look = 'squeue -a; sinfo -N -o "%N %T %E"; vfring status; vfring job; tail -n 20 /var/log/slurm/*.log /var/log/vfringd.log';
    const texts = await Promise.all(([1, 2] as const).map((n) => this.trySh(n, look).then(({ stdout, stderr }) => `${n}: ${stdout}${stderr}`, String)));
    return texts.join('\n');
  }

  /** Submits a script as a batch job. Returns its id. */
  async submit(options: string, script: string, user = USER): Promise<string> {
    const said = await this.sh(1, `cd && cat > job.sh <<'END'\n#!/bin/sh\n${script}\nEND\nsbatch --parsable -o 'out-%j' ${options} job.sh`, user);
    assert.match(said, /^\d+$/);
    return said;
  }

  /** A value of scontrol show job. */
  async job(id: string, field: string): Promise<string> {
    return new RegExp(`^(?:.* )?${field}=(.*?)(?: \\w+=|\\s*$)`, 'm').exec(await this.sh(1, `scontrol show job ${id}`))?.[1] ?? '';
  }

  async state(id: string): Promise<string> {
    return await this.job(id, 'JobState');
  }

  /** Its prologs are over. */
  async running(id: string): Promise<void> {
    await this.until(`job ${id} runs`, async () => (await this.state(id)) === 'RUNNING' && (await this.job(id, 'Reason')) !== 'Prolog');
  }

  /** Waits for its end, its epilogs included. Returns its state. */
  async ended(id: string, seconds?: number): Promise<string> {
    let state = '';
    await this.until(`job ${id} ends`, async () => {
      state = await this.state(id);
      return !['PENDING', 'CONFIGURING', 'RUNNING', 'COMPLETING', 'SUSPENDED'].includes(state);
    }, seconds);
    return state;
  }

  async output(id: string, user = USER): Promise<string> {
    const texts = await Promise.all(([1, 2] as const).map((n) => this.trySh(n, `cat ~${user}/out-${id}`).catch(() => undefined)));
    return texts.map((text) => text?.stdout ?? '').join('').trim();
  }

  /** Every VF free, with root, closed, and no job of Slurm's open at vfringd. */
  async clean(n: 1 | 2): Promise<void> {
    await this.until(`${this.node(n).name} is clean`, async () => {
      const { vfs } = JSON.parse(await this.sh(n, 'vfring status --json')) as { vfs: { state: string; device: string }[] };
      const { jobs = [] } = { jobs: JSON.parse(await this.sh(n, 'vfring job --json')) as { state: string }[] };
      const nodes = await this.sh(n, `stat -c '%u %a' ${vfs.map(({ device }) => device).join(' ')}`);
      return vfs.length === this.kind.vfs && vfs.every(({ state }) => state === 'free') && jobs.every(({ state }) => state === 'ended') && nodes.split('\n').every((line) => line === '0 600');
    });
  }

  async bothClean(): Promise<void> {
    await this.clean(1);
    await this.clean(2);
  }

  /** What a test that failed has left is not the next one's. */
  async sweep(): Promise<void> {
    await this.trySh(1, "squeue -h -o %A | xargs -r scancel; for _ in $(seq 300); do [ -n \"$(squeue -h)\" ] || break; sleep 0.2; done; scontrol update NodeName=host[1-2] State=RESUME 2>/dev/null");
    await Promise.all(this.nodes.map((node) => node.exec(['sh', '-c', 'rm -f /tmp/go /home/*/go']).catch(() => undefined)));
  }

  /** The note of each node in the accounting of a job. */
  async records(id: string): Promise<Map<string, Map<string, number>>> {
    const comment = (await this.sh(1, `sacct -n -X -P -D -j ${id} -o AdminComment`)).split('\n').at(-1) ?? '';
    return new Map(comment.split('; ').flatMap((note) => {
      const [, host, values] = /^vfring (\S+): (.*=.*)$/.exec(note) ?? [];
      return host === undefined ? [] : [[host, new Map((values as string).split(' ').map((pair) => pair.split('=')).map(([name, value]) => [name as string, Number(value)]))] as const];
    }));
  }
}
