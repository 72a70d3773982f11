#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Proves the model of the gate; see ../model/check.sh.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
srcdir=$here/../model exec "$here/../model/check.sh"
