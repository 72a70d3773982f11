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
prove "no wake-up by two VFs is lost" "$srcdir/wait.pml" "-DSAFETY" "" "-DRAILS=2 -DFRAMES=1"

must_fail "duplicates are handed up" 's/:: IS(rbits, i - 1)  .*/:: false/' stream.pml
must_fail "what is missing is acknowledged" 's|acks ! rnext, rbits, c;|acks ! rnext, rbits \| 1, c;|' stream.pml
must_fail "selective acknowledgement off by one" 's/rbits = rbits | (1 << (i - 1))/rbits = rbits | (1 << i)/' stream.pml
must_fail "no timeout" 's/len(data) == 0 \&\& len(acks) == 0/false/' stream.pml
must_fail "a goodbye that names no key" 's|key == known -> /\* THEIRS \*/|true ->|' leave.pml
must_fail "a descriptor written after EICR is read" 's|buffered.SLOT(me, to). == 0; /\* FENCE \*/|skip;|' wait.pml
must_fail "no look before the sleep" 's|:: v < RAILS && ring.v. > 0 -> break|:: false -> break|; s|:: v < RAILS && ring.v. == 0 -> v++ /\* LOOK \*/|:: v < RAILS -> v++|' wait.pml
must_fail "a cause that waits is not told when unmasked" 's|:: eicr.v. -> send_message(v) /\* PENDING \*/|:: eicr[v] -> skip|' wait.pml
must_fail "the count is read last" 's|seen.v. = events.v.; /\* COUNT \*/|skip;|; s|:: v == RAILS -> ANY_EVENT; break /\* SLEEP|:: v == RAILS -> seen[0] = events[0]; ANY_EVENT; break /* SLEEP|' wait.pml
must_fail "one VF of two is listened to" 's|#define RAILS 1|#define RAILS 2|; s|#define LAST_LISTENED 1 /\* ALL \*/|#define LAST_LISTENED 0|' wait.pml
