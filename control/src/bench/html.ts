// SPDX-License-Identifier: BSD-3-Clause
/** HTML of which every value is text, unless it was made here. */

export class Html {
  constructor(readonly text: string) {}
}

type Part = Html | string | number | false | undefined | readonly Part[];

export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(texts.map((text, i) => text + (i < parts.length ? render(parts[i] as Part) : '')).join(''));
}

function render(part: Part): string {
  if (part instanceof Html) {
    return part.text;
  }
  if (Array.isArray(part)) {
    return (part as readonly Part[]).map(render).join('');
  }
  return part === false || part === undefined ? '' : escape(String(part));
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export const escape = (text: string): string => text.replace(/[&<>"']/g, (char) => ENTITIES[char] as string);

/** For a script element, whose end no text within may be. */
export const scriptText = (code: string): Html => new Html(code.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--'));
export const jsonText = (value: unknown): Html => new Html(JSON.stringify(value).replace(/</g, '\\u003c'));
