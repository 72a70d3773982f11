#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Of files with a number a line, for the benchmarks here; read in by them.

# stat FILE: "median (min..max)"
stat() {
    sort -g "$1" | awk '{ v[NR] = $1 } END { printf "%g (%g..%g)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
# ratio FILE FILE: of their medians
ratio() {
    m1=$(stat "$1"); m2=$(stat "$2")
    awk -v a="${m1%% *}" -v b="${m2%% *}" 'BEGIN { printf "%.2f", a / b }'
}
