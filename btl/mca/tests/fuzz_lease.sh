#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fuzzes the lease client; see ../../wire/tests/fuzz.sh. Run in the build folder, whose config.h it takes.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
exec "$here/../../wire/tests/fuzz.sh" fuzz_lease "$here/corpus/lease" -I"$here/.." -I../../.. \
    "$here/fuzz_lease.c" "$here/../btl_vfring_lease_protocol.c" $(pkg-config --cflags --libs jansson)
