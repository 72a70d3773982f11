// SPDX-License-Identifier: BSD-3-Clause
/** Completion for bash, zsh and fish, made from the tree of commands. */
import type { Command, Option } from 'commander';
import { visible } from './manual.js';
import { RUN_OPTIONS } from './run-args.js';

interface Word {
  readonly name: string;
  readonly what: string;
}

interface OptionWord extends Word {
  /** What may follow it; undefined: nothing. Empty: anything. */
  readonly values: readonly string[] | undefined;
}

interface Words {
  /** Names of the commands that lead here, "" at the top. */
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly OptionWord[];
  /** What its argument can be, where that is known. */
  readonly choices: readonly string[];
  /** Its argument is a file, or may be. */
  readonly files: boolean;
}

export function completion(shell: 'bash' | 'zsh' | 'fish', program: Command): string {
  const all = collect(program, []);
  return { bash, zsh, fish }[shell](program.name(), all);
}

function collect(command: Command, path: readonly string[]): Words[] {
  const subs = visible(command);
  const here: Words = {
    path: path.join(' '),
    commands: subs.map((sub) => ({ name: sub.name(), what: sub.description() })),
    options: [...(path.join(' ') === 'run' ? RUN_OPTIONS : []), ...command.createHelp().visibleOptions(command).flatMap(optionWords)],
    choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    files: command.registeredArguments.some((argument) => ['file', 'arguments'].includes(argument.name())),
  };
  return [here, ...subs.flatMap((sub) => collect(sub, [...path, sub.name()]))];
}

function optionWords(option: Option): OptionWord[] {
  const values = option.required ? (option.argChoices ?? []) : undefined;
  return [option.long, option.short].flatMap((name) => (name ? [{ name, what: option.description, values }] : []));
}

const quoted = (text: string): string => `'${text.replace(/'/g, `'\\''`)}'`;

/** For bash and zsh: the commands typed so far, those that are commands: "job create". */
function pathFinder(all: readonly Words[], word: string): string {
  const known = all.map(({ path }) => path).filter((path) => path !== '');
  const longer = `\${at:+$at }${word}`;
  return `case "${longer}" in ${known.map((path) => `"${path}"`).join('|')}) at="${longer}" ;; esac`;
}

/** For bash and zsh: what follows an option, as cases of "COMMANDS OPTION". */
function valueCases(all: readonly Words[], assign: (values: readonly string[]) => string): string[] {
  return all.flatMap(({ path, options }) =>
    options.flatMap(({ name, values }) => (values === undefined ? [] : [`        "${`${path} ${name}`.trim()}") ${assign(values)} ;;`])));
}

function bash(name: string, all: readonly Words[]): string {
  const cases = all.map(({ path, commands, options, choices }) =>
    `        "${path}") words="${[...commands, ...options].map((word) => word.name).concat(choices).join(' ')}" ;;`);
  return `# SPDX-License-Identifier: BSD-3-Clause
# bash completion of ${name}; made by: ${name} completion bash
_${name}() {
    local current="\${COMP_WORDS[COMP_CWORD]}" at="" words="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ "$at" == run && "\${COMP_WORDS[i]}" == -- ]]; then
            # The program's own: its name, then files (-o default).
            ((i == COMP_CWORD - 1)) && COMPREPLY=($(compgen -c -- "$current"))
            return
        fi
        ${pathFinder(all, '${COMP_WORDS[i]}')}
    done
    case "$at" in
${cases.join('\n')}
    esac
    case "\${at:+$at }\${COMP_WORDS[COMP_CWORD-1]}" in
${valueCases(all, (values) => `words="${values.join(' ')}"`).join('\n')}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`;
}

function zsh(name: string, all: readonly Words[]): string {
  const cases = all.map(({ path, commands, options, choices, files }) => {
    const words = [...commands, ...options].map((word) => quoted(`${word.name.replace(/:/g, '\\:')}:${word.what}`));
    return `        "${path}") found=(${words.concat(choices).join(' ')})${files ? '; files=1' : ''} ;;`;
  });
  // Not "path" or "words": the one is PATH to zsh, the other the line as typed.
  return `#compdef ${name}
# SPDX-License-Identifier: BSD-3-Clause
# zsh completion of ${name}; made by: ${name} completion zsh
_${name}() {
    local at="" files="" i
    local -a found
    for ((i = 2; i < CURRENT; i++)); do
        if [[ "$at" == run && "\${words[i]}" == -- ]]; then
            # The program's own, whatever it offers.
            shift $i words
            (( CURRENT -= i ))
            _normal
            return
        fi
        ${pathFinder(all, '${words[i]}')}
    done
    case "$at" in
${cases.join('\n')}
    esac
    case "\${at:+$at }\${words[CURRENT-1]}" in
${valueCases(all, (values) => `found=(${values.join(' ')})${values.length === 0 ? '; files=1' : ''}`).join('\n')}
    esac
    _describe '${name}' found && return
    [[ -n $files ]] && _files
}
# Loaded from a folder of fpath, this file is what the first call runs; sourced, it makes itself known.
if [[ $funcstack[1] == _${name} ]]; then
    _${name} "$@"
else
    compdef _${name} ${name}
fi
`;
}

function fish(name: string, all: readonly Words[]): string {
  const known = all.map(({ path }) => path).filter((path) => path !== '');
  const lines = all.flatMap(({ path, commands, options, choices, files }) => {
    const add = `complete -c ${name} -n ${quoted(`__${name}_at ${path === '' ? '""' : path}`)}`;
    return [
      ...(files ? [] : [`${add} -f`]),
      ...commands.map((command) => `${add} -a ${command.name} -d ${quoted(command.what)}`),
      ...(choices.length > 0 ? [`${add} -a ${quoted(choices.join(' '))}`] : []),
      ...options.map((option) => {
        const flag = option.name.startsWith('--') ? `-l ${option.name.slice(2)}` : `-s ${option.name.slice(1)}`;
        const value = option.values === undefined ? '' : option.values.length === 0 ? ' -r -F' : ` -x -a ${quoted(option.values.join(' '))}`;
        return `${add} ${flag}${value} -d ${quoted(option.what)}`;
      }),
    ];
  });
  return `# SPDX-License-Identifier: BSD-3-Clause
# fish completion of ${name}; made by: ${name} completion fish
function __${name}_at --description 'true when the commands typed so far are these'
    set -l at
    for word in (commandline -opc)[2..-1]
        # The program's own: files.
        if test "$at" = run; and test "x$word" = x--
            return 1
        end
        set -l longer (string join ' ' -- $at $word)
        contains -- $longer ${known.map(quoted).join(' ')}
        and set at $longer
    end
    test "$at" = "$argv"
end
${lines.join('\n')}
`;
}
