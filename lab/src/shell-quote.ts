// SPDX-License-Identifier: BSD-3-Clause

/** A word for sh that stands for exactly `text`. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_\/:=.,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
