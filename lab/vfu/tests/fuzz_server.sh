#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fuzzes what a vfio-user client may send; see btl/wire/tests/fuzz.sh.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
btl=$(cd "$here/../../../btl" && pwd)
exec "$btl/wire/tests/fuzz.sh" fuzz_server "$here/corpus" -I"$here/.." -I"$btl/softvf" -I"$btl/regs" \
    "$here/fuzz_server.c" "$here"/../vfu_*.c "$btl"/softvf/softvf_*.c -ljansson -pthread
