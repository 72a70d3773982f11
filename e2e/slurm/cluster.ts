// SPDX-License-Identifier: BSD-3-Clause
/** Two hosts with Slurm: how they are set up before vfring comes to them, and how tests talk to them. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { readPage, type Step } from './page.js';
import { setUp, withGres } from './setup.js';

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

/** Works on the hosts while they are there. */
export type WithHosts = (nodes: readonly Node[], lose?: (share: number) => Promise<void>) => Promise<void>;

export interface ClusterKind {
  /** VFs of a node. */
  readonly vfs: number;
  /** provider: of vfringd.yaml. */
  readonly provider: string;
  /** cgroups with a devices cgroup, and Slurm's own units under a real systemd; else neither. */
  readonly real: boolean;
  readonly cpus: number;
  /** What is done to each node first. */
  readonly prepare: string;
}

/** Two users, of whom the second is made for these tests. */
export const USER = 'mpi';
export const OTHER = 'other';

export class Cluster {
  /** Lets the wires between the hosts lose this share of the frames; where there are none, undefined. */
  lose: ((share: number) => Promise<void>) | undefined;

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
    await setUp(this);
    await this.idle();
  }

  async refusesVfs(): Promise<void> {
    const { status, stderr } = await this.trySh(1, 'cd && sbatch -N1 --gres=vf:1 --wrap true', USER);
    assert.notEqual(status, 0);
    assert.match(stderr, /Invalid generic resource \(gres\) specification/);
  }

  async doctorContent(): Promise<void> {
    await this.everywhere(async (n) => {
      const reports = JSON.parse((await this.trySh(n, 'vfring doctor --json')).stdout) as { check: string; verdict: string; cause: string }[];
      const ofSlurm = reports.filter(({ check }) => check.startsWith('slurm')).map(({ check, verdict, cause }) => `${check}: ${verdict}: ${cause}`);
      const wanted = this.kind.real ? ['slurm: ok: slurmd.service has LimitMEMLOCK=infinity', `slurm-vfs: ok: ${this.kind.vfs} VFs, prolog, epilog and task prolog, devices cgroup`]
        // No cgroups, no devices cgroup: one line of the page was left out.
        : ['slurm: ok: slurmd.service has LimitMEMLOCK=infinity', 'slurm-vfs: warn: no devices cgroup keeps a job from VFs that are not its own; between jobs of one user, only their leases do'];
      assert.deepEqual(ofSlurm, wanted);
    });
  }

  /** What docs/slurm.md says. */
  async followPage(): Promise<void> {
    for (const step of readPage()) {
      await this.#follow(step);
      if (step.kind === 'add' && step.file === '/etc/slurm/slurm.conf') {
        await withGres(this);
      }
    }
    await this.idle(`vf:${this.kind.vfs}`);
  }

  /** @param gres of each node */
  async idle(gres = '(null)'): Promise<void> {
    await this.until('both nodes are idle', async () => (await this.sh(1, "sinfo -h -N -o '%N %T %G'")).replace(/\s+/g, ' ') === `host1 idle ${gres} host2 idle ${gres}`);
  }

  async #follow(step: Step): Promise<void> {
    if (step.kind === 'add') {
      const text = this.kind.real ? step.text : step.text.replace(/^(ConstrainDevices|ProctrackType|TaskPlugin)=.*\n/gm, '');
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

  /** @param seconds against hanging only */
  async until(what: string, condition: () => Promise<boolean>, seconds = 900): Promise<void> {
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
