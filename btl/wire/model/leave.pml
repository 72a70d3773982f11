/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Goodbyes (docs/wire-protocol.md, The end of a peer), for spin: processes that come one after the
 * other, each with the MAC address and the id of the one before, and a key of its own. Each
 * says goodbye several times; the wire loses, doubles and delays these, over the lives of those that
 * follow. A server learns of each process before that speaks (the modex), and has one in the
 * table at a time.
 *
 * Checked in every reachable state:
 *   nobody else's end  whoever is forgotten has ended (assert in heard)
 *   no growth          one peer is left at most, whatever was lost, and none if a goodbye of the last one came
 */
#define LIVES 3       /* processes, one after the other */
#define SAID 2        /* times */
#ifndef MALICE
#define MALICE 4
#endif

chan wire = [8] of { byte };  /* goodbyes: the key that they name */
byte malice = MALICE;
byte living = 0;              /* key of the process that is there; 0: none */
byte known = 0;               /* key of the one in the server's table; 0: none */
bool came = false;            /* a goodbye of the last process has come */
bool over = false;

proctype process_() {
    byte key = 1, i;

    do
    :: key <= LIVES ->
        /* It begins: by its modex the server knows it, and who had the name before has ended. */
        atomic { living = key; known = key }
        /* It speaks and listens, and ends. What it says is on the wire when it is gone. */
        atomic {
            i = 0;
            do
            :: i < SAID && len(wire) < 8 -> wire ! key; i++
            :: else -> break
            od;
            living = 0
        }
        key++
    :: else -> break
    od;
    over = true
}

proctype server() {
    byte key;

end:
    do
    :: atomic { wire ? key ->
            if
            :: known != 0 && key == known -> /* THEIRS */
                assert(living != known);
                known = 0
            :: else
            fi;
            came = came || key == LIVES }
    od
}

proctype malicious() {
    byte key;

end:
    do
    :: atomic { malice > 0 && len(wire) > 0 -> wire ? key; malice--;
            if
            :: skip
            :: wire ! key
            :: len(wire) < 7 -> wire ! key; wire ! key
            fi }
    od
}

init {
    atomic { run process_(); run server(); run malicious() }
}

/* Once nothing is on its way any more, whoever said goodbye and was heard is forgotten. */
ltl forgotten { [] ((over && came && len(wire) == 0) -> <> (known == 0)) }
