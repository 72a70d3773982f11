/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate and the parking of the helper (btl_vfring_gate.h, btl_vfring_helper.c), for spin. The owner's stores go
 * through a buffer, of which the processor empties one at a time whenever it likes (x86-TSO), so that its loads
 * may come before its own stores; the helper's membarrier(2) empties it. The helper's stores are seen at once: it
 * makes a system call after each that matters.
 *
 * Checked in every reachable state:
 *   exclusion        owner and helper are never inside together (assert in both)
 *   no lost wake-up  the helper sleeps for good only when the owner is away and nothing is due (else the run stops
 *                    there, which is no valid end)
 */
#ifndef ROUNDS
#define ROUNDS 3
#endif

/* What memory has, and what the owner sees of its own stores. */
byte inside = 0, due = 0;
byte own_inside = 0, own_due = 0;
byte taken = 0;            /* the helper's */
bool parked = false;       /* the helper's, and set to false by whoever wakes it, with the lock */
bool mutex = false;
bool in_owner = false, in_helper = false;
bool over = false;

/* The buffer: values that are still to come to memory, the oldest first. which: 0 inside, 1 due */
chan buffer = [3] of { bit, byte };

inline drain_one() {
    buffer ? which, value;
    if
    :: which == 0 -> inside = value
    :: else -> due = value
    fi;
    which = 0; value = 0
}
inline membarrier() {
    atomic { do :: nempty(buffer) -> drain_one() :: empty(buffer) -> break od }
}
inline fence() { membarrier() }     /* the owner's own locked instructions do the same */

proctype processor() {
    bit which; byte value;
end:
    do
    :: atomic { nempty(buffer) -> drain_one() }
    od
}

inline store_inside(v) { atomic { nfull(buffer) -> own_inside = v; buffer ! 0, v } }
inline store_due(v) { atomic { nfull(buffer) -> own_due = v; buffer ! 1, v } }

inline enter() {
    store_inside(1);
    if
    :: taken != 0 ->                /* gate_wait() */
        store_inside(0);
        fence();
        atomic { !mutex -> mutex = true };
        store_inside(1);
        fence();
        mutex = false
    :: taken == 0
    fi;
    in_owner = true;
    assert(!in_helper)
}
inline leave() {
    assert(!in_helper);
    in_owner = false;
    store_inside(0)
}

proctype owner() {
    bit which; byte value;
    byte i;

    for (i : 1 .. ROUNDS) {
        enter();
        store_due(1);               /* a frame is under way */
        if                          /* helper_wake() */
        :: parked -> fence(); parked = false
        :: !parked
        fi;
        leave()
    };
    over = true                     /* it is away, for good */
}

proctype helper() {
    bit which; byte value;

    do
    :: due == 0 ->                  /* park() */
        parked = true;
        membarrier();               /* PARK */
        if
        :: due == 0 ->
            if
            :: !parked
            :: over && due == 0 && empty(buffer) -> break
            fi
        :: due != 0 -> parked = false
        fi
    :: due != 0 ->
        if
        :: atomic { !mutex -> mutex = true };
            taken = 1;
            membarrier();           /* TRY */
            if
            :: inside == 0 ->
                in_helper = true;
                assert(!in_owner);
                due = 0;            /* all that is due is done; the owner has nothing in its buffer */
                own_due = 0;
                assert(!in_owner);
                in_helper = false
            :: inside != 0
            fi;
            taken = 0;
            mutex = false
        :: mutex                    /* trylock fails */
        fi
    od
}

init {
    atomic { run owner(); run helper(); run processor() }
}
