// SPDX-License-Identifier: BSD-3-Clause
/** The shell scripts that start vfring and vfringd. */
import { CAPABILITIES, CAPABILITY_MASK } from '../src/vfringd/capabilities.js';

export interface WrapperOptions {
  /** Of node, each with a space before it. */
  readonly flags?: string;
  /** For the daemon: as root it keeps the capabilities that it needs, and no more. */
  readonly confined?: boolean;
}

const NAMES = Object.keys(CAPABILITIES).map((name) => name.toLowerCase());

/**
 * node's threads exist before its first line of JavaScript, and each has
 * capabilities of its own: they are given up before node starts. A service
 * manager may have done it already; then setpriv is not needed.
 */
const CONFINE = `
setpriv=
if [ "$(id -u)" -eq 0 ]; then
    field() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }
    surplus=$((0x$(field CapBnd) & ~0x${CAPABILITY_MASK.toString(16)}))
    if [ "$surplus" -ne 0 ] || [ "$((0x$(field CapInh) | 0x$(field CapAmb)))" -ne 0 ] || [ "$(field NoNewPrivs)" != 1 ]; then
        if ! command -v setpriv >/dev/null 2>&1; then
            echo "$(basename -- "$0"): setpriv was not found in PATH; install util-linux: it takes root's capabilities away that vfringd does not need" >&2
            exit 69
        fi
        setpriv="setpriv --no-new-privs --inh-caps=-all --ambient-caps=-all"
        if [ "$surplus" -ne 0 ]; then
            if [ "$((0x$(field CapEff) & 0x100))" -eq 0 ]; then
                echo "$(basename -- "$0"): capabilities that vfringd does not need cannot be taken away without CAP_SETPCAP; start it with that, or with these only: ${NAMES.join(',')}" >&2
                exit 77
            fi
            setpriv="$setpriv --bounding-set=-all,${NAMES.map((name) => `+${name}`).join(',')}"
        fi
    fi
fi`;

/**
 * node opens its debugger at SIGUSR1, for every user of the machine, until the program's first
 * line listens for that signal (control/src/signals.ts). It sets its own handler whatever
 * disposition it inherits, and only newer releases have an option against it: so the debugger
 * gets an address that no machine has (RFC 5737). node says that it failed, and goes on.
 */
const NO_DEBUGGER = ' --inspect-port=192.0.2.1:9229';

/** @param script below lib/vfring/control/src */
export function wrapper(script: string, { flags = '', confined = false }: WrapperOptions = {}): string {
  return `#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
here=$(dirname -- "$(readlink -f -- "$0")")
if ! command -v node >/dev/null 2>&1; then
    echo "$(basename -- "$0"): node was not found in PATH; install nodejs (20 or later)" >&2
    exit 69
fi${confined ? CONFINE : ''}
exec ${confined ? '$setpriv ' : ''}node${NO_DEBUGGER}${flags} "$here/../lib/vfring/control/src/${script}" "$@"
`;
}
