// SPDX-License-Identifier: BSD-3-Clause
/**
 * Installs vfringd and vfring: bundled JavaScript, the packages it needs at
 * run time, the native addon, two wrappers, manual pages, completion, the
 * systemd unit and the udev rule.
 *
 *   control/install/install.ts --destdir DIR --prefix /usr [--better-sqlite3 DIR]
 *
 * The first DIR is put before every path (a package's or a machine image's root). Where node is of another release line
 * there, the second one has the ledger's database compiled for it.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { Command } from 'commander';
import { manifest, modules, root, runtimePackages } from './modules.js';
import { bundlePrograms } from './programs.js';
import { buildWeb } from './web.js';
import { wrapper, type WrapperOptions } from './wrapper.js';

const options = new Command('install')
  .requiredOption('--prefix <dir>', 'where it will run from, an absolute path')
  .option('--destdir <dir>', 'put before the prefix', '/')
  .option('--better-sqlite3 <dir>', 'the package, compiled for the node that it will run under', join(modules, 'better-sqlite3'))
  .parse()
  .opts<{ prefix: string; destdir: string; betterSqlite3: string }>();
if (!options.prefix.startsWith('/')) {
  throw new Error(`--prefix ${options.prefix}: it must be an absolute path`);
}
const prefix = join(options.destdir, options.prefix);

/** Runs a step, quietly unless it fails. */
function run(file: string, args: readonly string[]): void {
  execFileSync(file, [...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Left out: what only compilers, editors and other platforms read. */
function wanted(path: string, folder: string): boolean {
  const name = basename(path);
  if (name.startsWith('.') || name === 'test') {
    return false;
  }
  const inside = relative(folder, path).split('/');
  if (basename(folder) === 'koffi') {
    const [top, , platform] = inside;
    if (top === 'src' || top === 'doc' || top === 'vendor' || top === 'lib') {
      return false;
    }
    return platform === undefined || platform === `linux_${process.arch}`;
  }
  if (basename(folder) === 'better-sqlite3') {
    const [top, ...rest] = inside;
    if (top === 'build') {
      return ['', 'Release', 'Release/better_sqlite3.node'].includes(rest.join('/'));
    }
    return top !== 'deps' && top !== 'src' && name !== 'binding.gyp';
  }
  return !/\.(d\.[cm]?ts|map|md)$/.test(name);
}

/** Readable for every user, whatever the umask was. */
function openUp(path: string): void {
  if (statSync(path).isDirectory()) {
    chmodSync(path, 0o755);
    readdirSync(path).forEach((name) => openUp(join(path, name)));
  } else {
    chmodSync(path, 0o644);
  }
}

function installWrapper(folder: string, name: string, script: string, options: WrapperOptions = {}): void {
  mkdirSync(join(prefix, folder), { recursive: true });
  const path = join(prefix, folder, name);
  // By rename: a shell that is reading the old one goes on with the old one.
  writeFileSync(`${path}.new`, wrapper(script, options));
  chmodSync(`${path}.new`, 0o755);
  renameSync(`${path}.new`, path);
}

const bundled = join(root, 'build', 'control-js');
rmSync(bundled, { recursive: true, force: true });
run(process.execPath, [join(modules, 'typescript', 'bin', 'tsc'), '-p', join(root, 'control', 'tsconfig.json'), '--noEmit']);
await bundlePrograms(bundled);
const page = join(root, 'build', 'web');
await buildWeb(page);
run('make', ['-s', '-C', join(root, 'control', 'native')]);

const target = join(prefix, 'lib', 'vfring');
const fresh = `${target}.new`;
rmSync(fresh, { recursive: true, force: true });
mkdirSync(join(fresh, 'native'), { recursive: true });
cpSync(bundled, join(fresh, 'control', 'src'), { recursive: true });
cpSync(page, join(fresh, 'web'), { recursive: true });
cpSync(join(root, 'build', 'native-addon', 'vfring_native.node'), join(fresh, 'native', 'vfring_native.node'));
const { version } = manifest(root);
writeFileSync(join(fresh, 'package.json'), `${JSON.stringify({ name: 'vfring', version, type: 'module' }, null, 2)}\n`);
for (const name of runtimePackages()) {
  const folder = name === 'better-sqlite3' ? options.betterSqlite3 : join(modules, name);
  cpSync(folder, join(fresh, 'node_modules', name), { recursive: true, filter: (path) => wanted(path, folder) });
}
openUp(fresh);

/** What is made from the commands' own tree: manual pages and completion. */
function installTexts(): void {
  const vfring = (...args: string[]): string =>
    execFileSync(process.execPath, [join(target, 'control', 'src', 'cli', 'main.js'), ...args], { encoding: 'utf8' });
  const put = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(join(prefix, path, '..'), { recursive: true });
    writeFileSync(join(prefix, path), text);
    chmodSync(join(prefix, path), mode);
  };
  put('share/man/man1/vfring.1', vfring('man', 'vfring'));
  put('share/man/man8/vfringd.8', vfring('man', 'vfringd'));
  put('share/bash-completion/completions/vfring', vfring('completion', 'bash'));
  put('share/zsh/site-functions/_vfring', vfring('completion', 'zsh'));
  put('share/fish/vendor_completions.d/vfring.fish', vfring('completion', 'fish'));
  const system = (name: string): string => readFileSync(join(root, 'control', 'system', name), 'utf8');
  put('lib/systemd/system/vfringd.service', system('vfringd.service').replace('/usr/sbin/vfringd', join(options.prefix, 'sbin', 'vfringd')));
  put('lib/udev/rules.d/60-vfring.rules', system('60-vfring.rules'));
  for (const name of ['prolog', 'epilog', 'task-prolog']) {
    put(`libexec/vfring/slurm/${name}`, system(`slurm/${name}`).replace('/usr/bin/vfring', join(options.prefix, 'bin', 'vfring')), 0o755);
  }
}

const old = `${target}.old`;
rmSync(old, { recursive: true, force: true });
if (existsSync(target)) {
  renameSync(target, old);
}
renameSync(fresh, target);
rmSync(old, { recursive: true, force: true });
installWrapper('bin', 'vfring', 'cli/main.js');
// Memory of a daemon that mostly sleeps (docs/performance/control.md); an option of every node.
installWrapper('sbin', 'vfringd', 'vfringd/main.js', { flags: ' --max-semi-space-size=2', confined: true });
installTexts();
process.stdout.write(`vfring ${version} installed under ${prefix}\n`);
