// SPDX-License-Identifier: BSD-3-Clause
/** Manual pages in roff, made from the same tree as --help. */
import type { Command } from 'commander';

/** @param section 1: commands of users, 8: of administrators */
export function manual(program: Command, section: 1 | 8): string {
  const name = program.name();
  const lines = [
    '.\\" SPDX-License-Identifier: BSD-3-Clause',
    `.TH ${name.toUpperCase()} ${section} "" vfring`,
    '.SH NAME', `${roff(name)} \\- ${roff(program.description())}`,
    '.SH SYNOPSIS', `.B ${roff(name)}`, roff(program.usage()),
    ...options(program, '.SH OPTIONS'),
  ];
  const commands = visible(program);
  if (commands.length > 0) {
    lines.push('.SH COMMANDS', ...commands.flatMap((command) => describe(command, name)));
  }
  const extra = helpAfter(program);
  if (extra !== '') {
    lines.push('.SH NOTES', ...paragraphs(extra));
  }
  return `${lines.join('\n')}\n`;
}

function describe(command: Command, parent: string): string[] {
  const path = `${parent} ${command.name()}`;
  const extra = helpAfter(command);
  return [
    '.SS', roff(`${path} ${command.usage()}`.trim()), roff(command.description()),
    ...options(command, undefined),
    ...(extra === '' ? [] : ['.PP', '.nf', ...paragraphs(extra), '.fi']),
    ...visible(command).flatMap((sub) => describe(sub, path)),
  ];
}

function options(command: Command, heading: string | undefined): string[] {
  const shown = command.createHelp().visibleOptions(command).filter((option) => option.long !== '--help');
  const lines = shown.flatMap((option) => {
    const value: unknown = option.defaultValue;
    const preset = value === undefined || value === false ? '' : ` (default: ${String(value)})`;
    return ['.TP', `.B ${roff(option.flags)}`, roff(`${option.description}${preset}`)];
  });
  return lines.length > 0 && heading !== undefined ? [heading, ...lines] : lines;
}

export function visible(command: Command): readonly Command[] {
  return command.createHelp().visibleCommands(command).filter((sub) => sub.name() !== 'help');
}

/** What addHelpText('after') adds. */
function helpAfter(command: Command): string {
  let text = '';
  // commander's type leaves out that a command is an EventEmitter.
  (command as unknown as NodeJS.EventEmitter).emit('afterHelp', { error: false, command, write: (more: string) => void (text += more) });
  return text.trim();
}

function paragraphs(text: string): string[] {
  return text.split('\n').map((line) => (line.trim() === '' ? '.PP' : roff(line)));
}

/** A dot or quote at the start of a line, every backslash and every minus mean something to roff, and it reads ASCII only. */
function roff(text: string): string {
  return text.replace(/\\/g, '\\e').replace(/-/g, '\\-').replace(/^([.'])/gm, '\\&$1')
    .replace(/[\u0080-\uffff]/g, (char) => `\\[u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);
}
