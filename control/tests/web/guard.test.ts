// SPDX-License-Identifier: BSD-3-Clause
/** Which requests the page answers: not those that another page makes a browser send. */
import { describe, expect, test } from 'vitest';
import { digest, refusal, type GuardPolicy } from '../../src/web/guard.js';

const open: GuardPolicy = { hosts: new Set(['node7', 'node7.example.org']), token: undefined };
const closed: GuardPolicy = { ...open, token: digest('a-secret-of-some-length') };
const status = (headers: Record<string, string>, policy = open, method = 'GET'): number | undefined => refusal(method, { host: '127.0.0.1:9155', ...headers }, policy)?.status;
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', ''])('%s changes nothing: it is refused', (method) => {
  expect(refusal(method, { host: '127.0.0.1' }, open)).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
});

describe('Host', () => {
  test.each(['127.0.0.1', '127.0.0.1:9155', '[::1]:9155', 'localhost', 'LOCALHOST:1', '10.1.2.3:80', 'node7', 'Node7.Example.org:9155'])('%s is this server', (host) => {
    expect(status({ host })).toBeUndefined();
  });

  test.each(['evil.example', 'evil.example:9155', 'localhost.evil.example', '127.0.0.1.evil.example', 'node77'])('%s is a name that somebody has pointed here: refused', (host) => {
    expect(status({ host })).toBe(421);
    // A proxy has seen to it.
    expect(status({ host }, { ...open, hosts: undefined })).toBeUndefined();
  });

  test.each(['', 'a b', 'localhost:', 'localhost@evil', '[::1', 'localhost:99999999', 'http://localhost', '<script>', `${'x'.repeat(300)}`])('%j is no host', (host) => {
    expect(status({ host })).toBe(400);
  });

  test('is asked for', () => {
    expect(refusal('GET', {}, open)?.status).toBe(400);
  });
});

describe('a page of somebody else', () => {
  test.each<[Record<string, string>, number | undefined]>([
    [{ origin: 'http://127.0.0.1:9155' }, undefined],
    [{ origin: 'https://127.0.0.1:9155' }, undefined],
    [{ origin: 'http://127.0.0.1:80' }, 403],
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: '' }, 403],
    [{ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }, undefined],
    [{ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, undefined],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, undefined],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, 403],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, 403],
    // Another port of this host is the same site, and another origin.
    [{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }, 403],
  ])('%j: %s', (headers, expected) => {
    expect(status(headers)).toBe(expected);
  });
});

describe('a token', () => {
  test.each<[string | undefined, number | undefined]>([
    ['Bearer a-secret-of-some-length', undefined],
    ['bearer  a-secret-of-some-length', undefined],
    [basic('anybody:a-secret-of-some-length'), undefined],
    [basic(':a-secret-of-some-length'), undefined],
    [undefined, 401],
    ['', 401],
    ['Bearer', 401],
    ['Bearer a-secret-of-some-lengt', 401],
    ['Bearer a-secret-of-some-length more', 401],
    [basic('a-secret-of-some-length'), 401],
    [basic('a-secret-of-some-length:'), 401],
    ['Basic !!!', 401],
    ['Digest a-secret-of-some-length', 401],
  ])('%j: %s', (authorization, expected) => {
    expect(status(authorization === undefined ? {} : { authorization }, closed)).toBe(expected);
  });

  test('is asked for after the name, so that no other page learns that there is one', () => {
    expect(status({ host: 'evil.example' }, closed)).toBe(421);
    expect(refusal('GET', { host: 'node7' }, closed)?.headers).toEqual({ 'www-authenticate': 'Basic realm="vfringd", charset="UTF-8"' });
  });
});
