// SPDX-License-Identifier: BSD-3-Clause
// Finds Debian's mirror in the machine's own apt configuration (sources.list(5)).

export interface AptSource {
  uris: string[];
  suites: string[];
  components: string[];
  /** Path of the keyring; undefined when none is named or the key stands inline. */
  keyring: string | undefined;
  /** Whether the source names a key of its own, as a path or inline. */
  signedBy: boolean;
}

export interface Mirror {
  uri: string;
  /** Keyring the source names, if it names one as a path. */
  keyring: string | undefined;
}

const words = (value: string | undefined): string[] => (value ?? '').split(/\s+/).filter((word) => word !== '');

/** One-line format: `deb [option=value...] uri suite component...`. */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.replace(/#.*/, '').trim();
    const match = /^deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)$/.exec(line);
    if (!match) {
      continue;
    }
    const signedBy = words(match[1]).find((option) => /^signed-by=/i.test(option))?.replace(/^[^=]*=/, '');
    sources.push({
      uris: [match[2]!],
      suites: [match[3]!],
      components: words(match[4]),
      keyring: signedBy?.startsWith('/') ? signedBy : undefined,
      signedBy: signedBy !== undefined,
    });
  }
  return sources;
}

/** deb822 format: stanzas of `Field: value`, continuation lines indented. */
export function parseDeb822Sources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  for (const stanza of lines.join('\n').split(/\n[ \t]*\n/)) {
    const fields = new Map<string, string>();
    let name = '';
    for (const line of stanza.split('\n')) {
      const start = /^([A-Za-z][A-Za-z-]*):(.*)$/.exec(line);
      if (start) {
        name = start[1]!.toLowerCase();
        fields.set(name, start[2]!);
      } else if (/^[ \t]/.test(line) && name !== '') {
        fields.set(name, `${fields.get(name) ?? ''} ${line.trim()}`);
      }
    }
    const enabled = !/^\s*(no|false|without|off|disable)\s*$/i.test(fields.get('enabled') ?? '');
    if (!enabled || !words(fields.get('types')).includes('deb')) {
      continue;
    }
    const signedBy = words(fields.get('signed-by'));
    sources.push({
      uris: words(fields.get('uris')),
      suites: words(fields.get('suites')),
      components: words(fields.get('components')),
      keyring: signedBy.length === 1 && signedBy[0]!.startsWith('/') ? signedBy[0] : undefined,
      signedBy: signedBy.length > 0,
    });
  }
  return sources;
}

/**
 * Of all sources, the one that is Debian's archive itself: a plain suite name
 * (not `bookworm-security`, not `./`), the component main, and Debian's own key
 * if any. debootstrap checks the signature in the end, so a wrong guess is an error, never a
 * foreign system.
 */
export function chooseMirror(sources: readonly AptSource[]): Mirror | undefined {
  const debianKey = (source: AptSource): boolean => /debian-archive/.test(source.keyring ?? '');
  const candidates = sources.filter((source) =>
    source.components.includes('main')
    && source.suites.some((suite) => /^[a-z]+$/.test(suite))
    && (!source.signedBy || source.keyring === undefined || debianKey(source)));
  const best = candidates.find(debianKey)
    ?? candidates.find((source) => source.uris.some((uri) => /\/debian\/?$/.test(uri)))
    ?? candidates[0];
  const uri = best?.uris[0];
  return uri === undefined ? undefined : {uri, keyring: best?.keyring};
}

/** First mirror of a list as `mirror+file:` sources name it: one URI a line, with optional metadata after a tab. */
export function firstOfMirrorList(text: string): string | undefined {
  return text.split('\n').map((line) => line.replace(/#.*/, '').trim().split(/\s/)[0]).find((uri) => uri !== undefined && uri !== '');
}

/**
 * Lines of `apt-config dump` that decide whether a mirror can be reached and is
 * believed (proxy, certificates, dates of snapshots): they hold for the same
 * mirror used from inside the new system.
 */
export function transferableAptOptions(dump: string): string[] {
  return dump.split('\n').filter((line) =>
    /^Acquire::(https?::(Proxy|Timeout|Verify-Peer|Verify-Host)|Retries|Check-Valid-Until|Check-Date)\b.*;$/i.test(line));
}
