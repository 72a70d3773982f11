// SPDX-License-Identifier: BSD-3-Clause
/** What this machine's own apt knows: where Debian comes from, and how that is reached. */
import { existsSync, readFileSync } from 'node:fs';
import { execa } from 'execa';
import { LabError } from './errors.js';

const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Debian's archive itself, as its signed Release file says: not its security updates or backports, and nobody else's packages. */
const DEBIAN = ['Created-By: Packages', 'Origin: Debian', 'Label: Debian', 'Component: main'];

/**
 * The first mirror of `apt-get indextargets --format $(REPO_URI)`. A URI `mirror+file:PATH` (as cloud images have it) names a
 * file of mirrors, one a line, with facts about it after a tab.
 */
export function firstMirror(targets: string, read = (file: string): string => readFileSync(file, 'utf8')): string | undefined {
  const uri = targets.split('\n')[0]!.replace(/\/$/, '');
  const file = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
  const found = file === undefined ? uri : read(file).split('\n').map((line) => line.replace(/#.*/, '').trim().split(/\s/)[0]!).find((word) => word !== '');
  return found === '' ? undefined : found;
}

/** The Debian mirror that this machine uses, and the keyring that Debian's releases are signed with. */
export async function hostMirror(): Promise<{ uri: string; keyring: string }> {
  const { stdout } = await execa('apt-get', ['indextargets', '--format', '$(REPO_URI)', ...DEBIAN]);
  const uri = firstMirror(stdout);
  if (uri === undefined) {
    throw new LabError('VFRING_ERR_LAB_MIRROR', 'apt knows no Debian mirror: apt-get indextargets lists no packages of Debian with the component main',
      'the lab needs a Debian 12 or 13 machine whose apt works: see sources.list(5), and run apt-get update');
  }
  if (!existsSync(DEBIAN_KEYRING)) {
    throw new LabError('VFRING_ERR_LAB_MIRROR', `the keyring ${DEBIAN_KEYRING} does not exist, so the mirror's signature cannot be checked`,
      'apt-get install debian-archive-keyring');
  }
  return { uri, keyring: DEBIAN_KEYRING };
}

/**
 * Lines of `apt-config dump` that decide whether a mirror can be reached and is believed (proxy, certificates, dates of
 * snapshots): they hold for the same mirror used from inside the new system.
 */
export function transferableAptOptions(dump: string): string[] {
  return dump.split('\n').filter((line) =>
    /^Acquire::(https?::(Proxy|Timeout|Verify-Peer|Verify-Host)|Retries|Check-Valid-Until|Check-Date)\b.*;$/i.test(line));
}

/** What of the machine's apt settings (proxy, retries) is needed to reach the mirror, as apt.conf text. */
export async function hostAptOptions(): Promise<string> {
  const { stdout } = await execa('apt-config', ['dump']);
  return transferableAptOptions(stdout).map((line) => `${line}\n`).join('');
}

/** `http_proxy` and the like for debootstrap, which downloads by wget and not by apt. */
export function proxyEnvironment(aptOptions: string, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const result: Record<string, string> = {};
  for (const scheme of ['http', 'https']) {
    const name = `${scheme}_proxy`;
    const fromApt = new RegExp(`^Acquire::${scheme}::Proxy "([^"]+)";$`, 'im').exec(aptOptions)?.[1];
    const value = fromApt ?? env[name] ?? env[name.toUpperCase()];
    if (value !== undefined && value !== '' && value !== 'DIRECT') {
      result[name] = value;
    }
  }
  const noProxy = env['no_proxy'] ?? env['NO_PROXY'];
  return noProxy === undefined ? result : { ...result, no_proxy: noProxy };
}
