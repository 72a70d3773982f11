// SPDX-License-Identifier: BSD-3-Clause
/** npm run packages: Debian packages for the releases, below build/packages. */
import { Argument, Command } from 'commander';
import { relative } from 'node:path';
import { runMain } from '../tools/steps.js';
import { RELEASES, buildPackages, type Release } from './lib/debian-packages.js';

await runMain(async () => {
  const program = new Command('npm run packages --')
    .description('Debian packages, built in clean trees of these releases, below build/packages')
    .addArgument(new Argument('[release...]', 'all by default').choices(Object.keys(RELEASES)));
  program.parse();
  const releases = (program.args.length > 0 ? program.args : Object.keys(RELEASES)) as Release[];
  for (const release of releases) {
    const { dir, debs } = await buildPackages(release);
    debs.forEach((name) => process.stdout.write(`${relative('', dir)}/${name}\n`));
  }
  return 0;
});
