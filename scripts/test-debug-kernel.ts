// SPDX-License-Identifier: BSD-3-Clause
/**
 * npm run test:debug-kernel [-- [--long] [--planted] [TEST...]]: the kernel module's tests
 * on a kernel that watches for errors: KASAN, UBSAN, lockdep, DMA API debugging,
 * kmemleak, debug objects, page poisoning, fault injection. Any report of it
 * fails the run. The kernel is built on the first run, which needs root or sudo.
 *
 * Without TEST every test runs, in groups with a boot each, and those of machines
 * that do not confine a VF; with TEST those, in one boot ("refuse" alone: those of
 * such machines). Fuzzed operations, regions and ends of memory are fewer than on the
 * plain kernel unless --long or UIO_VF_OPERATIONS, ... say otherwise; what was
 * done is printed. With --planted the tests run on modules with an error of
 * driver-kmod/debug-kernel/planted/ each, and pass if it is reported.
 * The last line is "N passed, N failed".
 */
import { execa } from 'execa';
import { cpSync, createReadStream, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { withGuest } from '../lab/src/guest.js';
import { restarts } from '../lab/src/restarts.js';
import { kernelFaults } from '../lab/src/kernel-log.js';
import type { Machine } from '../lab/src/qemu.js';
import { buildDir, root, runMain, step } from '../tools/steps.js';
import { judged, tallyOfPlain, type Tally } from './lib/tally.js';

interface Group {
  readonly name: string;
  readonly tests: readonly string[];
  readonly machine: Partial<Machine>;
}
const group = (name: string, machine: Partial<Machine> = {}): Group => ({ name, tests: name.split(' '), machine });
/** Together each test of run-tests.sh; each group takes some minutes. */
const groups: readonly Group[] = [
  group('open uio abi mmap limits dma irq'),
  group('device_dma isolation notifier huge join'),
  group('lifetime stress regions'),
  group('fuzz gone'),
  group('faults'),
  group('recovery'),
  // run-tests.sh sees what machine it is on, and has one test for it. Here the DMA API is used.
  { name: 'refuse (no IOMMU)', tests: [], machine: { iommu: false } },
  { name: 'refuse (no interrupt remapping)', tests: [], machine: { intremap: false } },
];
/** What is to be run for tests that were named. */
const named = (tests: readonly string[]): readonly Group[] =>
  (tests.join(' ') === 'refuse' ? groups.slice(-2) : [{ name: tests.join(' '), tests, machine: {} }]);
/** The tests aim the VF at memory that is not mapped: the IOMMU reports it. */
const provoked = /DMAR: .*fault/i;
/** Of one group. Ten times what it takes on a plain kernel. */
const timeoutS = { short: 3600, long: 4 * 3600 };
/** What a kernel ten times slower does in the time of the plain one. */
const amounts = { UIO_VF_OPERATIONS: '6000', UIO_VF_REGIONS: '10000', UIO_VF_ROUNDS: '48' };
/** `faults` makes the kernel say a lot: run-tests.sh looks for its own beginning in the log. */
const append = 'log_buf_len=4M page_poison=1 kmemleak=on nohz=off highres=off sysctl.kernel.hung_task_timeout_secs=60';
const output = join(buildDir, 'debug-kernel');

/**
 * A kernel log without the reports of /proc/irq's own entries. The kernel goes on
 * when there is no memory for one (a test makes that happen), and warns that it is
 * not there when it takes it out.
 */
function withoutProcReports(log: string): string {
  return log.replace(/-+\[ cut here \]-+[^]*?-+\[ end trace [0-9a-f]+ \]-+/g,
    (report) => (/ unregister_(irq|handler)_proc\+/.test(report) ? '' : report));
}

/** @param dir where the kernel and the module are, as build.sh makes them */
async function runGroup({ tests, machine }: Group, long: boolean, dir: string): Promise<Tally> {
  return await withGuest({
    kernel: { image: join(dir, 'bzImage') },
    // The file's name does not tell whether a saved machine is of this kernel.
    cold: true,
    parts: ['kmod'],
    machine: { ...machine, append },
    timeoutS: long ? timeoutS.long : timeoutS.short,
  }, async (guest) => {
    const environment = Object.entries(amounts).flatMap(([name, short]) => {
      const value = process.env[name] ?? (long ? undefined : short);
      return value === undefined ? [] : [`${name}=${value}`];
    });
    process.stdout.write(`# ${[...environment, ...tests].join(' ')}\n`);
    const result = await guest.exec({
      argv: ['sh', '-c', 'cat >/tmp/uio_vf.ko && exec env "$@"', 'sh', ...environment,
        '/usr/libexec/vfring/kmod-tests/run-tests.sh', '--module', '/tmp/uio_vf.ko', ...(long ? ['--long'] : []), ...tests],
      stdin: createReadStream(join(dir, 'uio_vf.ko')),
      onOutput: (stream, chunk) => {
        (stream === 'stdout' ? process.stdout : process.stderr).write(chunk);
      },
    });
    const tally = judged(tallyOfPlain(result.stdout), result.status === 0);
    const check = (name: string, trouble: readonly string[]): void => {
      process.stdout.write(`${trouble.length === 0 ? 'ok' : 'not ok'} - ${[name, ...trouble].join('\n')}\n`);
      tally[trouble.length === 0 ? 'passed' : 'failed'] += 1;
    };
    check('the kernel reported nothing', kernelFaults(withoutProcReports(guest.consoleLog)).filter((line) => !provoked.test(line)));
    check('the scan for leaks was made', /^(not )?ok - no memory was leaked$/m.test(result.stdout) ? [] : ['no result of kmemleak']);
    return tally;
  });
}

/** @param kmod the module's sources */
async function build(what: string, kmod: string, dir: string): Promise<void> {
  await step(`build: ${what}`, async () => {
    await execa(join(kmod, 'debug-kernel', 'build.sh'), [dir], { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' });
  });
}

/** Whether the run fails by an error that is there: one that it does not see is a failure. */
async function runPlanted(): Promise<Tally> {
  const total: Tally = { passed: 0, failed: 0 };
  const folder = join(root, 'driver-kmod', 'debug-kernel', 'planted');
  for (const patch of readdirSync(folder)) {
    const copy = mkdtempSync(join(tmpdir(), 'uio_vf-planted-'));
    try {
      cpSync(join(root, 'driver-kmod'), join(copy, 'driver-kmod'), { recursive: true });
      await execa('git', ['apply', join(folder, patch)], { cwd: copy, stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' });
      const dir = join(buildDir, 'debug-kernel-planted');
      const name = basename(patch, '.patch');
      await build(`uio_vf with a planted error: ${name}`, join(copy, 'driver-kmod'), dir);
      const seen = (await runGroup(group('open'), false, dir)).failed > 0;
      process.stdout.write(`# ${seen ? 'reported, as it must be' : 'NOT REPORTED'}: the planted error ${name}\n`);
      total[seen ? 'passed' : 'failed'] += 1;
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }
  return total;
}

await runMain(async () => {
  const args = process.argv.slice(2);
  const long = args.includes('--long');
  const tests = args.filter((arg) => !arg.startsWith('--'));
  const summary: string[] = [];
  const total: Tally = { passed: 0, failed: 0 };
  const add = (name: string, start: number, { passed, failed }: Tally): void => {
    total.passed += passed;
    total.failed += failed;
    summary.push(`# ${name}: ${passed} passed, ${failed} failed (${((Date.now() - start) / 1000).toFixed(0)} s)`);
  };
  if (args.includes('--planted')) {
    add('planted errors', Date.now(), await runPlanted());
  } else {
    await build('the debug kernel, and uio_vf for it', join(root, 'driver-kmod'), output);
    for (const one of tests.length > 0 ? named(tests) : groups) {
      add(one.name, Date.now(), await runGroup(one, long, output));
    }
  }
  summary.push(...restarts().map((cause) => `# a guest was started anew: ${cause}`));
  process.stdout.write(`${summary.join('\n')}\n${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 ? 0 : 1;
});
