// SPDX-License-Identifier: BSD-3-Clause
/**
 * A word for a command that people are told to type. What comes from outside,
 * as the name of an interface does, must not be more than a word there.
 */
export function shellWord(text: string): string {
  // Control characters would end the line, or move the cursor over it: $'…' has them as text.
  if (/[\x00-\x1f\x7f]/.test(text)) {
    const escaped = text.replace(/[\\']/g, '\\$&').replace(/[\x00-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
    return `$'${escaped}'`;
  }
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}

/** Text of somebody else's for a line on a terminal: it neither ends the line nor moves the cursor. */
export const printable = (text: string): string => text.replace(/[\x00-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);

/** A message of a program. Further lines, as of several faults of one file, are set in: none can look like a message of its own. */
export const messageLines = (program: string, text: string): string[] => text.split('\n').map((line, i) => `${program}: ${i === 0 ? '' : '  '}${printable(line)}`);
