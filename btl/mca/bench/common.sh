#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the benchmarks here that compare transports share; they read it in. PREFIX is where vfring is installed (default: build/prefix),
# MTU the soft VFs' ($mtu, default 9000); $dir is for files and soft VFs, gone at the end.
PREFIX=${PREFIX:-$(cd "$(dirname "$0")" && pwd)/../../../build/prefix}
mtu=${MTU:-9000}
dir=$(mktemp -d /dev/shm/vfring-bench-XXXXXX)
trap 'rm -rf "$dir"' EXIT INT TERM
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_pml=ob1 OMPI_MCA_btl_vfring_mtu="$mtu"
export OMPI_MCA_opal_mca_base_component_path="$PREFIX/lib/openmpi:$(ompi_info --parsable --path pkglibdir | cut -d: -f3)"

# run ARGUMENT...: of mpirun, with two ranks; says what they printed if they fail, and ends
run() {
    timeout 300 mpirun -n 2 --bind-to core "$@" > "$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 1; }
}

# stat FILE: "median (min..max)"
stat() {
    sort -g "$1" | awk '{ v[NR] = $1 } END { printf "%g (%g..%g)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
# ratio FILE FILE: of their medians
ratio() {
    m1=$(stat "$1"); m2=$(stat "$2")
    awk -v a="${m1%% *}" -v b="${m2%% *}" 'BEGIN { printf "%.2f", a / b }'
}
