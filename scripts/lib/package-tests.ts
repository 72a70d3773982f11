// SPDX-License-Identifier: BSD-3-Clause
/** The Debian packages as an administrator meets them: in a plain tree of each release, and on an emulated node under systemd. */
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { execa } from 'execa';
import { withGuest, type Output } from '../../lab/src/guest.js';
import { StepError, buildDir, root, step } from '../../tools/steps.js';
import { RELEASES, buildPackages, plainTree, type Built, type Release } from './debian-packages.js';
import { debianTree, inTree } from './debian-tree.js';
import { plainGuest } from './plain-guest.js';
import { tallyOfLines, type Tally } from './tally.js';

const TESTS = join(root, 'packaging', 'tests');
const upstreamOf = ({ version }: Built): string => version.replace(/\+.*$/, '');
/** An upgrade goes to the version behind this one. */
const nextOf = (built: Built): string => upstreamOf(built).replace(/\d+$/, (patch) => String(Number(patch) + 1));

/** Installed, used over soft VFs, upgraded, removed and purged in a tree of the release. */
async function inPlainTree(suite: Release): Promise<Tally> {
  const built = await buildPackages(suite);
  const tree = await debianTree(plainTree(suite));
  const logName = `packages-in-${suite}`;
  const ok = await step(`install, use, upgrade and purge in ${suite}`, () =>
    inTree(tree, { logName, asRoot: true, folders: { '/debs': built.dir, '/tests': TESTS } }, 'sh', '/tests/in-tree.sh', upstreamOf(built), nextOf(built)))
    .then(() => true, (error: unknown) => {
      if (!(error instanceof StepError)) {
        throw error;
      }
      return false;
    });
  const output = readFileSync(join(buildDir, 'log', `${logName}.log`), 'utf8');
  process.stdout.write(output);
  return tallyOfLines(output, ok);
}

export async function packagesInTrees(): Promise<Tally> {
  const total: Tally = { passed: 0, failed: 0 };
  for (const suite of Object.keys(RELEASES) as Release[]) {
    const { passed, failed } = await inPlainTree(suite);
    total.passed += passed;
    total.failed += failed;
  }
  return total;
}

/** The same on an emulated node with real VFs, under systemd, with jobs that run meanwhile. */
export async function packagesOnNode(show: Output): Promise<Tally> {
  const built = await buildPackages('trixie');
  const prepared = await plainGuest();
  const content = join(buildDir, 'packages', 'guest');
  rmSync(content, { recursive: true, force: true });
  mkdirSync(join(content, 'debs'), { recursive: true });
  built.debs.forEach((name) => cpSync(join(built.dir, name), join(content, 'debs', name)));
  cpSync(TESTS, join(content, 'tests'), { recursive: true });
  await execa('sh', [join(TESTS, 'next-version.sh'), upstreamOf(built), nextOf(built), join(content, 'next'), ...built.debs.map((name) => join(built.dir, name))]);
  const { stdout: tar } = await execa('tar', ['-c', '-C', content, 'debs', 'next', 'tests'], { encoding: 'buffer', maxBuffer: 2 ** 30 });
  return await withGuest({ prepared, machine: { append: 'lab.init=systemd' }, timeoutS: 3600 }, async (guest) => {
    const script = 'tar -x -C / --no-same-owner && exec sh /tests/in-guest.sh "$@"';
    const { status, stdout } = await guest.exec({
      argv: ['sh', '-c', script, 'sh', upstreamOf(built), nextOf(built)], stdin: Readable.from([Buffer.from(tar)]), onOutput: show,
    });
    return tallyOfLines(stdout, status === 0);
  });
}
