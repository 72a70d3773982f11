// SPDX-License-Identifier: BSD-3-Clause
// Reads the apt configuration of this machine.
import {existsSync, readFileSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {execa} from 'execa';
import {
  type AptSource, type Mirror, chooseMirror, firstOfMirrorList, parseDeb822Sources, parseOneLineSources,
  transferableAptOptions,
} from './apt-config.js';
import {LabError} from './errors.js';

const defaultKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

function readSources(aptDir: string): AptSource[] {
  const dropIns = path.join(aptDir, 'sources.list.d');
  const files = [
    path.join(aptDir, 'sources.list'),
    ...(existsSync(dropIns) ? readdirSync(dropIns).sort().map((name) => path.join(dropIns, name)) : []),
  ];
  return files.filter((file) => existsSync(file)).flatMap((file) => {
    if (file.endsWith('.list')) {
      return parseOneLineSources(readFileSync(file, 'utf8'));
    }
    return file.endsWith('.sources') ? parseDeb822Sources(readFileSync(file, 'utf8')) : [];
  });
}

/** `mirror+file:/etc/apt/mirrors/x.list` (as cloud images have it) names a file of mirrors: takes its first. */
function resolveMirrorList(uri: string): string | undefined {
  const file = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
  return file === undefined ? uri : firstOfMirrorList(readFileSync(file, 'utf8'));
}

/** The Debian mirror this machine itself uses, and the keyring that its releases are signed with. */
export function hostMirror(aptDir = '/etc/apt'): Required<Mirror> & {keyring: string} {
  const chosen = chooseMirror(readSources(aptDir));
  const uri = chosen && resolveMirrorList(chosen.uri);
  if (chosen === undefined || uri === undefined) {
    throw new LabError('VFRING_ERR_LAB_MIRROR',
      `no Debian mirror found in ${aptDir}/sources.list and ${aptDir}/sources.list.d: no enabled source has a Debian suite with the component main`,
      'the lab needs a Debian 12 or 13 machine whose apt-get works: see sources.list(5)');
  }
  const keyring = chosen.keyring ?? defaultKeyring;
  if (!existsSync(keyring)) {
    throw new LabError('VFRING_ERR_LAB_MIRROR', `the keyring ${keyring} does not exist, so the mirror's signature cannot be checked`,
      'apt-get install debian-archive-keyring');
  }
  return {uri, keyring};
}

/** What of the machine's apt settings (proxy, retries) is needed to reach the mirror, as apt.conf text. */
export async function hostAptOptions(): Promise<string> {
  const {stdout} = await execa('apt-config', ['dump']);
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
  return noProxy === undefined ? result : {...result, no_proxy: noProxy};
}
