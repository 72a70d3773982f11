// SPDX-License-Identifier: BSD-3-Clause
/** Where the page may be served, and what that needs. */
import { describe, expect, test } from 'vitest';
import { isLocal, parseListen, type Listen } from '../../src/config/listen.js';
import { parseConfig } from '../../src/config/load.js';

const problems = (http: string): string[] => {
  const result = parseConfig(`version: 1\nprovider: {soft: {dir: /x, vfs: 1}}\nhttp: ${http}\n`, 'c.yaml');
  return result.ok ? [] : result.problems.map(({ field, message }) => `${field}: ${message}`);
};

test.each<[string, boolean]>([
  ['127.0.0.1:9155', true], ['127.8.8.8:1', true], ['[::1]:9155', true], ['localhost:65535', true], ['/run/vfring/http.sock', true],
  ['0.0.0.0:9155', false], ['[::]:9155', false], ['10.0.0.1:9155', false], ['[2001:db8::1]:9155', false],
])('%s is a place; only programs of this host reach it: %s', (text, local) => {
  expect(isLocal(parseListen(text) as Listen)).toBe(local);
  expect(problems(`{listen: "${text}"}`).map((line) => line.slice(0, 30))).toEqual(local ? [] : ['http.listen: an address that o']);
  expect(problems(`{listen: "${text}", token_file: /etc/vfring/http-token}`)).toEqual([]);
});

test.each(['9155', ':9155', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:x', 'node7:9155', '::1:9155', '[127.0.0.1]:1', '[::1]', 'http://127.0.0.1:1', '/run/', 'run/http.sock', ''])('%j is none', (text) => {
  expect(problems(`{listen: "${text}"}`)).toEqual([expect.stringContaining('http.listen: an IP address and a port, for example 127.0.0.1:9155')]);
});

describe('other fields', () => {
  test.each([
    ['{}', 'http.listen: missing'], ['{listen: "127.0.0.1:1", port: 2}', 'http.port: unknown field'], ['{listen: "127.0.0.1:1", token_file: token}', 'http.token_file: an absolute path'],
    ['{listen: "127.0.0.1:1", hosts: ["a b"]}', 'http.hosts[0]: a name of this node'], ['{listen: "127.0.0.1:1", hosts: ["node7:80"]}', 'http.hosts[0]: a name of this node'],
    ['{listen: "127.0.0.1:1", group: www-data}', 'http.group: a group is for a socket'], ['127.0.0.1:9155', 'http: expected here'],
  ])('%s: %s', (http, problem) => {
    expect(problems(http)).toEqual([expect.stringContaining(problem)]);
  });
});
