// SPDX-License-Identifier: BSD-3-Clause
/** Asks a shell what it would complete a line with. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './temp-dir.js';

/** For each line, the words that are offered for its last, perhaps empty, word; sorted. */
export type Ask = (...lines: string[]) => string[][];

const sorted = (text: string): string[] => [...new Set(text.split('\n').map((word) => word.trim()).filter((word) => word !== ''))].sort();

function run(shell: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const { stdout, stderr, status, error } = spawnSync(shell, [...args], { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 60_000, cwd: tempDir() });
  if (error !== undefined || status !== 0 || stderr !== '') {
    throw new Error(`${shell}: status ${status}: ${error?.message ?? ''}${stderr}`);
  }
  return stdout;
}

export function bashAsks(script: string): Ask {
  return (...lines) => lines.map((line) => {
    const words = line.split(' ');
    return sorted(run('bash', ['--norc', '-c', `${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _vfring; printf '%s\\n' "\${COMPREPLY[@]}"`]));
  });
}

export function fishAsks(script: string): Ask {
  return (...lines) => lines.map((line) => {
    const dir = tempDir();
    writeFileSync(join(dir, 'vfring.fish'), script);
    // Each line is a word, a tabulator and what it means.
    const offered = run('fish', ['--no-config', '-c', `source ${dir}/vfring.fish; complete -C '${line}'`], { HOME: dir });
    return sorted(offered.replace(/\t.*$/gm, ''));
  });
}

const END = '= end of line';

const ZSHRC = `
PROMPT='READY> '
LISTMAX=1000
fpath=("$ZDOTDIR/functions" $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {
    local -a hits
    # With these it only fills arrays.
    if (( ! \${argv[(I)-[OAD]]} )); then
        builtin compadd -A hits "$@"
        print -rl -- $hits >> $ZDOTDIR/hits
    fi
    builtin compadd "$@"
}
next() { print -r -- '${END}' >> $ZDOTDIR/hits; zle kill-buffer }
zle -N next
bindkey '^I' complete-word '^G' next
`;

const ASK_ZSH = `
zmodload zsh/zpty
zpty shell 'zsh -d -i'
zpty -r shell out '*READY> *'
for line in "$@"; do
    zpty -w -n shell $line$'\\t\\a'
done
zpty -w shell exit
while zpty -r shell out; do :; done
true
`;

/**
 * zsh completes in its line editor only, so an interactive one runs on a
 * pseudo terminal and gets a tabulator. What its completion adds goes to a
 * file; a folder of fpath holds the script, as when it is installed.
 */
export function zshAsks(script: string): Ask {
  return (...lines) => {
    const dir = tempDir();
    mkdirSync(join(dir, 'functions'));
    writeFileSync(join(dir, 'functions', '_vfring'), script);
    writeFileSync(join(dir, '.zshrc'), ZSHRC);
    writeFileSync(join(dir, 'ask.zsh'), ASK_ZSH);
    run('zsh', ['-f', join(dir, 'ask.zsh'), ...lines], { ZDOTDIR: dir, TERM: 'xterm' });
    const hits = readFileSync(join(dir, 'hits'), 'utf8').split(`${END}\n`);
    if (hits.length !== lines.length + 1) {
      throw new Error(`zsh came to the end of ${hits.length - 1} of ${lines.length} lines`);
    }
    return hits.slice(0, -1).map(sorted);
  };
}
