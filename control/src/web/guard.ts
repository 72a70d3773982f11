// SPDX-License-Identifier: BSD-3-Clause
/**
 * Which requests are answered. The page only shows, so that there is nothing to
 * forge; what is guarded is who reads it: a page of somebody else in the user's
 * browser must not, neither by a name that its owner points here (DNS
 * rebinding: the name in Host gives it away) nor from its own origin.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { VfringError } from '../errors.js';

export interface GuardPolicy {
  /** In lower case; undefined: any name. */
  readonly hosts: ReadonlySet<string> | undefined;
  /** SHA-256 of the token; undefined: none is needed. */
  readonly token: Buffer | undefined;
}

export interface Refusal {
  readonly status: 400 | 401 | 403 | 405 | 421;
  readonly error: VfringError;
  readonly headers?: Readonly<Record<string, string>>;
}

const refuse = (status: Refusal['status'], what: string, remedy: string, headers?: Refusal['headers']): Refusal =>
  ({ status, error: new VfringError('VFRING_ERR_HTTP_REFUSED', { what, remedy }), ...(headers && { headers }) });

export const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Why a request is not answered; undefined: it is. */
export function refusal(method: string, headers: IncomingHttpHeaders, policy: GuardPolicy): Refusal | undefined {
  if (method !== 'GET' && method !== 'HEAD') {
    return refuse(405, 'nothing can be changed here', 'jobs and VFs are changed by vfring, or over api.sock', { allow: 'GET, HEAD' });
  }
  const name = hostName(headers.host);
  if (name === undefined) {
    return refuse(400, 'the request does not say well for which host it is (Host:)', 'send the name or address that this server has, and its port');
  }
  if (policy.hosts !== undefined && isIP(name) === 0 && name !== 'localhost' && !policy.hosts.has(name)) {
    return refuse(421, 'this server does not go by the name in the request (Host:)', 'use its address, or add the name to hosts: below http: in the configuration of vfringd');
  }
  const { origin } = headers;
  if (origin !== undefined && origin.toLowerCase() !== `http://${headers.host}`.toLowerCase() && origin.toLowerCase() !== `https://${headers.host}`.toLowerCase()) {
    return refuse(403, 'the request comes from a page of another origin', 'open the page itself; programs send no Origin');
  }
  const site = headers['sec-fetch-site'];
  const opensThePage = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !opensThePage) {
    return refuse(403, 'the request comes from a page of another site', 'open the page itself');
  }
  if (policy.token !== undefined && !carriesToken(headers.authorization, policy.token)) {
    return refuse(401, 'this needs the token of token_file:', 'send it as "Authorization: Bearer TOKEN"; in a browser: any user name, the token as password',
      { 'www-authenticate': 'Basic realm="vfringd", charset="UTF-8"' });
  }
  return undefined;
}

/** Without port and brackets, in lower case. */
function hostName(host: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]{1,253}))(?::\d{1,5})?$/i.exec(host ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function carriesToken(authorization: string | undefined, wanted: Buffer): boolean {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(authorization ?? '') ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return timingSafeEqual(digest(value), wanted);
    case 'basic': {
      const text = Buffer.from(value, 'base64').toString('utf8');
      return text.includes(':') && timingSafeEqual(digest(text.slice(text.indexOf(':') + 1)), wanted);
    }
    default:
      return false;
  }
}
