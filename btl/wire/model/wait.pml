/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Going to sleep while frames come: vfring_vf_listen(), a look at the ring,
 * vfring_vf_sleep(); and softvf_set_causes() in the processes that deliver. A
 * wake-up that is lost is a receiver that sleeps when all senders are done: spin
 * finds it as an end that is none.
 *
 * What a processor does not promise is in it: the descriptor that a sender
 * has written may lie in its store buffer (x86-TSO) while it already reads EICR.
 */
#define SENDERS 2
#define FRAMES 2 /* of each */

byte buffered[SENDERS]; /* descriptors in the sender's store buffer */
byte ring;              /* descriptors that the receiver sees */
byte taken;
bool eicr, eims;        /* the RX cause; its mask */
byte events;            /* messages so far */

/* The cause was set anew, or unmasked: a message goes if it is not masked, and masks it (EIAM). */
inline send_message()
{
    if
    :: eims -> eims = false; events++
    :: else -> skip
    fi
}

proctype sender(byte me)
{
    byte i = 0;
    bool was;

    do
    :: i < FRAMES ->
        buffered[me]++;
        buffered[me] == 0; /* FENCE */
        if
        :: eicr -> skip /* there is a cause already */
        :: else ->
            atomic { was = eicr; eicr = true }
            if
            :: !was -> send_message()
            :: else -> skip
            fi
        fi;
        i++
    :: else -> break
    od
}

/* Store buffers drain when they like. */
proctype drain(byte whose)
{
end:
    do
    :: atomic { buffered[whose] > 0 -> buffered[whose]--; ring++ }
    od
}

proctype receiver()
{
    byte seen;

    do
    :: taken == SENDERS * FRAMES -> break
    :: taken < SENDERS * FRAMES ->
        if
        :: ring > 0 -> atomic { ring--; taken++ }
        :: ring == 0 ->
            seen = events; /* COUNT */
            eicr = false; /* CLEAR */
            eims = true;
            if
            :: eicr -> send_message() /* PENDING */
            :: else -> skip
            fi;
            if
            :: ring > 0 -> skip /* LOOK */
            :: ring == 0 -> events != seen /* SLEEP */
            fi
        fi
    od
}

init
{
    atomic {
        run sender(0); run drain(0);
        run sender(1); run drain(1);
        run receiver()
    }
}
