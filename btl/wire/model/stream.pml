/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One stream of the wire protocol (docs/wire-protocol.md), for spin: a sender,
 * a receiver, and between them a wire that loses, doubles and delays frames of
 * both directions. Several rails are such a wire, too: one on which frames overtake each other. What the code does with 32-bit numbers and a window of up to 512 is
 * done here with numbers modulo 32 and a window of 3; the stream begins shortly
 * before the wrap.
 *
 * Checked in every reachable state:
 *   no duplicate  a message is handed up once (assert in accept)
 *   no loss       the sender takes a message for arrived only after that (assert in acknowledged)
 *   no overrun    no frame is under way that the receiver gave no credit for
 *   no deadlock   the run ends with everything delivered and acknowledged (end states), and
 *                 always comes to that end (ltl arrives)
 *
 * The wire's malice is rationed: so a run is finite, and a stale frame cannot
 * outlive half of the number space, which 2^31 frames make impossible in reality.
 */
#define M 32          /* numbers */
#define WINDOW 3
#define FIRST 30      /* wraps after two */
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef MALICE
#define MALICE 3      /* losses, duplicates, delays together */
#endif
#ifndef SPURIOUS
#define SPURIOUS 1    /* timeouts that come too early */
#endif

#ifndef OTHERS
#define OTHERS 1      /* frames of the other stream */
#endif

#define AFTER(a, b) (((a) + M - (b)) % M)   /* how far is a after b */
#define IS(bits, i) (((bits) >> (i)) & 1)

chan data = [4] of { byte };                 /* seq */
chan acks = [4] of { byte, byte, byte };     /* ack, sack, credit */

/* The sender: frames una .. top-1 are under way; bit i of arrived: una + i has come. */
byte una = FIRST, top = FIRST, limit = FIRST + 1;
byte arrived = 0;
byte sent = 0;

/* The receiver. */
byte rnext = FIRST;
byte rbits = 0;       /* bit i: rnext + 1 + i has come */
byte granted = FIRST + 1; /* first number without credit */
bool owed = false;
bool handed[MESSAGES];

byte malice = MALICE;
byte spurious = SPURIOUS;
byte others = OTHERS;
bool over = false;

inline acknowledged() {
    assert(handed[AFTER(una, FIRST)]);
    una = (una + 1) % M;
    arrived = arrived >> 1;
}

/* ack_input(): everything before `a`, and what the bits of `s` say. */
inline ack_input(a, s, c) {
    if
    :: AFTER(top, a) <= WINDOW ->           /* else it acknowledges what was never sent */
        if
        :: AFTER((a + c) % M, limit) < M / 2 -> limit = (a + c) % M
        :: else
        fi;
        do
        :: AFTER(a, una) < M / 2 && una != a -> acknowledged()
        :: else -> break
        od;
        i = 0;
        do
        :: i < WINDOW ->
            if
            :: IS(s, i) && AFTER((a + 1 + i) % M, una) < AFTER(top, una) ->
                assert(handed[AFTER((a + 1 + i) % M, FIRST)]);
                arrived = arrived | (1 << AFTER((a + 1 + i) % M, una))
            :: else
            fi;
            i++
        :: else -> break
        od;
        do
        :: una != top && IS(arrived, 0) -> acknowledged()
        :: else -> break
        od
    :: else
    fi
}

proctype sender() {
    byte a, s, c, i;

    do
    /* a new frame, as window and credit allow */
    :: atomic { sent < MESSAGES && AFTER(top, una) < WINDOW && AFTER(limit, top) < M / 2 && top != limit && len(data) < 4 ->
            assert(AFTER(granted, top) < M / 2 && granted != top);
            data ! top; top = (top + 1) % M; sent++ }
    :: atomic { acks ? a, s, c -> ack_input(a, s, c) }
    /* nothing came in time: the oldest goes again, as a question */
    :: atomic { una != top && len(data) == 0 && len(acks) == 0 && !owed -> data ! una }
    :: atomic { una != top && spurious > 0 && len(data) < 4 -> spurious--; data ! una }
    /* later ones have arrived: the oldest is lost */
    :: atomic { una != top && arrived > 1 && len(data) < 4 && spurious > 0 -> spurious--; data ! una }
    :: atomic { una == top && sent == MESSAGES -> over = true; break }
    od;
    /* what is still on its way disturbs nobody */
end:
    do
    :: atomic { acks ? a, s, c -> ack_input(a, s, c) }
    od
}

inline accept(seq) {
    i = AFTER(seq, rnext);
    if
    :: i == 0 ->
        assert(!handed[AFTER(seq, FIRST)]);
        handed[AFTER(seq, FIRST)] = true;
        rnext = (rnext + 1) % M;
        do
        :: IS(rbits, 0) -> rbits = rbits >> 1; rnext = (rnext + 1) % M
        :: else -> rbits = rbits >> 1; break
        od
    :: i > 0 && i < WINDOW ->
        if
        :: IS(rbits, i - 1)                  /* came before */
        :: else ->
            assert(!handed[AFTER(seq, FIRST)]);
            handed[AFTER(seq, FIRST)] = true;
            rbits = rbits | (1 << (i - 1))
        fi
    :: else                                  /* came before, or beyond the window */
    fi
}

proctype receiver() {
    byte seq, i, c;

end:
    do
    :: atomic { data ? seq -> accept(seq); owed = true; i = 0 }
    /* one acknowledgement may serve several frames; the credit of the moment goes with it */
    :: atomic { owed && len(acks) < 4 ->
            if
            :: c = 1
            :: c = WINDOW
            fi;
            if
            :: AFTER((rnext + c) % M, granted) < M / 2 -> granted = (rnext + c) % M
            :: else
            fi;
            acks ! rnext, rbits, c;
            owed = false; c = 0 }
    /* a frame of the other stream: it tells no bits, so it pays only where there are none */
    :: atomic { owed && others > 0 && len(acks) < 4 -> others--;
            if
            :: AFTER((rnext + 1) % M, granted) < M / 2 -> granted = (rnext + 1) % M
            :: else
            fi;
            acks ! rnext, 0, 1;
            owed = (rbits != 0) }
    od
}

proctype wire() {
    byte seq, a, s, c;

end:
    do
    :: atomic { malice > 0 && len(data) > 0 -> data ? seq; malice--;
            if
            :: skip                          /* lost */
            :: data ! seq                    /* overtaken by all that wait */
            :: len(data) < 4 -> data ! seq; if :: len(data) < 4 -> data ! seq :: else fi /* doubled */
            fi; seq = 0 }
    :: atomic { malice > 0 && len(acks) > 0 -> acks ? a, s, c; malice--;
            if
            :: skip
            :: acks ! a, s, c
            :: len(acks) < 4 -> acks ! a, s, c; if :: len(acks) < 4 -> acks ! a, s, c :: else fi
            fi; a = 0; s = 0; c = 0 }
    od
}

init {
    atomic { run sender(); run receiver(); run wire() }
}

ltl arrives { <> over }
