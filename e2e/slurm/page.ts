// SPDX-License-Identifier: BSD-3-Clause
/** What docs/slurm.md has an administrator type: the test follows the page, and has no copy of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../tools/steps.js';

export type Step =
  /** Lines for a file of every node. */
  | { readonly kind: 'add'; readonly file: string; readonly text: string }
  /** Commands for root; what they print on all nodes goes to a file of every node, where `collect` names one. */
  | { readonly kind: 'run'; readonly on: 'nodes' | 'controller'; readonly commands: string; readonly collect: string | undefined };

const BLOCK = /^```(\S+) (\S+=.*)\n([\s\S]*?)^```$/gm;

export function readPage(file = join(root, 'docs', 'slurm.md')): Step[] {
  return [...readFileSync(file, 'utf8').matchAll(BLOCK)].map(([, , attributes, text]) => {
    const given = new Map((attributes as string).split(' ').map((pair) => pair.split('=', 2) as [string, string]));
    const add = given.get('add');
    if (add !== undefined) {
      return { kind: 'add', file: add, text: text as string };
    }
    const on = given.get('on');
    if (on !== 'nodes' && on !== 'controller') {
      throw new Error(`docs/slurm.md: a block says ${attributes}`);
    }
    return { kind: 'run', on, commands: text as string, collect: given.get('collect') };
  });
}
