#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fuzzes the assembly of messages longer than a frame; see ../../wire/tests/fuzz.sh.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
exec "$here/../../wire/tests/fuzz.sh" fuzz_assembly "$here/corpus/assembly" -I"$here/.." \
    "$here/fuzz_assembly.c" "$here/../btl_vfring_assembly.c"
