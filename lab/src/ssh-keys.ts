// SPDX-License-Identifier: BSD-3-Clause
import {generateKeyPairSync} from 'node:crypto';

export interface SshKey {
  /** Content of a file for private keys. */
  secret: string;
  /** `ssh-ed25519 BASE64`, as it stands in authorized_keys and known_hosts. */
  public: string;
}

/** One field of the wire format, RFC 4251 section 5. */
function field(content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}

/** A new key; made here, because the emulated machine takes its time for it. */
export function makeSshKey(): SshKey {
  const {privateKey, publicKey} = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({format: 'jwk'}).x!, 'base64url');
  const name = 'ssh-ed25519';
  return {
    secret: openSshPrivateKey(name, raw, Buffer.from(privateKey.export({format: 'jwk'}).d!, 'base64url')),
    // RFC 8709 section 4.
    public: `${name} ${Buffer.concat([field(Buffer.from(name)), field(raw)]).toString('base64')}`,
  };
}

/** The format of PROTOCOL.key in OpenSSH, without a passphrase. */
function openSshPrivateKey(name: string, publicKey: Buffer, seed: Buffer): string {
  const text = (value: string): Buffer => field(Buffer.from(value));
  const publicPart = Buffer.concat([text(name), field(publicKey)]);
  const check = Buffer.alloc(8);
  const secret = Buffer.concat([check, publicPart, field(Buffer.concat([seed, publicKey])), text('')]);
  const blockBytes = 8;
  const padding = Buffer.from(Array.from({length: (blockBytes - secret.length % blockBytes) % blockBytes}, (_, index) => index + 1));
  const one = Buffer.from([0, 0, 0, 1]);
  const whole = Buffer.concat([Buffer.from('openssh-key-v1\0'), text('none'), text('none'), text(''), one, field(publicPart), field(Buffer.concat([secret, padding]))]);
  const lines = whole.toString('base64').match(/.{1,70}/g)!;
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}
