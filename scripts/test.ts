// SPDX-License-Identifier: BSD-3-Clause
/**
 * npm test [-- PART...]: every test, or the named parts. The last line is
 * "N passed, N failed".
 */
import { Command } from 'commander';
import { execa } from 'execa';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Scenario } from '../control/tests/recordings/recording.js';
import type { BootOptions, Guest, Output } from '../lab/src/guest.js';
import { restarts } from '../lab/src/restarts.js';
import { buildNative, makeCheck, prefix } from '../tools/native.js';
import { ensurePackages } from '../tools/packages.js';
import { buildDir, root, runMain, step } from '../tools/steps.js';
import { judged, tallyOfAutomake, tallyOfPlain, tallyOfTap, type Tally } from './lib/tally.js';

const show: Output = (stream, chunk) => {
  (stream === 'stdout' ? process.stdout : process.stderr).write(chunk);
};

async function typecheck(): Promise<Tally> {
  const result = await execa('npx', ['tsc', '--noEmit'], { cwd: root, reject: false, stdio: ['ignore', 'inherit', 'inherit'] });
  return result.exitCode === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function vitest(config = 'vitest.config.ts'): Promise<Tally> {
  const report = join(buildDir, `${config}.json`);
  const result = await execa('npx', ['vitest', 'run', '--config', config, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`], {
    cwd: root, reject: false, stdio: ['ignore', 'inherit', 'inherit'],
  });
  const counts = JSON.parse(readFileSync(report, 'utf8')) as { numPassedTests: number; numFailedTests: number };
  return judged({ passed: counts.numPassedTests, failed: counts.numFailedTests }, result.exitCode === 0);
}

/** The page in Debian's chromium, the metrics in Debian's Prometheus. */
async function page(): Promise<Tally> {
  await ensurePackages(['chromium', 'fonts-dejavu-core', 'prometheus']);
  const types = await execa('npx', ['tsc', '-p', 'control/web'], { cwd: root, reject: false, stdio: ['ignore', 'inherit', 'inherit'] });
  const { passed, failed } = await vitest('vitest.page.config.ts');
  return types.exitCode === 0 ? { passed: passed + 1, failed } : { passed, failed: failed + 1 };
}

async function ansible(): Promise<Tally> {
  await ensurePackages(['ansible-core', 'ansible-lint']);
  const result = await execa('sh', [join(root, 'contrib/ansible/tests/run.sh'), join(prefix, 'bin/vfring')], { cwd: root, reject: false, stdin: 'ignore' });
  process.stdout.write(`${result.stdout}\n${result.stderr}\n`);
  return judged(tallyOfPlain(result.stdout), result.exitCode === 0);
}

async function check(build: 'native' | 'sanitizers'): Promise<Tally> {
  const { ok, output } = await makeCheck(build);
  process.stdout.write(output.split('\n').filter((line) => /^(PASS|FAIL|ERROR|SKIP|XPASS|XFAIL)|^# (FAIL|ERROR)/.test(line)).join('\n') + '\n');
  const tally = judged(tallyOfAutomake(output), ok);
  if (tally.failed > 0) {
    process.stdout.write(output.split('\n').slice(-200).join('\n'));
  }
  return tally;
}

/** @param argv a file with tests of node:test, below e2e/, and its arguments */
async function nodeTests(...[file, ...args]: readonly [string, ...string[]]): Promise<Tally> {
  const child = execa(process.execPath, ['--import', 'tsx', '--test-reporter=tap', join(root, 'e2e', file), ...args],
    { cwd: root, reject: false, stdin: 'ignore' });
  child.stdout.pipe(process.stdout);
  child.stderr.pipe(process.stderr);
  const result = await child;
  return judged(tallyOfTap(result.stdout), result.exitCode === 0);
}

/**
 * Does `work` in a guest; in another one, once, if that stood still. A fault in the kernel's log
 * is a failure, but for those that the work provokes (`expected`).
 */
async function inGuest(options: BootOptions, expected: RegExp | undefined, work: (guest: Guest) => Promise<Tally>): Promise<Tally> {
  const { withGuest } = await import('../lab/src/guest.js');
  const { kernelFaults } = await import('../lab/src/kernel-log.js');
  return await withGuest({ timeoutS: 2400, ...options }, async (guest) => {
    const tally = await work(guest);
    const trouble = kernelFaults(guest.consoleLog).filter((line) => !expected?.test(line));
    if (trouble.length > 0) {
      process.stdout.write(`not ok - the kernel log has no warning:\n${trouble.join('\n')}\n`);
    }
    return { passed: tally.passed + (trouble.length === 0 ? 1 : 0), failed: tally.failed + (trouble.length > 0 ? 1 : 0) };
  });
}

/**
 * @param more is done in the same guest after it
 * @param timeoutS of the guest, against hanging only
 */
async function labE2e(
  machine: object, parts: readonly string[], more: readonly ((guest: Guest) => Promise<Tally>)[] = [], timeoutS = 2400, site: 'lab' | 'lab-vfio' = 'lab',
): Promise<Tally> {
  return await inGuest({ machine, timeoutS }, undefined, async (guest) => {
    const { copyTestsTo } = await import('./lib/lab-e2e.js');
    const main = await copyTestsTo(guest);
    const result = await guest.exec({ argv: ['node', '--test-reporter=tap', main, site, ...parts], onOutput: show });
    const total = judged(tallyOfTap(result.stdout), result.status === 0);
    for (const work of more) {
      const { passed, failed } = await work(guest);
      total.passed += passed;
      total.failed += failed;
    }
    return total;
  });
}

const suites = async (guest: Guest): Promise<Tally> => (await import('./lib/lab-suites.js')).runSuites(guest, show);
const recordings = (...scenarios: Scenario[]) => async (guest: Guest): Promise<Tally> =>
  (await import('./lib/lab-suites.js')).compareRecordings(guest, scenarios, show);

/** Poisoned free pages show what a device writes too late. */
const kmodAppend = 'page_poison=1 nohz=off highres=off';
/** The tests aim the VF at memory that is not mapped: the IOMMU reports it. */
const kmodProvokes = /DMAR: .*fault/i;
const kmodTests = '/usr/libexec/vfring/kmod-tests/run-tests.sh';

async function kmod(): Promise<Tally> {
  const total: Tally = { passed: 0, failed: 0 };
  // On the machines that do not confine a VF, the tests are those of what is refused there.
  for (const machine of [{}, { intremap: false }, { iommu: false }]) {
    // A periodic tick: QEMU can lose a timer interrupt, after which one that is programmed anew each time never comes again.
    const tally = await inGuest({ parts: ['kmod'], machine: { ...machine, append: kmodAppend } }, kmodProvokes, async (guest) => {
      const result = await guest.exec({ argv: [kmodTests], onOutput: show });
      return judged(tallyOfPlain(result.stdout), result.status === 0);
    });
    total.passed += tally.passed;
    total.failed += tally.failed;
  }
  return total;
}

/** Work in a guest on the kernel of another Debian release, whose modules are there; the first run makes that release's tree, which takes minutes. */
async function onKernelOf(suite: string, options: BootOptions, expected: RegExp | undefined, work: (guest: Guest) => Promise<Tally>): Promise<Tally> {
  const dir = join(buildDir, `release-kernel-${suite}`);
  await execa(join(root, 'driver-kmod', 'release-kernel.sh'), [suite, dir], { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' });
  const modules = join(dir, 'modules');
  const version = readdirSync(modules)[0] as string;
  const kernel = { image: join(dir, 'vmlinuz'), modules: join(modules, version) };
  // The file's name does not tell whether a saved machine is of this kernel.
  return await inGuest({ kernel, cold: true, ...options }, expected, work);
}

/** A job whose standard input is what tar makes of these; `script` runs after they are in `folder`. */
async function unpackAndRun(guest: Guest, tarArguments: readonly string[], folder: string, script: string): Promise<Tally> {
  const tar = execa('tar', [...tarArguments], { buffer: false });
  const result = await guest.exec({ argv: ['sh', '-c', `mkdir -p ${folder} && tar -C ${folder} -xf - && ${script}`], stdin: tar.stdout, onOutput: show });
  await tar;
  return judged(tallyOfPlain(result.stdout), result.status === 0);
}

const modulesOf = (suite: string): string[] => {
  const modules = join(buildDir, `release-kernel-${suite}`, 'modules');
  return ['-C', modules, ...readdirSync(modules)];
};

/** The module's tests. */
async function kmodOn(suite: string): Promise<Tally> {
  return await onKernelOf(suite, { parts: ['kmod'], machine: { append: kmodAppend } }, kmodProvokes,
    (guest) => unpackAndRun(guest, ['-cf', '-', ...modulesOf(suite)], '/usr/lib/modules', `exec ${kmodTests}`));
}

/** The driver over vfio-pci: what btl/vf/tests/lab_vfio.sh does. */
async function vfioOn(suite: string): Promise<Tally> {
  const tests = join(buildDir, 'native', 'btl', 'vf', 'tests');
  await execa('make', ['-C', tests, 'vf_smoke'], { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' });
  return await onKernelOf(suite, { parts: ['c'] }, /DMAR: .*fault/i, (guest) => unpackAndRun(guest,
    ['-cf', '-', '--transform', 's,^vf_smoke$,run/vfio/&,;s,^lab_.*,run/vfio/&,;s,^\\([0-9]\\),usr/lib/modules/\\1,',
      ...modulesOf(suite), '-C', tests, 'vf_smoke', '-C', join(root, 'btl', 'vf', 'tests'), 'lab_common.sh', 'lab_vfio.sh'],
    '/', 'if sh /run/vfio/lab_vfio.sh /run/vfio; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed"; exit 1; fi'));
}

/** Debian suites whose Open MPI is not the one here: 5.0 and 6.0. */
async function otherOpenMpi(): Promise<Tally> {
  const tally = { passed: 0, failed: 0 };
  for (const suite of ['trixie', 'testing']) {
    const script = join(root, 'btl', 'mca', 'tests', 'compile-against.sh');
    const result = await execa(script, [suite], { cwd: root, reject: false, stdio: ['ignore', 'inherit', 'inherit'] });
    tally[result.exitCode === 0 ? 'passed' : 'failed'] += 1;
  }
  return tally;
}

interface Part {
  readonly title: string;
  /** Needs the native build. */
  readonly native: boolean;
  /** Runs only when named: too long for every change. */
  readonly onlyWhenNamed?: boolean;
  run(): Promise<Tally>;
}

const parts: Readonly<Record<string, Part>> = {
  types: { title: 'TypeScript compiles', native: false, run: typecheck },
  check: { title: 'C unit tests', native: true, run: () => check('native') },
  sanitizers: { title: 'C unit tests under AddressSanitizer and UBSan', native: true, run: () => check('sanitizers') },
  ompi: { title: 'the component compiles with Open MPI 5.0 and 6.0', native: true, run: otherOpenMpi },
  vitest: { title: 'vitest: control, lab', native: true, run: () => vitest() },
  page: { title: 'the page in a browser, and the metrics in Prometheus', native: false, run: page },
  ansible: { title: 'the Ansible role', native: true, onlyWhenNamed: true, run: ansible },
  nodes: { title: 'control under node 20, 22 and 24', native: false, run: async () => (await import('./lib/node-releases.js')).nodeReleases() },
  soft: { title: 'end to end over soft VFs', native: true, run: () => nodeTests('main.ts', 'soft') },
  'lab-standstill': {
    title: 'a guest that stands still is found and started anew', native: false, run: () => nodeTests('lab/standstill.test.ts'),
  },
  'lab-hosts': { title: 'two emulated hosts, and MPI between them', native: false, run: () => nodeTests('lab/hosts.test.ts') },
  'lab-hosts-programs': {
    title: 'programs between two emulated hosts, on good wires and bad ones', native: false, onlyWhenNamed: true,
    run: () => nodeTests('lab/hosts-programs.test.ts'),
  },
  'lab-hosts-command': {
    title: 'npm run lab with several hosts, as a person has it', native: false, onlyWhenNamed: true, run: () => nodeTests('lab/hosts-command.test.ts'),
  },
  'lab-hosts-control': {
    title: 'vfring over two emulated hosts: run, audit, preflight, explain', native: false, onlyWhenNamed: true, run: () => nodeTests('lab/hosts-control.test.ts'),
  },
  'lab-hosts-faults': {
    title: 'what goes wrong between two emulated hosts and on one of them', native: false, onlyWhenNamed: true, run: () => nodeTests('lab/hosts-faults.test.ts'),
  },
  kmod: { title: 'kernel module in the emulated machine', native: false, run: kmod },
  'kmod-6.1': { title: "kernel module on Debian 12's kernel", native: false, onlyWhenNamed: true, run: () => kmodOn('bookworm') },
  'kmod-sid': { title: "kernel module on Debian unstable's kernel", native: false, onlyWhenNamed: true, run: () => kmodOn('sid') },
  'vfio-6.1': { title: "the driver over vfio-pci on Debian 12's kernel", native: true, onlyWhenNamed: true, run: () => vfioOn('bookworm') },
  lab: { title: 'end to end over real VFs in the emulated machine', native: false, run: () => labE2e({}, ['provision', 'carry', 'crash', 'input', 'programs']) },
  'lab-vfio': {
    title: 'end to end over real VFs bound to vfio-pci in the emulated machine', native: false, onlyWhenNamed: true,
    run: () => labE2e({}, ['carry', 'crash', 'rails', 'programs', 'hardware'], [], 3600, 'lab-vfio'),
  },
  'lab-vfio-conformance': {
    title: 'the conformance suite over real VFs bound to vfio-pci in the emulated machine', native: false, onlyWhenNamed: true,
    run: () => labE2e({}, ['conformance'], [], 3600, 'lab-vfio'),
  },
  'lab-conformance': {
    title: 'the conformance suite over real VFs in the emulated machine', native: false, run: () => labE2e({}, ['conformance']),
  },
  'lab-control': {
    title: 'doctor, disturbances, several VFs a process and provider suites on real VFs in the emulated machine', native: false, onlyWhenNamed: true,
    run: () => labE2e({}, ['disturb', 'doctor', 'rails', 'hardware'], [suites, recordings('no-vfs', 'igbvf-7', 'uio_vf-2')], 3600),
  },
  'lab-applications': {
    title: 'applications over real VFs in the emulated machine', native: false, onlyWhenNamed: true, run: () => labE2e({}, ['applications']),
  },
  vfu: {
    title: "Linux's drivers of VFs on soft VFs that are PCI functions of an emulated machine", native: true, onlyWhenNamed: true,
    run: () => nodeTests('lab/vfu-linux.test.ts', '82576', '82599', 'x540'),
  },
  'vfu-user': {
    title: 'uio_vf, the BTL, vfringd and DPDK on soft VFs that are PCI functions of an emulated machine', native: true, onlyWhenNamed: true,
    run: () => nodeTests('lab/vfu-user.test.ts', '82576', '82599', 'x540'),
  },
  'no-iommu': { title: 'a machine without IOMMU', native: false, run: () => labE2e({ iommu: false }, ['no-iommu'], [recordings('no-iommu')]) },
  'no-intremap': { title: 'a machine without interrupt remapping', native: false, run: () => labE2e({ intremap: false }, ['no-intremap']) },
  systemd: { title: 'the unit and the udev rule, in the emulated machine under systemd', native: false, onlyWhenNamed: true, run: () => labE2e({ append: 'lab.init=systemd' }, ['systemd']) },
  packages: {
    title: 'Debian packages for 12 and 13: built, looked at by lintian, installed, used, upgraded and purged in plain trees', native: false, onlyWhenNamed: true,
    run: async () => (await import('./lib/package-tests.js')).packagesInTrees(),
  },
  containers: {
    title: 'MPI in containers of rootless podman, over soft VFs', native: true, onlyWhenNamed: true,
    run: async () => (await import('./lib/container-tests.js')).containerTests(),
  },
  'packages-lab': {
    title: 'Debian packages on an emulated node under systemd: real VFs, upgrade and removal under running jobs', native: false, onlyWhenNamed: true,
    run: async () => (await import('./lib/package-tests.js')).packagesOnNode(show),
  },
  slurm: {
    title: 'docs/slurm.md followed, and jobs of Slurm on two hosts made of namespaces, over soft VFs', native: false, onlyWhenNamed: true, run: () => nodeTests('slurm/main.ts', 'soft'),
  },
  'slurm-lab': {
    title: 'docs/slurm.md followed, and jobs of Slurm on two emulated hosts', native: false, onlyWhenNamed: true, run: () => nodeTests('slurm/main.ts', 'lab'),
  },
};

await runMain(async () => {
  const program = new Command('npm test --')
    .description('run every test, or only some parts')
    .argument('[part...]', `parts: ${Object.keys(parts).join(', ')}`);
  program.parse();
  const wanted = program.args.length > 0 ? program.args : Object.keys(parts).filter((name) => parts[name]?.onlyWhenNamed !== true);
  const unknown = wanted.find((name) => parts[name] === undefined);
  if (unknown !== undefined) {
    process.stderr.write(`E: there is no part '${unknown}'; parts are ${Object.keys(parts).join(', ')}\n`);
    return 64;
  }
  if (wanted.some((name) => parts[name]?.native)) {
    await buildNative();
  }
  const total: Tally = { passed: 0, failed: 0 };
  const lines: string[] = [];
  for (const name of wanted) {
    const part = parts[name] as Part;
    const start = Date.now();
    let tally: Tally;
    try {
      tally = await step(`test: ${part.title}`, () => part.run());
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      tally = { passed: 0, failed: 1 };
    }
    lines.push(`  ${part.title}: ${tally.passed} passed, ${tally.failed} failed (${((Date.now() - start) / 1000).toFixed(0)} s)`);
    total.passed += tally.passed;
    total.failed += tally.failed;
  }
  if (restarts().length > 0) {
    lines.push(`  guests started anew because of the emulator: ${restarts().length}`, ...restarts().map((cause) => `    ${cause}`));
  }
  process.stdout.write(`\n${lines.join('\n')}\n${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 ? 0 : 1;
});
