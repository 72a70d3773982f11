#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check.sh: spin proves gate.pml; and finds the faults that are put into it, so that the proof is
# known to be able to fail. Run by make check. 77: no spin.
set -eu
srcdir=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
. "$srcdir/../../spin.sh"

prove "owner and helper apart, none asleep for good" "$srcdir/gate.pml" -DSAFETY

must_fail "no barrier before the helper looks" 's|membarrier();           /\* TRY \*/|skip;|' gate.pml
must_fail "the owner does not look" 's|:: taken != 0 ->.*|:: false ->|; s|:: taken == 0$|:: true|' gate.pml
must_fail "the helper does not look" 's|:: inside == 0 ->|:: true ->|' gate.pml
must_fail "no barrier before the helper sleeps" 's|membarrier();               /\* PARK \*/|skip;|' gate.pml
must_fail "nobody wakes it" 's|:: parked -> fence(); parked = false|:: parked -> skip|' gate.pml
