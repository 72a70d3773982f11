# SPDX-License-Identifier: BSD-3-Clause
# What scripts that run in a guest share; lab/src/script.ts puts it before them. `self` names the script in messages.

die() { echo "E: ${self:+$self: }$*" >&2; exit 1; }

# A limit against hanging only.
wait_for() { # WHAT COMMAND...
    what=$1
    shift
    for _ in $(seq 600); do
        "$@" && return
        sleep 0.1
    done
    die "not within 60 s: $what"
}

has_carrier() { # INTERFACE [COMMAND...]: the command, such as ip netns exec NAME, gets to where the interface is
    carrier=/sys/class/net/$1/carrier
    shift
    [ "$("$@" cat "$carrier" 2>/dev/null)" = 1 ]
}
