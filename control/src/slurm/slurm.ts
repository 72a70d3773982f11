// SPDX-License-Identifier: BSD-3-Clause
/** What Slurm says of a node and of a job, and what it is told: by its own commands, without a shell. */
import { VfringError, causeText } from '../errors.js';
import { failureText, type Exec, type ExecResult } from '../exec.js';

/** Name of the GRES whose items are VFs. */
export const GRES = 'vf';

/** A job of Slurm, as far as one of its nodes is concerned. */
export interface NodeShare {
  /** Places in gres.conf of the VFs that the job has on the node; empty: none. */
  readonly vfs: readonly number[];
  /** Memory that Slurm has allocated to the job on the node; undefined where it does not manage memory. */
  readonly memoryBytes: number | undefined;
  /** Seconds; undefined: unlimited. */
  readonly timeLimitS: number | undefined;
  /** What administrators have noted about the job. */
  readonly adminComment: string;
}

export interface Slurm {
  /** Throws VFRING_ERR_SLURM, VFRING_ERR_GRES. */
  share(jobId: string, node: string): Promise<NodeShare>;
  /** True when the job was given VFs on any of its nodes. It holds after its end, too. */
  hasVfs(jobId: string): Promise<boolean>;
  /** Device nodes of the VFs of this node in the order of gres.conf, as slurmd reads it. Throws VFRING_ERR_SLURM, VFRING_ERR_GRES. */
  devices(node?: string): Promise<readonly string[]>;
  /** Notes something for the user of a job that has not ended. */
  comment(jobId: string, text: string): Promise<void>;
  /** No job is given the node until an administrator resumes it. */
  drain(node: string, reason: string): Promise<void>;
  /** The entry of a job in the accounting, which it keeps after its end; undefined: Slurm keeps none. Throws VFRING_ERR_SLURM. */
  accounted(jobId: string): Promise<Accounted | undefined>;
  /** Notes something there. */
  account(entry: Accounted, text: string): Promise<void>;
}

export interface Accounted {
  /** As Slurm names this one job, where its number alone may mean all tasks of an array. */
  readonly name: string;
  readonly adminComment: string;
}

const MIB = 2 ** 20;

export function slurm(exec: Exec): Slurm {
  const run = async (program: string, ...args: string[]): Promise<ExecResult> => {
    const what = [program, ...args].join(' ');
    const result = await exec(program, args).catch((error: unknown) => {
      throw new VfringError('VFRING_ERR_SLURM', { command: what, cause: error instanceof Error ? error.message : String(error) }, { cause: error });
    });
    if (result.status !== 0) {
      throw new VfringError('VFRING_ERR_SLURM', { command: what, cause: failureText(result) });
    }
    return result;
  };
  const command = async (program: string, ...args: string[]): Promise<string> => (await run(program, ...args)).stdout;
  const hosts = async (list: string): Promise<string[]> => (/[[,]/.test(list) ? (await command('scontrol', 'show', 'hostnames', list)).trim().split('\n') : [list]);
  const showJob = async (jobId: string): Promise<string> => recordOf(jobId, await command('scontrol', 'show', 'job', '--details', jobId));

  return {
    async share(jobId, node) {
      const text = await showJob(jobId);
      const common = { timeLimitS: parseTimeLimit(/\bTimeLimit=(\S+)/.exec(text)?.[1] ?? ''), adminComment: /^ *AdminComment=(.*?) *$/m.exec(text)?.[1] ?? '' };
      for (const [, list, memory, gres] of text.matchAll(/^ *Nodes=(\S+) CPU_IDs=\S* Mem=(\d+) GRES=(.*)$/gm)) {
        if ((await hosts(list as string)).includes(node)) {
          return { ...common, vfs: parseGres(gres as string), memoryBytes: Number(memory) > 0 ? Number(memory) * MIB : undefined };
        }
      }
      return { ...common, vfs: [], memoryBytes: undefined };
    },
    async hasVfs(jobId) {
      return new RegExp(`^ *JOB_GRES=(.*,)?${GRES}[:,]`, 'm').test(await showJob(jobId));
    },
    async devices(node) {
      // It says what it reads on standard error.
      const result = await run('slurmd', ...(node === undefined ? ['-G'] : ['-G', '-N', node]));
      const records = [...`${result.stdout}\n${result.stderr}`.matchAll(new RegExp(`Gres Name=${GRES} .*?\\bFile=(\\S+)`, 'g'))].map(([, file]) => file as string);
      if (records.length !== 1 || records[0] === '(null)') {
        const what = records.length > 1 ? `${records.length} lines for ${GRES}, and which VF is which cannot be told` : `no line with File= for ${GRES}`;
        throw new VfringError('VFRING_ERR_GRES', { node: node ?? 'this node', what });
      }
      return await hosts(records[0] as string);
    },
    async comment(jobId, text) {
      await command('scontrol', 'update', `JobId=${nameIn(await showJob(jobId)) ?? jobId}`, `AdminComment=${text}`);
    },
    async drain(node, reason) {
      await command('scontrol', 'update', `NodeName=${node}`, 'State=DRAIN', `Reason=${reason}`);
    },
    async accounted(jobId) {
      const shown = await command('sacct', '-n', '-X', '-P', '-j', jobId, '-o', 'JobIDRaw,JobID,AdminComment').catch((error: unknown) => {
        if (/accounting storage is disabled/i.test(causeText(error))) {
          return undefined;
        }
        throw error;
      });
      if (shown === undefined) {
        return undefined;
      }
      const entries = [...shown.matchAll(/^(\d+)\|([^|\n]+)\|(.*)$/gm)].filter(([, raw]) => raw === jobId);
      const [, , name, adminComment] = entries.at(-1) ?? [];
      if (name === undefined || adminComment === undefined) {
        throw new VfringError('VFRING_ERR_SLURM', { command: `sacct -j ${jobId}`, cause: 'the job is not in the accounting' });
      }
      return { name, adminComment };
    },
    async account({ name }, text) {
      await command('sacctmgr', '-i', 'modify', 'job', 'where', `jobid=${name}`, 'set', `AdminComment=${text}`);
    },
  };
}

/** Of what scontrol shows: the number of the first task of an array, or part of a heterogeneous job, means all of them. */
function recordOf(jobId: string, text: string): string {
  const record = text.split(/\n\n+/).find((part) => new RegExp(`^\\s*JobId=${jobId}\\b`).test(part));
  if (record === undefined) {
    throw new VfringError('VFRING_ERR_SLURM', { command: `scontrol show job ${jobId}`, cause: `it says nothing of job ${jobId}` });
  }
  return record;
}

/** How Slurm names the one job of a record, where it has a name of its own. */
function nameIn(record: string): string | undefined {
  const [, array, task] = /\bArrayJobId=(\d+) ArrayTaskId=(\d+)\b/.exec(record) ?? [];
  const [, het, offset] = /\bHetJobId=(\d+) HetJobOffset=(\d+)\b/.exec(record) ?? [];
  return array !== undefined ? `${array}_${task}` : het !== undefined ? `${het}+${offset}` : undefined;
}

/** "gpu:1(IDX:0),vf:i350:3(IDX:0-1,4)" has the VFs 0, 1 and 4. Throws VFRING_ERR_GRES when VFs have no places. */
export function parseGres(text: string): number[] {
  const [, places] = new RegExp(`(?:^|,)${GRES}(?::[^:,()]+)*\\(([^)]*)\\)`).exec(text) ?? [];
  if (places === undefined) {
    return [];
  }
  const list = /^IDX:([\d,-]*)$/.exec(places)?.[1];
  if (list === undefined) {
    throw new VfringError('VFRING_ERR_GRES', { node: 'this node', what: `no File= for ${GRES}: ${text} does not say which VFs` });
  }
  return list.split(',').filter((part) => part !== '').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_unused, i) => first + i);
  });
}

/** [D-]HH:MM:SS in seconds; undefined for UNLIMITED and the like. */
export function parseTimeLimit(text: string): number | undefined {
  const [, days = '0', hours, minutes, seconds] = /^(?:(\d+)-)?(\d+):(\d+):(\d+)$/.exec(text) ?? [];
  return hours === undefined ? undefined : ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
}

const PREFIX = 'vfring';

/** The comment with what this node has to say, in the place of what it said before. What others noted stays. */
export function withNote(comment: string, node: string, note: string): string {
  const mine = `${PREFIX} ${node}: `;
  const others = comment.split('; ').filter((part) => part !== '' && part !== '(null)' && !part.startsWith(mine));
  return [...others, `${mine}${note.replace(/;/g, ',').replace(/\s+/g, ' ').trim()}`].join('; ');
}
