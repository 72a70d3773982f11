#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check.sh: spin proves stream.pml, leave.pml and wait.pml: all states, then that every run comes to its
# end; and finds the faults that are put into it, so that the proof is known
# to be able to fail. Run by make check. 77: no spin.
set -eu
srcdir=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
. "$srcdir/../../spin.sh"

prove "safety" "$srcdir/stream.pml" "-DSAFETY -DNOCLAIM" ""
prove "every run ends" "$srcdir/stream.pml" "" "-a -f -N arrives" "-DMESSAGES=3 -DMALICE=2"

prove "goodbyes" "$srcdir/leave.pml" "-DSAFETY -DNOCLAIM" ""
prove "who left is forgotten" "$srcdir/leave.pml" "" "-a -N forgotten"

prove "no wake-up is lost" "$srcdir/wait.pml" "-DSAFETY" ""

must_fail "duplicates are handed up" 's/:: IS(rbits, i - 1)  .*/:: false/' stream.pml
must_fail "what is missing is acknowledged" 's|acks ! rnext, rbits, c;|acks ! rnext, rbits \| 1, c;|' stream.pml
must_fail "selective acknowledgement off by one" 's/rbits = rbits | (1 << (i - 1))/rbits = rbits | (1 << i)/' stream.pml
must_fail "no timeout" 's/len(data) == 0 \&\& len(acks) == 0/false/' stream.pml
must_fail "a goodbye that names no key" 's|key == known -> /\* THEIRS \*/|true ->|' leave.pml
must_fail "a descriptor written after EICR is read" 's|buffered.me. == 0; /\* FENCE \*/|skip;|' wait.pml
must_fail "no look before the sleep" 's|:: ring > 0 -> skip /\* LOOK \*/|:: false -> skip|; s|:: ring == 0 -> events != seen|:: events != seen|' wait.pml
must_fail "a cause that waits is not told when unmasked" 's|:: eicr -> send_message() /\* PENDING \*/|:: eicr -> skip|' wait.pml
must_fail "the count is read last" 's|seen = events; /\* COUNT \*/|skip;|; s|:: ring == 0 -> events != seen /\* SLEEP|:: ring == 0 -> seen = events; events != seen /* SLEEP|' wait.pml
