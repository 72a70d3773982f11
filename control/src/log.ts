// SPDX-License-Identifier: BSD-3-Clause
/** The daemon's log: one line an event, on standard error. */

export type Level = 'info' | 'warn' | 'error';
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

export type LogFormat = 'json' | 'text';

/** @param write takes a whole line without its newline */
export function createLog(format: LogFormat, write: (line: string) => void = toStderr): Log {
  const emit = (level: Level, message: string, fields: Fields = {}): void => {
    write(format === 'json' ? jsonLine(level, message, fields) : textLine(level, message, fields));
  };
  return {
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
  };
}

export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

function jsonLine(level: Level, message: string, fields: Fields): string {
  return JSON.stringify({ time: new Date().toISOString(), level, message, ...fields });
}

function textLine(level: Level, message: string, fields: Fields): string {
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${textValue(value)}`);
  const tag = level === 'info' ? '' : `${level}: `;
  return [`vfringd: ${tag}${message}`, ...rest].join(' ');
}

/** Values may come from users: quoted, so that they cannot forge a line. */
function textValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value) ?? String(value);
  return /^[\w.:@/+,-]+$/.test(text) ? text : JSON.stringify(text);
}
