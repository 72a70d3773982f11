// SPDX-License-Identifier: BSD-3-Clause
/** Debian's own MPI programs, which know nothing of vfring, pass over it. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allReturned, asUser, vfringRun, type Daemon, type Site } from './site.js';

/**
 * HPCC's input: HPL's format, one small problem on a 2 x 2 grid, so that an
 * emulated machine gets through it. The first lines are what HPL reads.
 */
export const HPCC_INPUT = `HPLinpack benchmark input file
vfring
HPL.out      output file name (if any)
8            device out (6=stdout,7=stderr,file)
1            # of problems sizes (N)
200          Ns
1            # of NBs
32           NBs
0            PMAP process mapping (0=Row-,1=Column-major)
1            # of process grids (P x Q)
2            Ps
2            Qs
16.0         threshold
1            # of panel fact
2            PFACTs (0=left, 1=Crout, 2=Right)
1            # of recursive stopping criterium
4            NBMINs (>= 1)
1            # of panels in recursion
2            NDIVs
1            # of recursive panel fact.
1            RFACTs (0=left, 1=Crout, 2=Right)
1            # of broadcast
1            BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)
1            # of lookahead depth
1            DEPTHs (>=0)
2            SWAP (0=bin-exch,1=long,2=mix)
64           swapping threshold
0            L1 in (0=transposed,1=no-transposed) form
0            U  in (0=transposed,1=no-transposed) form
1            Equilibration (0=no,1=yes)
8            memory alignment in double (> 0)
##### This line (no. 32) is ignored (it serves as a separator). ######
0            Number of additional problem sizes for PTRANS
1200         values of N
0            number of additional blocking sizes for PTRANS
40           values of NB
`;

/** @param text of hpccoutf.txt */
export function assertHpccPassed(text: string): void {
  const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1];
  assert.equal(value('Success'), '1', text.slice(-4000));
  assert.match(text, /0 tests completed and failed residual checks|[1-9]\d* tests completed and passed residual checks/, text);
  assert.doesNotMatch(text, /^.*\bFAILED\b.*$/m);
}

/** @param output of NetPIPE with its data check; launchers may have added warnings of their own */
export function assertNetpipeIntact(output: string): void {
  const sizes = [...output.matchAll(/^ *\d+: +\d+ bytes .*$/gm)].map(([line]) => line);
  assert.ok(sizes.length > 20, output);
  sizes.forEach((line) => assert.match(line, /--> +Integrity check passed/, output));
  assert.doesNotMatch(output, /integrity check failed/i);
}

export function programTests(site: Site): void {
  describe(`${site.kind}: programs that know nothing of vfring`, () => {
    let daemon: Daemon;
    before(async () => {
      daemon = await site.startDaemon({ vfs: 4 });
    });
    after(async () => {
      await daemon.stop();
    });

    test('NetPIPE with its data check', async () => {
      const output = join(site.scratch, 'netpipe.out');
      const result = await asUser(site, vfringRun(2, 'NPopenmpi', '-i', '-u', '65536', '-n', '3', '-o', output), { timeoutS: 1200 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      assertNetpipeIntact(result.stdout + result.stderr);
      await allReturned(site);
    });

    test('HPCC with 4 ranks: its result file says that every test passed', async () => {
      const dir = join(site.scratch, 'hpcc');
      await mkdir(dir, { recursive: true, mode: 0o777 });
      await site.admin(['chmod', '0777', dir]);
      await writeFile(join(dir, 'hpccinf.txt'), HPCC_INPUT);
      const result = await asUser(site, vfringRun(4, 'hpcc'), { cwd: dir, timeoutS: 900 });
      assert.equal(result.status, 0, result.stdout + result.stderr);
      assertHpccPassed(await readFile(join(dir, 'hpccoutf.txt'), 'utf8'));
      await allReturned(site);
    });
  });
}
