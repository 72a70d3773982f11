// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { firstMirror, transferableAptOptions } from '../src/apt.js';

describe('firstMirror', () => {
  it('is the first that apt names', () => {
    expect(firstMirror('http://one.test/debian/\nhttp://two.test/debian/')).toBe('http://one.test/debian');
  });

  it('is the first of the list that apt takes its mirrors from', () => {
    const list = '# mirrors\n\nhttp://one.test/debian\tpriority:1\nhttp://two.test/debian\n';
    const read = (file: string): string => (file === '/etc/apt/mirrors/debian.list' ? list : '');
    expect(firstMirror('mirror+file:/etc/apt/mirrors/debian.list/', read)).toBe('http://one.test/debian');
    expect(firstMirror('mirror+file:///etc/apt/mirrors/debian.list', read)).toBe('http://one.test/debian');
  });

  it('is none where apt has no Debian', () => {
    expect(firstMirror('')).toBeUndefined();
    expect(firstMirror('mirror+file:/empty', () => '# none\n')).toBeUndefined();
  });
});

it('hands over proxies and date checks, and nothing else of the apt configuration', () => {
  const dump = [
    'APT::Architecture "amd64";', 'Acquire::http::Proxy "http://proxy.test:3142";', 'Acquire::Check-Valid-Until "false";',
    'Acquire::cdrom::mount "/media/cdrom/";', 'Dir::Cache "var/cache/apt";', 'Acquire::Retries "3";', 'Acquire "";',
  ].join('\n');
  expect(transferableAptOptions(dump)).toEqual([
    'Acquire::http::Proxy "http://proxy.test:3142";', 'Acquire::Check-Valid-Until "false";', 'Acquire::Retries "3";',
  ]);
});
