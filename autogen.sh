#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Makes ./configure from configure.ac. Needed after a checkout, and after a
# change of configure.ac or config/*.m4; make does the latter by itself.
set -eu
cd "$(dirname "$0")"

missing=
need() { # COMMAND PACKAGE
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "E: $1 not found: apt-get install $2" >&2
        missing="$missing $2"
    fi
}
need autoreconf autoconf
need automake automake
need libtoolize libtool
need pkg-config pkg-config
need make make
if [ -n "$missing" ]; then
    echo "E: all at once: apt-get install$missing" >&2
    exit 1
fi
exec autoreconf --install --warnings=all "$@"
