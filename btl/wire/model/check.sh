#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check.sh: spin proves stream.pml, leave.pml and wait.pml: all states, then that every run comes to its
# end; and finds the faults that are put into it, so that the proof is known
# to be able to fail. Run by make check. 77: no spin.
set -eu
srcdir=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
command -v spin > /dev/null || { echo "spin is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# prove NAME FILE CFLAGS PAN-ARGS [SPIN-ARGS]: 0 no error found, 1 found, 2 not searched through
prove() {
    spin -a ${5:-} "$2" > spin.log 2>&1 || { cat spin.log; return 2; }
    ${CC:-gcc} -O2 -w -DCOLLAPSE -DMEMLIM=2000 $3 -o pan pan.c || return 2
    ./pan -m1000000 $4 > pan.log 2>&1 || :
    grep -q 'errors: 0' pan.log || { grep -E 'pan:|errors:' pan.log; return 1; }
    ! grep -q 'out of memory\|max search depth too small\|Search not completed' pan.log || { cat pan.log; return 2; }
    echo "$1: $(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1 states/p' pan.log | head -n 1), no error"
}

prove "safety" "$srcdir/stream.pml" "-DSAFETY -DNOCLAIM" ""
prove "every run ends" "$srcdir/stream.pml" "" "-a -f -N arrives" "-DMESSAGES=3 -DMALICE=2"

prove "goodbyes" "$srcdir/leave.pml" "-DSAFETY -DNOCLAIM" ""
prove "who left is forgotten" "$srcdir/leave.pml" "" "-a -N forgotten"

prove "no wake-up is lost" "$srcdir/wait.pml" "-DSAFETY" ""

# must_fail WHAT SED-SCRIPT [MODEL]
must_fail() {
    model=$srcdir/${3:-stream.pml}
    sed "$2" "$model" > broken.pml
    ! cmp -s broken.pml "$model" || { echo "$1: nothing was broken"; exit 1; }
    if prove "$1" broken.pml "-DSAFETY -DNOCLAIM" "" > found.log; then
        echo "a model with the fault '$1' passes"
        exit 1
    fi
    echo "found: $1"
}
must_fail "duplicates are handed up" 's/:: IS(rbits, i - 1)  .*/:: false/'
must_fail "what is missing is acknowledged" 's|acks ! rnext, rbits, c;|acks ! rnext, rbits \| 1, c;|'
must_fail "selective acknowledgement off by one" 's/rbits = rbits | (1 << (i - 1))/rbits = rbits | (1 << i)/'
must_fail "no timeout" 's/len(data) == 0 \&\& len(acks) == 0/false/'
must_fail "a goodbye that names no key" 's|key == known -> /\* THEIRS \*/|true ->|' leave.pml
must_fail "a descriptor written after EICR is read" 's|buffered.me. == 0; /\* FENCE \*/|skip;|' wait.pml
must_fail "no look before the sleep" 's|:: ring > 0 -> skip /\* LOOK \*/|:: false -> skip|; s|:: ring == 0 -> events != seen|:: events != seen|' wait.pml
must_fail "a cause that waits is not told when unmasked" 's|:: eicr -> send_message() /\* PENDING \*/|:: eicr -> skip|' wait.pml
must_fail "the count is read last" 's|seen = events; /\* COUNT \*/|skip;|; s|:: ring == 0 -> events != seen /\* SLEEP|:: ring == 0 -> seen = events; events != seen /* SLEEP|' wait.pml
