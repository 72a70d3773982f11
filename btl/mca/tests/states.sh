#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fragments go from state to state as the table in ../btl_vfring_state.h has it: some
# of mpi.sh, in which most of its lines are met, with a component that aborts if not.
set -eu
here=$(cd "${srcdir:-$(dirname "$0")}" && pwd)
COMPONENT=$(cd ../checked && pwd)/.libs
export COMPONENT
exec sh "$here/mpi.sh" exchange flood threads staged order-16 order-512 waits-16 held-back-flood \
    held-back-parts-flood lost gets lost-many contact parts-flood-lossy full-frames
