// SPDX-License-Identifier: BSD-3-Clause
/** A node of Slurm: locked memory of its jobs, and VFs as its GRES (docs/slurm.md). Nothing is said where there is no slurmd. */
import { causeText, isVfringError } from '../errors.js';
import { GRES, slurm } from '../slurm/slurm.js';
import { fail, ok, unknown, warn, type Check, type Finding, type Patient } from './check.js';

const PAGE = 'docs/slurm.md has the lines';

export const SLURM_CHECKS: readonly Check[] = [
  {
    id: 'slurm',
    title: 'locked memory in jobs of Slurm',
    async run(patient) {
      const unit = await slurmd(patient);
      if (unit === undefined) {
        return [];
      }
      const limit = /^LimitMEMLOCK=(\S+)$/m.exec(unit)?.[1];
      const found = [limit === 'infinity'
        ? ok('slurmd.service has LimitMEMLOCK=infinity')
        : warn(`slurmd.service has LimitMEMLOCK=${limit ?? 'unknown'}, which its jobs inherit; limits.conf does not count there`,
            'systemctl edit slurmd: [Service] LimitMEMLOCK=infinity; then restart it. (vfringd raises the limit of each process that leases a VF, if it runs as root)')];
      const config = await slurmConfig(patient);
      if (typeof config !== 'string' && propagatesMemlock(config)) {
        found.push(warn(`Slurm gives tasks the locked-memory limit of the shell that a job was submitted in (PropagateResourceLimits=${config.get('PropagateResourceLimits') ?? 'ALL'})`,
          'in slurm.conf of all nodes: PropagateResourceLimitsExcept=MEMLOCK; then scontrol reconfigure'));
      }
      return found;
    },
  },
  {
    id: 'slurm-vfs',
    title: 'VFs as a GRES of Slurm',
    async run(patient) {
      if ((await slurmd(patient)) === undefined) {
        return [];
      }
      const config = await slurmConfig(patient);
      if (typeof config === 'string') {
        return [unknown(`Slurm does not say how it is set up: ${config}`, 'see systemctl status slurmctld munge')];
      }
      const managed = patient.config?.managed_by === 'slurm';
      if (!managed && !words(config, 'GresTypes').includes(GRES)) {
        return [ok('Slurm does not give VFs out here')];
      }
      const findings = [...checkConf(config, managed), ...(await checkDevices(patient))];
      return findings.length > 0 ? findings : [ok(`${patient.status?.vfs.length ?? 0} VFs, prolog, epilog and task prolog, devices cgroup`)];
    },
  },
];

/** slurmd's unit as systemctl shows it; undefined: there is none. */
async function slurmd({ exec }: Patient): Promise<string | undefined> {
  const unit = await exec('systemctl', ['show', 'slurmd', '-p', 'LoadState', '-p', 'LimitMEMLOCK']).catch(() => undefined);
  return unit?.status === 0 && /^LoadState=loaded$/m.test(unit.stdout) ? unit.stdout : undefined;
}

/** What slurmctld has read, with what slurmd says of cgroup.conf; a text: why not. */
async function slurmConfig({ exec }: Patient): Promise<ReadonlyMap<string, string> | string> {
  const shown = await exec('scontrol', ['show', 'config']).catch((error: unknown) => causeText(error));
  if (typeof shown === 'string' || shown.status !== 0) {
    return typeof shown === 'string' ? shown : shown.stderr.trim() || `exit status ${shown.status}`;
  }
  // "Prolog[0] = …" where there may be several.
  return new Map([...shown.stdout.matchAll(/^(\w+)(?:\[\d+\])? *= (.*?) *$/gm)].reverse().map(([, name, value]) => [name as string, value as string]));
}

const words = (config: ReadonlyMap<string, string>, name: string): string[] => (config.get(name) ?? '').split(',').map((word) => word.trim());

function propagatesMemlock(config: ReadonlyMap<string, string>): boolean {
  const [some, except] = [words(config, 'PropagateResourceLimits'), words(config, 'PropagateResourceLimitsExcept')];
  // One of them is set; the other reads "(null)".
  return except.join() !== '(null)' && except.join() !== '' ? !except.includes('MEMLOCK') : some.includes('ALL') || some.includes('MEMLOCK');
}

function checkConf(config: ReadonlyMap<string, string>, managed: boolean): Finding[] {
  const found: Finding[] = [];
  const conf = (good: boolean, cause: string, line: string, kind = fail): void => {
    if (!good) {
      found.push(kind(cause, `in slurm.conf of all nodes: ${line}; then scontrol reconfigure (${PAGE})`));
    }
  };
  if (!managed) {
    found.push(warn('vfringd gives VFs to processes outside of Slurm, too, which Slurm counts on', 'managed_by: slurm in the configuration of vfringd, then: vfring provision'));
  }
  conf(words(config, 'GresTypes').includes(GRES), `vfringd leaves it to Slurm to give VFs out, and Slurm has no GRES ${GRES}`, `GresTypes=${GRES}`);
  for (const [name, script] of [['Prolog', 'prolog'], ['Epilog', 'epilog']] as const) {
    conf((config.get(name) ?? '').endsWith(`/vfring/slurm/${script}`), `${name} is ${config.get(name) ?? 'not set'}: jobs get no VFs unless it runs vfring's`, `${name}=/usr/libexec/vfring/slurm/${script}`, warn);
  }
  conf((config.get('TaskProlog') ?? '').endsWith('/vfring/slurm/task-prolog'), `TaskProlog is ${config.get('TaskProlog') ?? 'not set'}: users of jobs that are refused VFs do not read why, unless it runs vfring's`, 'TaskProlog=/usr/libexec/vfring/slurm/task-prolog', warn);
  conf(words(config, 'PrologFlags').some((flag) => ['Alloc', 'Contain', 'DeferBatch', 'NoHold', 'RunInJob', 'X11', 'ForceRequeueOnFail'].includes(flag)),
    'the prolog does not run before a job starts, but with its first step on a node', 'PrologFlags=Alloc', warn);
  conf(words(config, 'SchedulerParameters').includes('nohold_on_prolog_fail'), 'a job whose node turns out to be sick is held until somebody releases it', 'SchedulerParameters=nohold_on_prolog_fail', warn);
  conf(words(config, 'TaskPlugin').includes('task/cgroup') && /^yes$/i.test(config.get('ConstrainDevices') ?? ''),
    'no devices cgroup keeps a job from VFs that are not its own; between jobs of one user, only their leases do', 'TaskPlugin=task/cgroup, and ConstrainDevices=yes in cgroup.conf', warn);
  return found;
}

/** What slurmd reads in gres.conf, against the VFs that there are. */
async function checkDevices({ exec, status }: Patient): Promise<Finding[]> {
  if (status === undefined) {
    return [];
  }
  try {
    const named = await slurm(exec).devices();
    const there = status.vfs.map(({ device }) => device);
    const missing = there.filter((device) => !named.includes(device));
    const gone = named.filter((device) => !there.includes(device));
    const what = [missing.length > 0 && `has no ${missing.join(', ')}`, gone.length > 0 && `has ${gone.join(', ')}, which vfringd does not know`].filter((part) => part !== false);
    return what.length === 0 ? [] : [fail(`gres.conf ${what.join(', and ')}`, 'let vfring slurm gres write the line of this node anew, and restart slurmd')];
  } catch (error) {
    return [isVfringError(error) ? fail(error.message, error.remedy) : unknown(causeText(error))];
  }
}
