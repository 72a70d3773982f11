// SPDX-License-Identifier: BSD-3-Clause
/** vfring config check and vfring provision. */
import { readFile } from 'node:fs/promises';
import type { StatusView } from '../api/views.js';
import { formatProblem, loadConfig, parseConfig } from '../config/load.js';
import { EXIT, VfringError, causeText, isVfringError } from '../errors.js';
import { silentLog } from '../log.js';
import type { PlannedStep, Provider } from '../providers/provider.js';
import type { ApiClient } from '../api/client.js';
import { out, say, show, type JsonOption } from './output.js';
import { createProvider } from '../vfringd/create-provider.js';

export async function checkConfig(file: string, options: JsonOption): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new VfringError('VFRING_ERR_CONFIG_READ', { file, cause: causeText(error) }, { cause: error });
  });
  const result = parseConfig(text, file);
  if (!result.ok) {
    process.exitCode = EXIT.CONFIG;
  }
  if (options.json) {
    show(options, { file, good: result.ok, problems: result.ok ? [] : result.problems }, () => '');
  } else if (result.ok) {
    out(`${file}: good`);
  } else {
    result.problems.forEach((problem) => process.stderr.write(`${formatProblem(problem)}\n`));
  }
}

export interface ProvisionOptions extends JsonOption {
  readonly plan?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly config: string;
}

/** With --plan what would change; without, vfringd takes its configuration file over. */
export async function provision(api: ApiClient, options: ProvisionOptions): Promise<void> {
  if (!options.plan && !options.dryRun) {
    const { steps } = await api.provision(options.force === true);
    show(options, steps, (done) => (done.length === 0 ? NOTHING : done.map((step) => stepText(step, undefined)).join('\n')));
    return;
  }
  const provider = createProvider(await loadConfig(options.config), silentLog);
  const status = await api.status().catch((error: unknown) => {
    if (isVfringError(error, 'VFRING_ERR_NO_DAEMON')) {
      return undefined;
    }
    throw error;
  });
  const inUse = status?.vfs.filter((vf) => vf.state === 'leased' || vf.state === 'draining').map((vf) => vf.name) ?? [];
  const steps = await planned(provider, new Set(inUse), say);
  const disturbed = steps.some((step) => (step.disturbs?.length ?? 0) > 0);
  show(options, steps, () => (steps.length === 0 ? NOTHING : steps.map((step) => stepText(step, status)).join('\n')));
  if (disturbed && !options.force && !options.json) {
    out('VFs in use are in the way: vfringd leaves them alone until they are free, unless told: vfring provision --force');
  }
}

/** @param note told of each PF and VF that cannot be set up: the plan is of the others, as provisioning is. None that can is an error */
export function planned(provider: Provider, leased: ReadonlySet<string>, note: (line: string) => void): Promise<readonly PlannedStep[]> {
  const left = (what: string) => (name: string, error: unknown): void => note(`${what} ${name} is left as it is: ${causeText(error)}`);
  return provider.plan({ leased, force: true, trouble: left('PF'), sick: left('VF') });
}

const NOTHING = 'nothing to do: the node is as the configuration says';

function stepText(step: PlannedStep, status: StatusView | undefined): string {
  const users = (step.disturbs ?? []).map((name) => {
    const lease = status?.vfs.find((vf) => vf.name === name)?.lease;
    return lease ? `${name} (job ${lease.job}, rank ${lease.rank}, uid ${lease.uid}, pid ${lease.pid})` : name;
  });
  return `${step.what}    # ${step.why}${users.length > 0 ? `; DISTURBS ${users.join(', ')}` : ''}`;
}
