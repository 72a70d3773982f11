// SPDX-License-Identifier: BSD-3-Clause
/** Completion for bash, zsh and fish, made from the tree of commands. */
import type { Command } from 'commander';
import { visible } from './manual.js';

interface Words {
  /** Names of the commands that lead here, "" at the top. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly what: string }[];
  readonly options: readonly { readonly name: string; readonly what: string }[];
}

export function completion(shell: 'bash' | 'zsh' | 'fish', program: Command): string {
  const all = collect(program, []);
  return { bash, zsh, fish }[shell](program.name(), all);
}

function collect(command: Command, path: readonly string[]): Words[] {
  const subs = visible(command);
  const options = command.createHelp().visibleOptions(command).flatMap((option) =>
    [option.long, option.short].flatMap((name) => (name ? [{ name, what: option.description }] : [])));
  const here = { path: path.join(' '), commands: subs.map((sub) => ({ name: sub.name(), what: sub.description() })), options };
  return [here, ...subs.flatMap((sub) => collect(sub, [...path, sub.name()]))];
}

const quoted = (text: string): string => `'${text.replace(/'/g, `'\\''`)}'`;

/** The commands typed so far, those that are commands: "job create". */
function pathFinder(all: readonly Words[], word: string): string {
  const known = all.map(({ path }) => path).filter((path) => path !== '');
  return `case "\${path:+$path }${word}" in ${known.map((path) => `"${path}"`).join('|')}) path="\${path:+$path }${word}" ;; esac`;
}

function bash(name: string, all: readonly Words[]): string {
  const cases = all.map(({ path, commands, options }) => `        "${path}") words="${[...commands, ...options].map((word) => word.name).join(' ')}" ;;`);
  return `# SPDX-License-Identifier: BSD-3-Clause
# bash completion of ${name}; made by: ${name} completion bash
_${name}() {
    local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        ${pathFinder(all, '${COMP_WORDS[i]}')}
    done
    case "$path" in
${cases.join('\n')}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`;
}

function zsh(name: string, all: readonly Words[]): string {
  const cases = all.map(({ path, commands, options }) => {
    const words = [...commands, ...options].map((word) => quoted(`${word.name.replace(/:/g, '\\:')}:${word.what}`));
    return `        "${path}") words=(${words.join(' ')}) ;;`;
  });
  return `#compdef ${name}
# SPDX-License-Identifier: BSD-3-Clause
# zsh completion of ${name}; made by: ${name} completion zsh
_${name}() {
    local path="" i
    local -a words_typed words
    words_typed=("\${(@)words}")
    for ((i = 2; i < CURRENT; i++)); do
        ${pathFinder(all, '${words_typed[i]}')}
    done
    words=()
    case "$path" in
${cases.join('\n')}
    esac
    _describe '${name}' words || _files
}
compdef _${name} ${name}
`;
}

function fish(name: string, all: readonly Words[]): string {
  const lines = all.flatMap(({ path, commands, options }) => {
    const subs = all.filter((other) => path !== '' && other.path.startsWith(`${path} `)).map((other) => other.path.slice(path.length + 1).split(' ')[0]);
    const seen = path.split(' ').filter(Boolean).map((part) => `__fish_seen_subcommand_from ${part}`);
    const not = commands.length > 0 && path !== '' ? [`not __fish_seen_subcommand_from ${[...new Set(subs)].join(' ')}`] : [];
    const condition = quoted(path === '' ? '__fish_use_subcommand' : [...seen, ...not].join('; and '));
    return [
      ...commands.map((command) => `complete -c ${name} -f -n ${condition} -a ${command.name} -d ${quoted(command.what)}`),
      ...options.map((option) => {
        const flag = option.name.startsWith('--') ? `-l ${option.name.slice(2)}` : `-s ${option.name.slice(1)}`;
        return `complete -c ${name} -n ${condition} ${flag} -d ${quoted(option.what)}`;
      }),
    ];
  });
  return ['# SPDX-License-Identifier: BSD-3-Clause', `# fish completion of ${name}; made by: ${name} completion fish`, ...lines, ''].join('\n');
}
