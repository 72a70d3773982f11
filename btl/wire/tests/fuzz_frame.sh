#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fuzzes the way in of the wire; see fuzz.sh.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
exec "$here/fuzz.sh" fuzz_frame "$here/corpus/frame" -I"$here/.." "$here/fuzz_frame.c" "$here"/../wire*.c
