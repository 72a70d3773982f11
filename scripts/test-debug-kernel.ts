// SPDX-License-Identifier: BSD-3-Clause
/**
 * npm run test:debug-kernel [-- [--long] [TEST...]]: the kernel module's tests
 * on a kernel that watches for errors: KASAN, UBSAN, lockdep, DMA API debugging,
 * kmemleak, debug objects, page poisoning, fault injection. Any report of it
 * fails the run. The kernel is built on the first run, which needs root or sudo.
 */
import { execa } from 'execa';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Guest } from '../lab/src/guest.js';
import { kernelFaults } from '../lab/src/kernel-log.js';
import { buildDir, root, runMain, step } from './lib/steps.js';
import { judged, tallyOfPlain } from './lib/tally.js';

/** The tests aim the VF at memory that is not mapped: the IOMMU reports it. */
const provoked = /DMAR: .*fault/i;
/** Ten times what the tests take on a plain kernel. */
const timeoutS = { short: 3600, long: 4 * 3600 };

await runMain(async () => {
  const args = process.argv.slice(2);
  const output = join(buildDir, 'debug-kernel');
  await step('build: the debug kernel, and uio_vf for it', async () => {
    await execa(join(root, 'driver-kmod', 'debug-kernel', 'build.sh'), [output], { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' });
  });
  const guest = await Guest.boot({
    kernel: join(output, 'bzImage'),
    // The file's name does not tell whether a saved machine is of this kernel.
    cold: true,
    parts: ['kmod'],
    machine: { append: 'page_poison=1 kmemleak=on' },
    timeoutS: args.includes('--long') ? timeoutS.long : timeoutS.short,
  });
  try {
    const start = Date.now();
    const result = await guest.exec({
      argv: ['sh', '-c', 'cat >/tmp/uio_vf.ko && exec /usr/libexec/vfring/kmod-tests/run-tests.sh --module /tmp/uio_vf.ko "$@"', 'sh', ...args],
      stdin: createReadStream(join(output, 'uio_vf.ko')),
      onOutput: (stream, chunk) => {
        (stream === 'stdout' ? process.stdout : process.stderr).write(chunk);
      },
    });
    const reports = kernelFaults(guest.consoleLog).filter((line) => !provoked.test(line));
    if (reports.length > 0) {
      process.stdout.write(`not ok - the kernel reported nothing:\n${reports.join('\n')}\n`);
    }
    const tally = judged(tallyOfPlain(result.stdout), result.status === 0);
    const failed = tally.failed + (reports.length > 0 ? 1 : 0);
    process.stdout.write(`${tally.passed + (reports.length === 0 ? 1 : 0)} passed, ${failed} failed (${((Date.now() - start) / 1000).toFixed(0)} s)\n`);
    return failed === 0 ? 0 : 1;
  } finally {
    await guest.close();
  }
});
