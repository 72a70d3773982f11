#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check.sh: spin proves gate.pml; and finds the faults that are put into it, so that the proof is
# known to be able to fail. Run by make check. 77: no spin.
set -eu
srcdir=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
command -v spin > /dev/null || { echo "spin is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# prove NAME FILE: 0 no error found, 1 found, 2 not searched through
prove() {
    spin -a "$2" > spin.log 2>&1 || { cat spin.log; return 2; }
    ${CC:-gcc} -O2 -w -DCOLLAPSE -DMEMLIM=2000 -DSAFETY -o pan pan.c || return 2
    ./pan -m1000000 > pan.log 2>&1 || :
    grep -q 'errors: 0' pan.log || { grep -E 'pan:|errors:' pan.log; return 1; }
    ! grep -q 'out of memory\|max search depth too small\|Search not completed' pan.log || { cat pan.log; return 2; }
    echo "$1: $(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1 states/p' pan.log | head -n 1), no error"
}

prove "owner and helper apart, none asleep for good" "$srcdir/gate.pml"

# must_fail WHAT SED-SCRIPT
must_fail() {
    sed "$2" "$srcdir/gate.pml" > broken.pml
    ! cmp -s broken.pml "$srcdir/gate.pml" || { echo "$1: nothing was broken"; exit 1; }
    if prove "$1" broken.pml > found.log; then
        echo "a model with the fault '$1' passes"
        exit 1
    fi
    echo "found: $1"
}
must_fail "no barrier before the helper looks" 's|membarrier();           /\* TRY \*/|skip;|'
must_fail "the owner does not look" 's|:: taken != 0 ->.*|:: false ->|; s|:: taken == 0$|:: true|'
must_fail "the helper does not look" 's|:: inside == 0 ->|:: true ->|'
must_fail "no barrier before the helper sleeps" 's|membarrier();               /\* PARK \*/|skip;|'
must_fail "nobody wakes it" 's|:: parked -> fence(); parked = false|:: parked -> skip|'
