// SPDX-License-Identifier: BSD-3-Clause
/** The daemon's log: one line an event, on standard error. */
import { fstatSync } from 'node:fs';

export type Level = 'info' | 'warn' | 'error';
export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}

export type LogFormat = 'json' | 'text';

const PRIORITIES: Readonly<Record<Level, string>> = { error: '<3>', warn: '<4>', info: '<6>' };

/** What the journal takes from the beginning of a line (sd-daemon(3)). What has none there is an error, by the unit. */
export const priority = (level: Level, journal: boolean): string => (journal ? PRIORITIES[level] : '');

/**
 * @param write takes a whole line without its newline
 * @param journal it goes to the journal, which is told how bad it is
 */
export function createLog(format: LogFormat, write: (line: string) => void = toStderr, journal = false): Log {
  const emit = (level: Level, message: string, fields: Fields = {}): void => {
    write(priority(level, journal) + (format === 'json' ? jsonLine(level, message, fields) : textLine(level, message, fields)));
  };
  return {
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
  };
}

/** Whether a descriptor is what the service manager has connected to the journal (systemd.exec(5), JOURNAL_STREAM). */
export function isJournal({ JOURNAL_STREAM: stream }: NodeJS.ProcessEnv, fd: number): boolean {
  if (stream === undefined) {
    return false;
  }
  const { dev, ino } = fstatSync(fd);
  return stream === `${dev}:${ino}`;
}

export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

function jsonLine(level: Level, message: string, fields: Fields): string {
  return JSON.stringify({ time: new Date().toISOString(), level, message, ...fields });
}

function textLine(level: Level, message: string, fields: Fields): string {
  const rest = Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${textValue(value)}`]));
  const tag = level === 'info' ? '' : `${level}: `;
  return [`vfringd: ${tag}${message}`, ...rest].join(' ');
}

/** Values may come from users: quoted, so that they cannot forge a line. */
function textValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w.:@/+,-]+$/.test(text) ? text : JSON.stringify(text);
}
