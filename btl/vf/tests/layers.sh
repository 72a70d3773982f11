#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The arrows of btl/vf go down only (../layers): so a backend knows no ring and no
# family. That the check can fail, ../../wire/tests/layers.sh shows.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
exec "$here/../../layers.sh" "$here/../layers" "$here/.." ..
