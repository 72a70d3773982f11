#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The component exports what Open MPI looks for and not a symbol more: a second
# one could clash with another component's in the same process. Run by make
# check in the build folder.
set -eu
component=../.libs/mca_btl_vfring.so
if [ ! -f "$component" ]; then
    echo "$component not found: make first"
    exit 1
fi
# __asan and the like: the sanitizers' own, in a build with --enable-sanitizers
exported=$(${NM:-nm} -D --defined-only "$component" | awk '{print $3}' | grep -v '^__[a-z]*san_' || :)
if [ "$exported" != mca_btl_vfring_component ]; then
    printf 'expected mca_btl_vfring_component alone, found:\n%s\n' "$exported"
    exit 1
fi
