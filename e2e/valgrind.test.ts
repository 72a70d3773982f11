// SPDX-License-Identifier: BSD-3-Clause
/**
 * memcheck watches whole runs over soft VFs. Nothing that it reports about reads
 * and writes is accepted but for what valgrind.supp lists of Open MPI's own; of
 * memory that is lost, what vfring has allocated.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allReturned, asUser, mpirun, type Daemon, type Site } from './site.js';

const RANKS = 2;
const ERROR_STATUS = 99;
const SUPPRESSIONS = join(import.meta.dirname, 'valgrind.supp');
const READS_FREED_MEMORY = `#include <mpi.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    volatile int *p = malloc(sizeof(*p));
    MPI_Init(&argc, &argv);
    free((void *) p);
    argc = *p;
    MPI_Finalize();
    return 0;
}
`;
/** Functions of ours in a stack. */
const OURS = /\b(mca_)?btl_vfring_|\bvfring_|\bsoftvf_/;

/** The records of a log: blocks of lines between empty ones, without the "==PID==". */
function records(log: string): string[] {
  return log.replace(/^==\d+== ?/gm, '').split(/\n\s*\n/);
}

export function valgrindTests(site: Site): void {
  describe(`${site.kind}: memcheck finds nothing`, () => {
    let daemon: Daemon;
    before(async () => {
      daemon = await site.startDaemon({ vfs: RANKS });
    });
    after(async () => {
      await allReturned(site);
      await daemon.stop();
    });

    /** Runs the program under memcheck in both ranks; returns what they logged. */
    async function memcheck(name: string, mca: readonly string[], ...program: string[]): Promise<string[]> {
      const logs = join(site.scratch, `memcheck-${name}`);
      await mkdir(logs, { recursive: true });
      await site.admin(['chmod', '0777', logs]);
      const { status, stdout, stderr } = await asUser(site, mpirun(RANKS, ...mca,
        'valgrind', '--tool=memcheck', '--leak-check=full', '--errors-for-leak-kinds=none', '--keep-debuginfo=yes',
        '--track-origins=yes', `--error-exitcode=${ERROR_STATUS}`, `--suppressions=${SUPPRESSIONS}`,
        `--log-file=${join(logs, '%p.log')}`, ...program), { timeoutS: 600 });
      const texts = await Promise.all((await readdir(logs)).map(async (file) => await readFile(join(logs, file), 'utf8')));
      assert.equal(status, 0, `${stdout}${stderr}\n${texts.join('\n')}`);
      assert.equal(texts.length, RANKS, 'one log a rank');
      for (const text of texts) {
        assert.match(text, /ERROR SUMMARY: 0 errors/, text);
        const lost = records(text).filter((record) => /\bare (definitely|indirectly|possibly) lost\b/.test(record) && OURS.test(record));
        assert.deepEqual(lost, [], 'memory of vfring is lost');
      }
      return texts;
    }

    for (const [name, args] of [
      ['sizes', ['--boundaries', '8958,16384', '--case', 'unexpected_message_is_kept_whole,mixed_sizes_under_way_keep_their_order']],
      ['requests', ['--boundaries', '8958']],
    ] as const) {
      test(name, async () => {
        await memcheck(name, [], join(site.programs, name), '--quick', ...args);
      });
    }

    test('matching, with frames lost, doubled, damaged and out of order', async () => {
      await memcheck('loss', ['--mca', 'btl_vfring_soft_faults', 'drop=0.02,dup=0.02,reorder=0.02,corrupt=0.01,seed=4', '--mca', 'btl_vfring_checksum', '1'],
        join(site.programs, 'matching'), '--quick', '--case', 'tags_are_received_in_any_order,short_messages_do_not_overtake_long_ones');
    });

    test('it would find something: a program that reads memory it has freed', async () => {
      const source = join(site.scratch, 'freed.c');
      const program = join(site.scratch, 'freed');
      await writeFile(source, READS_FREED_MEMORY);
      const compiled = await site.admin(['mpicc', '-O0', '-o', program, source]);
      assert.equal(compiled.status, 0, compiled.stderr);
      await assert.rejects(memcheck('self-test', [], program), /Invalid read of size 4/);
    });
  });
}
