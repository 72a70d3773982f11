// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { lineReader } from '../src/lines.js';
import { MarkerStream } from '../src/marker-stream.js';
import { labDir } from '../src/paths.js';
import { labScript, scriptArgv } from '../src/script.js';
import { shellQuote } from '../src/shell-quote.js';

describe('MarkerStream', () => {
  const collect = (stream: MarkerStream, marker: string) => {
    let text = '';
    const done = stream.until(marker, (chunk) => {
      text += chunk.toString();
    });
    return { done, text: () => text };
  };

  it.each([1, 2, 3, 5, 100])('finds the marker in chunks of %i bytes and passes on exactly what is before it', async (size) => {
    const data = Buffer.from('text with ma, mark and mmarker-beginnings\nmarker\nnext');
    const stream = new MarkerStream();
    const { done, text } = collect(stream, 'marker\n');
    for (let at = 0; at < data.length; at += size) {
      stream.push(data.subarray(at, at + size));
    }
    await done;
    expect(text()).toBe('text with ma, mark and mmarker-beginnings\n');
    const second = collect(stream, '!');
    stream.push(Buffer.from('!'));
    await second.done;
    expect(second.text()).toBe('next');
  });

  it('passes on at once what cannot be part of the marker', () => {
    const stream = new MarkerStream();
    const { text } = collect(stream, 'END\n');
    stream.push(Buffer.from('progress 50 %\rE'));
    expect(text()).toBe('progress 50 %\r');
  });
});

it('lineReader gives lines in order, kept or awaited', async () => {
  const stream = new PassThrough();
  const next = lineReader(stream);
  const first = next();
  stream.write('rea');
  stream.write('dy\ndone 0 1\nhalf');
  expect([await first, await next()]).toEqual(['ready', 'done 0 1']);
  stream.write(' line\n');
  expect(await next()).toBe('half line');
});

it.each([
  ['ends', (stream: PassThrough) => stream.end()],
  ['breaks', (stream: PassThrough) => stream.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))],
])('lineReader has no answer when the stream %s: what was at its other end tells the cause', async (_, end) => {
  const stream = new PassThrough();
  stream.on('error', () => undefined);
  const next = lineReader(stream);
  const cause = new Promise((resolve) => stream.on('close', () => setImmediate(resolve, 'the cause')));
  stream.resume();
  const answers = [next(), next()];
  end(stream);
  expect(await Promise.race([...answers, cause])).toBe('the cause');
  expect(await Promise.race([next(), new Promise((resolve) => setImmediate(resolve, 'nothing'))])).toBe('nothing');
});

describe('shellQuote', () => {
  it.each([['plain', 'plain'], ['a b', "'a b'"], ['', "''"], ["it's", "'it'\\''s'"], ['$HOME;`x`', "'$HOME;`x`'"], ['a\nb', "'a\nb'"]])(
    'quotes %j', (text, quoted) => {
      expect(shellQuote(text)).toBe(quoted);
    });
});

describe('scriptArgv', () => {
  it.each([
    ['echo "$1" $#\n', ["it's", 'b']], ['#!/bin/sh\necho "$1" $#\n', ["it's", 'b']], ['#! /bin/sh -e \necho "$1" $#\nfalse\necho no', ["it's", 'b']],
    ['#!/usr/bin/env sh\n\necho "$1" $#', ["it's", 'b']],
  ])('runs %j with its arguments', (text, args) => {
    const [command, ...rest] = scriptArgv(text, args);
    let output = '';
    try {
      output = execFileSync(command!, rest, { encoding: 'utf8' });
    } catch (error) {
      output = (error as { stdout: string }).stdout;
    }
    expect(output).toBe("it's 2\n");
  });
});

describe('labScript', () => {
  it.each([
    ['wait_for nothing true; echo reached', 'reached\n'],
    ['has_carrier lab-none || echo none', 'none\n'],
    ['inside() { [ "$*" != "cat /sys/class/net/lab-none/carrier" ] || echo 1; }; has_carrier lab-none inside && echo yes', 'yes\n'],
    ['self=host1; (die "in vain" 2>&1) || echo "status $?"', 'E: host1: in vain\nstatus 1\n'],
    ['(die "in vain" 2>&1) || echo "status $?"', 'E: in vain\nstatus 1\n'],
  ])('has the functions that scripts share before %j', (text, output) => {
    const functions = labScript('functions.sh').slice(0, readFileSync(path.join(labDir, 'functions.sh')).length);
    const [command, ...rest] = scriptArgv(`${functions}set -eu\n${text}\n`, ["it's"]);
    expect(execFileSync(command!, rest, { encoding: 'utf8' })).toBe(output);
  });

  it.each([['hosts/join.sh'], ['hosts/vfringd.sh'], ['bench/vfs.sh', 'bench/bench.sh'], ['bench/vfs.sh', 'bench/hosts.sh']])('makes a script that sh can read of %s', (...files) => {
    execFileSync('sh', ['-n'], { input: labScript(...files) });
    expect(labScript(...files)).toMatch(/^die\(\) \{[^]*^set -eu$/m);
  });
});
