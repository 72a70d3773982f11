// SPDX-License-Identifier: BSD-3-Clause
/** Where the page is served: an address with its port, or a socket file for a proxy. */
import { isIPv4, isIPv6 } from 'node:net';

export type Listen =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** "127.0.0.1:9155", "[::1]:9155", "localhost:9155" or "/run/vfring/http.sock"; undefined if it is none of these. */
export function parseListen(text: string): Listen | undefined {
  if (text.startsWith('/')) {
    return text.includes('\0') || text.endsWith('/') ? undefined : { kind: 'unix', path: text };
  }
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  const known = match?.[1] === undefined ? host === 'localhost' || isIPv4(host ?? '') : isIPv6(match[1]);
  return host !== undefined && known && port >= 1 && port <= 65_535 ? { kind: 'tcp', host, port } : undefined;
}

/** Only programs of this machine reach it. */
export const isLocal = (listen: Listen): boolean =>
  listen.kind === 'unix' || listen.host === 'localhost' || listen.host === '::1' || (isIPv4(listen.host) && listen.host.startsWith('127.'));
