// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { ImageProgress } from '../src/image-progress.js';

it('says in which step the making of the image is, and how far that has come', () => {
  const progress = new ImageProgress();
  const after = (...lines: string[]): string => {
    lines.forEach((line) => progress.add(line));
    return progress.toString();
  };
  expect(progress.add('step 1 of 5: Debian\'s base system')).toBe(true);
  expect(after()).toBe("step 1 of 5: Debian's base system");
  expect(after('I: Validating login 1:4.16.0-2')).toBe("step 1 of 5: Debian's base system: validating login");
  expect(progress.add('step 2 of 5: fetching packages')).toBe(true);
  expect(after('Get:1 http://mirror.example/debian trixie InRelease [140 kB]')).toBe('step 2 of 5: fetching packages');
  expect(after('0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.',
    'Get:1 http://mirror.example/debian trixie/main amd64 libllvm19 amd64 1:19.1.7-3+b1 [26.0 MB]'))
    .toBe('step 2 of 5: fetching packages: 1 of 2 packages fetched, libllvm19');
  after('step 3 of 5: installing packages', '0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.');
  expect(after('Unpacking libllvm19:amd64 (1:19.1.7-3+b1) ...', 'Unpacking jq (1.7) ...')).toBe('step 3 of 5: installing packages: 2 of 2 packages unpacked, jq');
  expect(after('Setting up jq (1.7) ...', 'Processing triggers for libc-bin')).toBe('step 3 of 5: installing packages: 1 of 2 packages set up, jq');
});
