// SPDX-License-Identifier: BSD-3-Clause
/** `vfring bench`: plans, measures, writes the files, and says what they say. */
import { existsSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { BENCHMARKS, chosenBenchmarks, type Benchmark } from '../bench/benchmarks.js';
import { compare, type Comparison } from '../bench/compare.js';
import { cardFact, conditionsHere, coresHere, interfacesHere, isVirtual, loadNow, type Fact } from '../bench/conditions.js';
import { figuresOf } from '../bench/figures.js';
import { launch } from '../bench/launch.js';
import { pageOf, readPageAssets, type PageAssets } from '../bench/page.js';
import { numberFrom, parseSizes, plan, type PlannedLaunch } from '../bench/plan.js';
import { HEAD, readResult, type Result } from '../bench/result.js';
import { runPlan, type Progress } from '../bench/runner.js';
import { makeSoftVfs, type SoftVfs } from '../bench/soft-vfs.js';
import { openStore, type Store } from '../bench/store.js';
import { TRANSPORTS, findTransport, isSkipped, transportNames, type BenchSite, type Skipped, type Transport } from '../bench/transports.js';
import { textTables } from '../bench/text-table.js';
import { comparisonText, headlines, warnings } from '../bench/words.js';
import { ReportedError } from '../api/client.js';
import { formatDuration } from '../config/units.js';
import { EXIT, VfringError, causeText } from '../errors.js';
import { reachOf } from '../hosts/reach.js';
import { isThisHost } from '../hosts/this-host.js';
import { findOpenMpi, installedComponents } from '../mpi/open-mpi.js';
import { native } from '../native.js';
import { libexecDir, version, webDir } from '../paths.js';
import { RAILS_MAX } from '../rails.js';
import { shellWord } from '../shell.js';
import { softVfTool } from '../providers/soft/softvf-tool.js';
import type { BenchOptions } from './bench-options.js';
import { nodeContext } from './node-context.js';
import { factsSchema, nodeFacts, type NodeContext } from './node-facts.js';
import { out, say } from './output.js';
import { named, overHosts } from './over-hosts.js';

/** The exact test of a comparison takes some milliseconds then. */
const MOST_LAUNCHES = 50;
const MOST_RANKS = 4096;
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Returns the exit status. */
export async function bench(options: BenchOptions): Promise<number> {
  const before = options.compare === undefined ? undefined : await readResult(options.compare);
  if (options.from !== undefined) {
    return show(await readResult(options.from), before, openStore(options.output ?? defaultName(), options.overwrite === true), readAssets());
  }
  // All of it is looked at before anything is measured.
  const benchmarks = chosenBenchmarks(options.benchmarks);
  const asked = options.transports === undefined ? undefined : transportNames(options.transports);
  const launches = numberFrom('--launches', options.launches, 1, MOST_LAUNCHES);
  const ranks = numberFrom('-n', options.n, 2, MOST_RANKS);
  const rails = options.rails === undefined ? undefined : numberFrom('--rails', options.rails, 1, RAILS_MAX);
  const timeoutMs = numberFrom('--timeout', options.timeout, 1, 86_400) * 1000;
  const sizes = options.sizes === undefined ? undefined : parseSizes(options.sizes);
  const context = nodeContext();
  let soft: SoftVfs | undefined;
  try {
    const site = await siteOf(options, { ranks, rails }, context, () => (soft ??= makeSoftVfs(softVfTool(native()), ranks)));
    if (options.list === true) {
      await list(site);
      return EXIT.OK;
    }
    const { transports, skipped } = await transportsOf(asked, options.skipMissing === true, site);
    needPrograms(benchmarks, site.libexec);
    const assets = readAssets();
    const planned = plan({ benchmarks, transports, launches, sizes, quick: options.quick === true });
    const start: Result = {
      ...HEAD, release: version(), state: 'running', why: null, started_at: new Date().toISOString(), ended_at: null,
      command: ['vfring', ...process.argv.slice(2)], ranks, launches_wanted: launches, quick: options.quick === true,
      hosts: site.alone ? [] : (await named(hostsOf(options))).map(({ name }) => name),
      benchmarks: benchmarks.map(({ name }) => name), transports: transports.map(({ name, title, facts }) => ({ name, title, facts })), skipped,
      conditions: await conditionsOf(options, site, context), load_before: loadNow(), load_after: null, processors: os.availableParallelism(), launches: [],
    };
    const store = openStore(options.output ?? defaultName(), options.overwrite === true);
    store.saveResult(start);
    say(`${planned.length} launches; the result is in ${store.json} as it comes`);
    return await measure(start, planned, { store, before, assets, timeoutMs, env: context.env, verbose: options.verbose === true });
  } finally {
    soft?.remove();
  }
}

interface Measuring {
  readonly store: Store;
  readonly before: Result | undefined;
  readonly assets: PageAssets;
  readonly timeoutMs: number;
  readonly env: NodeJS.ProcessEnv;
  readonly verbose: boolean;
}

async function measure(start: Result, planned: readonly PlannedLaunch[], { store, before, assets, timeoutMs, env, verbose }: Measuring): Promise<number> {
  const stop = new AbortController();
  let by: NodeJS.Signals | undefined;
  const listeners = ENDING.map((signal) => [signal, (): void => {
    by ??= signal;
    stop.abort();
  }] as const);
  listeners.forEach(([signal, listener]) => process.on(signal, listener));
  let result = start;
  try {
    const launches = await runPlan(planned, {
      launch, env, timeoutMs, signal: stop.signal, load: loadNow, progress: progressLines(verbose),
      save: (sofar) => {
        const next = { ...result, launches: [...sofar] };
        store.saveResult(next);
        result = next;
      },
    });
    const failed = launches.filter(({ ok }) => !ok);
    const good = launches.length - failed.length;
    result = {
      ...result, launches, ended_at: new Date().toISOString(), load_after: loadNow(),
      ...(by !== undefined ? { state: 'interrupted', why: `it was interrupted (${by})` } : good === 0 ? { state: 'failed', why: 'every launch failed' } : { state: 'complete' }),
    };
    store.saveResult(result);
    show(result, before, store, assets);
    const [first] = failed;
    if (by !== undefined) {
      return 128 + os.constants.signals[by];
    }
    if (first !== undefined) {
      throw new VfringError('VFRING_ERR_BENCH_FAILED', { failed: failed.length, all: launches.length, which: `${first.benchmark} over ${first.transport}`, cause: first.failure ?? '' });
    }
    return EXIT.OK;
  } catch (error) {
    if (error instanceof VfringError && error.code === 'VFRING_ERR_BENCH_OUTPUT' && result.launches.length > 0) {
      const state = result.state === 'running' ? ', marked as partial' : '';
      say(`${result.launches.length} launches are in ${store.json}${state}; vfring bench --from ${shellWord(store.json)} --output /some/other/folder/NAME makes the page of them`);
    }
    throw error;
  } finally {
    listeners.forEach(([signal, listener]) => process.off(signal, listener));
  }
}

/** Writes the page, and says what there is to see. */
function show(result: Result, before: Result | undefined, store: Store, assets: PageAssets): number {
  const comparison: Comparison | undefined = before === undefined ? undefined : compare(before, result);
  const figures = figuresOf(result);
  store.savePage(pageOf(result, comparison, assets));
  textTables(result, figures).forEach(out);
  out('');
  warnings(result, figures).forEach((line) => say(`warning: ${line}`));
  if (comparison !== undefined) {
    out(`since ${comparison.before.startedAt}: ${comparisonText(comparison)}`);
  }
  headlines(figures).forEach(out);
  out(`page: ${store.html}`);
  return EXIT.OK;
}

function progressLines(verbose: boolean): Progress {
  const start = performance.now();
  return {
    begins: ({ round, benchmark, transport, argv }, number, of) => {
      const each = (performance.now() - start) / 1000 / Math.max(1, number - 1);
      const left = number < 4 ? '' : `, some ${formatDuration(Math.max(1, Math.round(each * (of - number + 1))))} left`;
      say(`${number} of ${of}: ${benchmark.name} over ${transport.name}, round ${round}${left}`);
      if (verbose) {
        say(`  ${argv.join(' ')}`);
      }
    },
    ended: ({ benchmark, transport, failure }, leftOut) => {
      if (failure !== null) {
        say(`${benchmark} over ${transport} failed: ${failure}${leftOut ? '; it is not tried again' : ''}`);
      }
    },
  };
}

const hostsOf = ({ hosts, hostfile }: BenchOptions): { lists: string[]; files: string[] } =>
  ({ lists: hosts === undefined ? [] : [hosts], files: hostfile === undefined ? [] : [hostfile] });

async function siteOf(options: BenchOptions, { ranks, rails }: Pick<BenchSite, 'ranks' | 'rails'>, context: NodeContext, softVfs: () => SoftVfs): Promise<BenchSite> {
  const mpi = await findOpenMpi(options.mpirun, context.exec);
  const { lists, files } = hostsOf(options);
  const hosts = lists.length + files.length === 0 ? [] : await named({ lists, files });
  const alone = (await Promise.all(hosts.map(({ name }) => isThisHost(name)))).every((here) => here);
  // A rank a core where there are so many; else they share. How many other hosts have, mpirun finds out.
  const pinned = !alone || coresHere() >= ranks;
  return {
    mpi, components: await installedComponents(mpi, context.exec), ranks, rails, alone,
    hostOptions: [...(options.hosts === undefined ? [] : ['--host', options.hosts]), ...(options.hostfile === undefined ? [] : ['--hostfile', options.hostfile])],
    placing: !pinned ? ['--map-by', ':OVERSUBSCRIBE', '--bind-to', 'none'] : alone ? ['--map-by', 'core', '--bind-to', 'core'] : ['--bind-to', 'core:overload-allowed'],
    interfaces: interfacesHere(), status: () => context.api.status(), libexec: libexecDir(context.env), self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
    prefix: context.prefix, env: context.env, softVfs,
  };
}

/** @param asked undefined: whatever can be had, vfring first */
async function transportsOf(asked: readonly string[] | undefined, skipMissing: boolean, site: BenchSite): Promise<{ transports: Transport[]; skipped: Skipped[] }> {
  const found: (Transport | Skipped)[] = [];
  for (const name of asked ?? ['vfring', 'softvf', 'tcp', 'sm']) {
    // Soft VFs take vfring's place where nothing was asked for.
    if (asked === undefined && name === 'softvf' && (!site.alone || found.some((one) => !isSkipped(one)))) {
      continue;
    }
    found.push(await findTransport(name, site));
  }
  const skipped = found.filter(isSkipped).filter(({ transport }) => asked !== undefined || site.alone || transport !== 'sm');
  const transports = found.filter((one): one is Transport => !isSkipped(one));
  const [first] = skipped;
  // Without any vfring there is nothing to compare, unless that is what was asked for.
  if (first !== undefined && ((asked !== undefined && !skipMissing) || transports.length === 0)) {
    skipped.slice(1).forEach(({ transport, why, remedy }) => say(`${transport} cannot be measured either: ${why}; ${remedy}`));
    throw new VfringError('VFRING_ERR_BENCH_TRANSPORT', {
      transport: first.transport, cause: withoutName(first), remedy: transports.length === 0 ? first.remedy : `${first.remedy}; or leave it out: --skip-missing`,
    });
  }
  skipped.forEach(({ transport, why, remedy }) => say(`${transport} is left out: ${withoutName({ transport, why })}; ${remedy}`));
  return { transports, skipped: skipped.map((one) => ({ ...one, why: withoutName(one) })) };
}

/** Of an error that begins with the transport's name: what comes after. */
const withoutName = ({ transport, why }: Pick<Skipped, 'transport' | 'why'>): string => why.replace(`${transport} cannot be measured: `, '');

async function list(site: BenchSite): Promise<void> {
  out('benchmarks:');
  BENCHMARKS.forEach(({ name, title }) => out(`  ${name.padEnd(12)} ${title}`));
  out('transports:');
  for (const [name, what] of TRANSPORTS) {
    const found = await findTransport(name, site);
    out(`  ${name.padEnd(12)} ${what}${isSkipped(found) ? `\n${' '.repeat(15)}not here: ${withoutName(found)}; ${found.remedy}` : ''}`);
  }
}

function needPrograms(benchmarks: readonly Benchmark[], folder: string): void {
  const lacking = benchmarks.find(({ program }) => !existsSync(join(folder, program)));
  if (lacking !== undefined) {
    throw new VfringError('VFRING_ERR_BENCH_PROGRAM', { program: lacking.program, folder });
  }
}

function readAssets(): PageAssets {
  try {
    return readPageAssets(webDir());
  } catch (error) {
    throw new VfringError('VFRING_ERR_INTERNAL', { cause: `the parts of the page are not installed: ${causeText(error)}` }, { cause: error });
  }
}

/** Throws what a host says that cannot take part. */
async function conditionsOf(options: BenchOptions, site: BenchSite, context: NodeContext): Promise<Fact[]> {
  const { mpi, ranks, placing, alone, interfaces } = site;
  const here = conditionsHere({ mpi, release: version(), ranks, placing: placing.includes('none') ? 'sharing processors' : alone ? 'a core each' : 'bound to cores' });
  const status = await site.status().catch(() => undefined);
  const cards: Fact[] = status?.provider === 'sriov' ? [['VFs of vfringd', cardFact(isVirtual())]] : [];
  const mtus: Fact = ['MTU of interfaces', [...interfaces].map(([name, mtu]) => `${name} ${mtu ?? 'unknown'}`).join(', ')];
  if (alone) {
    return [...here, ...cards, mtus];
  }
  const hosts = (await named(hostsOf(options))).map(({ name }) => name);
  const answers = await overHosts(hosts, {
    args: () => ['facts', '--mpirun', options.mpirun], schema: factsSchema, here: () => nodeFacts(context, options.mpirun),
  }, { ...context, reach: reachOf(context.env) });
  return [...here, ...cards, mtus, ...answers.map((answer): Fact => {
    if ('error' in answer) {
      throw new ReportedError(answer.error); // before anything is measured
    }
    const { kernel, release, open_mpi: mpiThere, open_mpi_trouble: trouble, status: there } = answer.value;
    const mtusThere = [...new Set(there?.vfs.map(({ mtu }) => mtu))].join(', ') || 'unknown';
    return [`host ${answer.host}`, `kernel ${kernel}, vfring ${release}, ${mpiThere === null ? (trouble?.message ?? 'Open MPI unknown') : `Open MPI ${mpiThere.version}`}, VFs of MTU ${mtusThere}`];
  })];
}

const defaultName = (): string => `vfring-bench-${new Date().toISOString().replace(/[-:]/g, '').replace(/\..*/, '')}`;
