#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# An MPI_Send with its MPI_Recv of 8 bytes stays below the limit of user-space
# instructions. Some 1000 of them are Open MPI's own, and the compiler's are of
# one level of optimisation: so the limit holds for Open MPI 4.1 and -O2. Run by
# make check in the build folder. Status 77: skipped, and why.
set -eu
limit=1625
here=$(cd "$(dirname "$0")" && pwd)
COMPONENT=$(cd .. && pwd)/.libs
export COMPONENT

case " ${CFLAGS-} " in
*" -O2 "*) ;;
*) echo "not compiled with -O2 (${CFLAGS-})"; exit 77 ;;
esac
[ "$(uname -m)" = x86_64 ] || { echo "the limit is x86-64's"; exit 77; }
command -v valgrind > /dev/null || { echo "valgrind not found: apt-get install valgrind"; exit 77; }
case $(ompi_info --version) in
*"Open MPI v4.1."*) ;;
*) echo "the limit is Open MPI 4.1's"; exit 77 ;;
esac
LIMIT=$limit sh "$here/../bench/instructions.sh" 8
