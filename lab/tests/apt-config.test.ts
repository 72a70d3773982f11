// SPDX-License-Identifier: BSD-3-Clause
import {describe, expect, it} from 'vitest';
import {
  chooseMirror, firstOfMirrorList, parseDeb822Sources, parseOneLineSources, transferableAptOptions,
} from '../src/apt-config.js';

const debianKey = '/usr/share/keyrings/debian-archive-keyring.gpg';

describe('parseOneLineSources', () => {
  it('reads options, suite and components, and skips comments and sources of source packages', () => {
    const text = [
      '# deb http://old.test/debian bookworm main',
      `deb [arch=amd64 signed-by=${debianKey}] http://mirror.test/debian trixie main contrib # ours`,
      'deb-src http://mirror.test/debian trixie main',
      '  deb\thttp://other.test/x  ./',
    ].join('\n');
    expect(parseOneLineSources(text)).toEqual([
      {uris: ['http://mirror.test/debian'], suites: ['trixie'], components: ['main', 'contrib'], keyring: debianKey, signedBy: true},
      {uris: ['http://other.test/x'], suites: ['./'], components: [], keyring: undefined, signedBy: false},
    ]);
  });
});

describe('parseDeb822Sources', () => {
  it('reads stanzas with several suites, comments inside, and continuation lines', () => {
    const text = [
      'Types: deb deb-src', '# a comment in between', 'URIs: http://mirror.test/debian', 'Suites: bookworm',
      ' bookworm-updates', 'Components: main', `Signed-By: ${debianKey}`, '', 'Types: deb', 'URIs: http://security.test/debian-security',
      'Suites: bookworm-security', 'Components: main',
    ].join('\n');
    expect(parseDeb822Sources(text)).toEqual([
      {uris: ['http://mirror.test/debian'], suites: ['bookworm', 'bookworm-updates'], components: ['main'], keyring: debianKey, signedBy: true},
      {uris: ['http://security.test/debian-security'], suites: ['bookworm-security'], components: ['main'], keyring: undefined, signedBy: false},
    ]);
  });

  it('leaves out disabled stanzas and stanzas of source packages', () => {
    expect(parseDeb822Sources('Enabled: no\nTypes: deb\nURIs: http://a.test\nSuites: s\nComponents: main')).toEqual([]);
    expect(parseDeb822Sources('Types: deb-src\nURIs: http://a.test\nSuites: s\nComponents: main')).toEqual([]);
  });

  it('does not take an inline key for a keyring', () => {
    const text = 'Types: deb\nURIs: http://a.test\nSuites: s\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc';
    expect(parseDeb822Sources(text)[0]).toMatchObject({keyring: undefined, signedBy: true});
  });
});

describe('chooseMirror', () => {
  const source = (line: string) => parseOneLineSources(line)[0]!;
  const debian = source(`deb [signed-by=${debianKey}] http://mirror.test/debian bookworm main`);

  it('takes Debian among foreign repositories, whatever their order', () => {
    const foreign = [
      source('deb [signed-by=/etc/apt/keyrings/docker.asc] http://docker.test/linux/debian bookworm stable'),
      source('deb [signed-by=/usr/share/keyrings/nodesource.gpg] http://node.test/node_20.x nodistro main'),
      source('deb http://pg.test/pub/repos/apt bookworm-pgdg main'),
      source('deb http://flat.test/packages ./'),
      source('deb http://mirror.test/debian-security bookworm-security main'),
    ];
    expect(chooseMirror([...foreign, debian])).toEqual({uri: 'http://mirror.test/debian', keyring: debianKey});
    expect(chooseMirror([debian, ...foreign])).toEqual({uri: 'http://mirror.test/debian', keyring: debianKey});
    expect(chooseMirror(foreign)).toBeUndefined();
  });

  it('prefers a path named debian when no source names a key', () => {
    const sources = [source('deb http://php.test/php bookworm main'), source('deb http://mirror.test/debian/ bookworm main')];
    expect(chooseMirror(sources)).toEqual({uri: 'http://mirror.test/debian/', keyring: undefined});
  });
});

it('takes the first mirror of a mirror list', () => {
  expect(firstOfMirrorList('# mirrors\n\nhttp://one.test/debian\tpriority:1\nhttp://two.test/debian\n')).toBe('http://one.test/debian');
  expect(firstOfMirrorList('# none\n')).toBeUndefined();
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
