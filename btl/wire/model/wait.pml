/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going to sleep while frames come: vfring_vf_listen() on each of RAILS VFs, a look at their rings,
 * vfring_vf_sleep() on all of them; and softvf_set_causes() in the processes that deliver. A
 * wake-up that is lost is a receiver that sleeps when all senders are done: spin
 * finds it as an end that is none. A frame goes to any of the VFs.
 *
 * What a processor does not promise is in it: the descriptor that a sender
 * has written may lie in its store buffer (x86-TSO) while it already reads EICR.
 */
#ifndef RAILS
#define RAILS 1
#endif
#define SENDERS 2
#ifndef FRAMES
#define FRAMES 2 /* of each */
#endif

/* Descriptors in a sender's store buffer: SLOT(sender, VF). */
#define SLOT(who, v) ((who) * RAILS + (v))
byte buffered[SENDERS * RAILS];
byte ring[RAILS];       /* descriptors that the receiver sees */
byte taken;
bool eicr[RAILS], eims[RAILS]; /* the RX cause; its mask */
byte events[RAILS];     /* messages so far */

/* The cause was set anew, or unmasked: a message goes if it is not masked, and masks it (EIAM). */
inline send_message(v)
{
    if
    :: eims[v] -> eims[v] = false; events[v]++
    :: else -> skip
    fi
}

proctype sender(byte me)
{
    byte i = 0;
    byte to = 0;
    bool was;

    do
    :: i < FRAMES ->
        to = 0;
        do
        :: to + 1 < RAILS -> to++
        :: break
        od;
        buffered[SLOT(me, to)]++;
        buffered[SLOT(me, to)] == 0; /* FENCE */
        if
        :: eicr[to] -> skip /* there is a cause already */
        :: else ->
            atomic { was = eicr[to]; eicr[to] = true }
            if
            :: !was -> send_message(to)
            :: else -> skip
            fi
        fi;
        i++
    :: else -> break
    od
}

/* Store buffers drain when they like. */
proctype drain(byte whose; byte v)
{
end:
    do
    :: atomic { buffered[SLOT(whose, v)] > 0 -> buffered[SLOT(whose, v)]--; ring[v]++ }
    od
}

#if RAILS == 1
#define ANY_RING (ring[0] > 0)
#define ANY_EVENT (events[0] != seen[0])
#define LAST_LISTENED 0
#else
#define ANY_RING (ring[0] > 0 || ring[1] > 0)
#define ANY_EVENT (events[0] != seen[0] || events[1] != seen[1])
#define LAST_LISTENED 1 /* ALL */
#endif

proctype receiver()
{
    byte seen[RAILS];
    byte v;

    do
    :: taken == SENDERS * FRAMES -> break
    :: taken < SENDERS * FRAMES ->
        if
        :: ring[0] > 0 -> atomic { ring[0]--; taken++ }
        :: ring[RAILS - 1] > 0 -> atomic { ring[RAILS - 1]--; taken++ }
        :: !ANY_RING ->
            v = 0;
            do
            :: v <= LAST_LISTENED ->
                seen[v] = events[v]; /* COUNT */
                eicr[v] = false; /* CLEAR */
                eims[v] = true;
                if
                :: eicr[v] -> send_message(v) /* PENDING */
                :: else -> skip
                fi;
                v++
            :: else -> break
            od;
            /* The looks at the rings follow each other. */
            v = 0;
            do
            :: v < RAILS && ring[v] == 0 -> v++ /* LOOK */
            :: v < RAILS && ring[v] > 0 -> break
            :: v == RAILS -> ANY_EVENT; break /* SLEEP */
            od
        fi
    od
}

init
{
    byte v;

    atomic {
        v = 0;
        do
        :: v < RAILS ->
            run drain(0, v);
            run drain(1, v);
            v++
        :: else -> break
        od;
        run sender(0);
        run sender(1);
        run receiver()
    }
}
