# SPDX-License-Identifier: BSD-3-Clause
"""until.py FILE: two ranks exchange messages and compare each byte, until there is FILE. At the end each says how many, and the
RLIMIT_MEMLOCK (bytes) that it has."""
import os
import resource
import struct
import sys

from mpi4py import MPI


def message(rank, number):
    """48 KiB (more than one goes eagerly) that no other rank and no other round has."""
    return struct.pack("<II", rank, number) * 6144


comm = MPI.COMM_WORLD
other, rounds, go = 1 - comm.rank, 0, True
while go:
    assert comm.sendrecv(message(comm.rank, rounds), other, source=other) == message(other, rounds)
    rounds += 1
    go = comm.bcast(not os.path.exists(sys.argv[1]), root=0)
print("rank", comm.rank, "compared", rounds, "messages, memlock", resource.getrlimit(resource.RLIMIT_MEMLOCK)[0], flush=True)
