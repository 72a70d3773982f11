// SPDX-License-Identifier: BSD-3-Clause
/** The Debian packages as an administrator meets them: in a plain tree of each release, and on an emulated node under systemd. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { execa } from 'execa';
import { cgroupConf, slurmConf } from '../../e2e/slurm/setup.js';
import { withGuest, type Output } from '../../lab/src/guest.js';
import { kernelFaults } from '../../lab/src/kernel-log.js';
import { StepError, buildDir, root, step } from '../../tools/steps.js';
import { RELEASES, buildPackages, buildTree, inBuildTree, layOut, plainTree, sources, type Built, type Release } from './debian-packages.js';
import { debianTree, inTree } from './debian-tree.js';
import { plainGuest } from './plain-guest.js';
import { tallyOfLines, type Tally } from './tally.js';

const E2E = join(root, 'e2e');
const SCRIPTS = ['containers', 'packages', 'shell'] as const;
const upstreamOf = ({ version }: Built): string => version.replace(/\+.*$/, '');
/** An upgrade goes to the version behind this one. */
const nextOf = (built: Built): string => upstreamOf(built).replace(/\d+$/, (patch) => String(Number(patch) + 1));

/** Runs a script of e2e/ in a tree, by `enter`, which has a log of that name. Returns how many of its tests passed. */
async function scriptInTree(logName: string, title: string, enter: () => Promise<void>): Promise<Tally> {
  const ok = await step(title, enter).then(() => true, (error: unknown) => {
    if (!(error instanceof StepError)) {
      throw error;
    }
    return false;
  });
  const output = readFileSync(join(buildDir, 'log', `${logName}.log`), 'utf8');
  process.stdout.write(output);
  return tallyOfLines(output, ok);
}

/** Installed, used over soft VFs, upgraded, removed and purged in a tree of the release. */
async function inPlainTree(suite: Release): Promise<Tally> {
  const built = await buildPackages(suite);
  const tree = await debianTree(plainTree(suite));
  const logName = `packages-in-${suite}`;
  return await scriptInTree(logName, `install, use, upgrade and purge in ${suite}`, () =>
    inTree(tree, { logName, asRoot: true, folders: { '/debs': built.dir, '/e2e': E2E } }, 'sh', '/e2e/packages/in-tree.sh', upstreamOf(built), nextOf(built)));
}

/** RPM packages, built by Debian's rpmbuild. No system that has such packages is at hand to install them on. */
async function rpmBuild(): Promise<Tally> {
  const built = await buildPackages('trixie');
  const tree = await debianTree(buildTree('trixie'));
  const work = join(buildDir, 'packages', 'rpm');
  await layOut(join(work, 'vfring'), await sources());
  const logName = 'packages-rpm';
  return await scriptInTree(logName, 'RPM packages', () =>
    inBuildTree(tree, logName, { '/build': work, '/debs': built.dir, '/e2e': E2E }, 'sh /e2e/packages/rpm.sh'));
}

export async function packagesInTrees(): Promise<Tally> {
  const total: Tally = { passed: 0, failed: 0 };
  for (const work of [...(Object.keys(RELEASES) as Release[]).map((suite) => () => inPlainTree(suite)), rpmBuild]) {
    const { passed, failed } = await work();
    total.passed += passed;
    total.failed += failed;
  }
  return total;
}

/** What an administrator and users do on the emulated node, one after another: a script of e2e/ each. */
const onNode = (version: string, next: string): readonly (readonly string[])[] => [
  ['sh', '/e2e/packages/node-install.sh'],
  ['sh', '/e2e/packages/node-slurm.sh', '/slurm'],
  ['unshare', '--mount', '--propagation', 'private', 'sh', '/e2e/containers/rootless.sh', 'node'],
  ['sh', '/e2e/packages/node-upgrade.sh', version, next],
  ['sh', '/e2e/packages/node-remove.sh'],
  ['sh', '/e2e/packages/node-ansible.sh'],
];

/** Packages of this version and of the one behind it, the scripts, and the files of a plain Slurm: what is unpacked in the guest's root. */
async function guestContent(built: Built): Promise<Buffer> {
  const content = join(buildDir, 'packages', 'guest');
  rmSync(content, { recursive: true, force: true });
  mkdirSync(join(content, 'debs'), { recursive: true });
  const debs = built.debs.map((name) => join(built.dir, name));
  built.debs.forEach((name, i) => cpSync(debs[i] as string, join(content, 'debs', name)));
  SCRIPTS.forEach((name) => cpSync(join(E2E, name), join(content, 'e2e', name), { recursive: true }));
  await execa('sh', [join(E2E, 'packages', 'next-version.sh'), upstreamOf(built), nextOf(built), join(content, 'next'), ...debs]);
  cpSync(join(root, 'contrib', 'ansible'), join(content, 'ansible'), { recursive: true });
  mkdirSync(join(content, 'slurm'));
  writeFileSync(join(content, 'slurm', 'slurm.conf'), slurmConf({ real: true, cpus: 4, hosts: 'vfring-lab', controller: 'vfring-lab', accounting: false }));
  writeFileSync(join(content, 'slurm', 'cgroup.conf'), cgroupConf(true));
  const { stdout } = await execa('tar', ['-c', '-C', content, 'ansible', 'debs', 'next', 'e2e', 'slurm'], { encoding: 'buffer', maxBuffer: 2 ** 30 });
  return Buffer.from(stdout);
}

/** The same on an emulated node with real VFs, under systemd, with Slurm, containers, and jobs that run meanwhile. */
export async function packagesOnNode(show: Output, built?: Built): Promise<Tally> {
  built ??= await buildPackages('trixie');
  const prepared = await plainGuest();
  const tar = await guestContent(built);
  // A periodic tick: QEMU can lose a timer interrupt, after which one that is programmed anew each time never comes again. This run is long.
  return await withGuest({ prepared, machine: { append: 'lab.init=systemd nohz=off highres=off' }, timeoutS: 7200 }, async (guest) => {
    const run = async (argv: readonly string[], stdin?: Readable): Promise<Tally> => {
      const { status, stdout } = await guest.exec({ argv, onOutput: show, ...(stdin && { stdin }) });
      return tallyOfLines(stdout, status === 0);
    };
    const [install, ...others] = onNode(upstreamOf(built), nextOf(built));
    const total = await run(['sh', '-c', 'tar -x -C / --no-same-owner && exec "$@"', 'sh', ...(install as string[])], Readable.from([tar]));
    if (total.failed === 0) {
      for (const argv of others) {
        const { passed, failed } = await run(argv);
        total.passed += passed;
        total.failed += failed;
      }
    }
    const trouble = kernelFaults(guest.consoleLog);
    if (trouble.length > 0) {
      process.stdout.write(`not ok - the kernel log has no warning:\n${trouble.join('\n')}\n`);
      total.failed += 1;
    }
    return total;
  });
}
