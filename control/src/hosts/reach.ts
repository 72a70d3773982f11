// SPDX-License-Identifier: BSD-3-Clause
/** By what other hosts are reached: by what mpirun reaches them by. */
import { basename } from 'node:path';
import { CONNECT_S, type Reach } from './remote.js';

/** MCA parameters that name mpirun's own agent, as Open MPI 4.1 and 5 call them. */
const AGENT = /^(?:orte_rsh_agent|plm_rsh_agent|plm_ssh_agent|pls_rsh_agent)$/;
const AGENT_VARIABLE = /^(?:OMPI_MCA|PRTE_MCA)_(\w+)$/;
const MCA_OPTION = /^--?(?:g|o|prte)?mca$/;

/**
 * ssh's own settings (ports, users, keys, jump hosts) are the user's, in ~/.ssh/config. It may ask for nothing
 * and forwards nothing.
 */
const SSH_OPTIONS = [
  '-T', '-x', '-o', 'BatchMode=yes', '-o', `ConnectTimeout=${CONNECT_S}`, '-o', 'ServerAliveInterval=5', '-o', 'ServerAliveCountMax=3',
  '-o', 'ClearAllForwardings=yes', '-o', 'LogLevel=ERROR',
];

/**
 * The launch agent that mpirun was told, by an option or the environment;
 * within an allocation of Slurm its srun, which needs no login; else ssh.
 *
 * @param mpirunOptions of `vfring run`
 */
export function reachOf(env: NodeJS.ProcessEnv, mpirunOptions: readonly string[] = []): Reach {
  const agent = agentOf(env, mpirunOptions);
  if (agent !== undefined) {
    return sshLike(agent);
  }
  const job = env['SLURM_JOB_ID'];
  return job !== undefined && job !== '' ? slurm(job) : sshLike(['ssh']);
}

function agentOf(env: NodeJS.ProcessEnv, options: readonly string[]): readonly string[] | undefined {
  const chosen = options.findIndex((option, i) => MCA_OPTION.test(option) && AGENT.test(options[i + 1] ?? ''));
  const variable = Object.keys(env).find((name) => AGENT.test(AGENT_VARIABLE.exec(name)?.[1] ?? ''));
  const text = chosen >= 0 ? options[chosen + 2] : variable === undefined ? undefined : env[variable];
  // Several agents are tried in turn; the first is the one that is meant.
  const words = (text ?? '').split(':', 1)[0]?.trim().split(/\s+/).filter((word) => word !== '') ?? [];
  return words.length === 0 ? undefined : words;
}

/** An agent of another name takes HOST COMMAND, as mpirun calls it. */
function sshLike([program = 'ssh', ...words]: readonly string[]): Reach {
  const isSsh = basename(program) === 'ssh';
  return {
    name: basename(program),
    argv: (host, command) => (isSsh ? [program, ...words, ...SSH_OPTIONS, '--', host, command] : [program, ...words, host, command]),
  };
}

function slurm(job: string): Reach {
  const options = [`--jobid=${job}`, '--overlap', '--nodes=1', '--ntasks=1', '--mem=0', '--mpi=none', '--input=none', '--quiet', `--immediate=${CONNECT_S}`];
  return { name: 'srun', argv: (host, command) => ['srun', ...options, `--nodelist=${host}`, '/bin/sh', '-c', command] };
}
