# SPDX-License-Identifier: BSD-3-Clause
# To be sourced by a model's check.sh, in its folder $srcdir: spin, what it proves, and that the proof can fail. 77: no spin.
command -v spin > /dev/null || { echo "spin is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# prove NAME FILE [CFLAGS [PAN-ARGS [SPIN-ARGS]]]: 0 no error found, 1 found, 2 not searched through
prove() {
    spin -a ${5:-} "$2" > spin.log 2>&1 || { cat spin.log; return 2; }
    ${CC:-gcc} -O2 -w -DCOLLAPSE -DMEMLIM=2000 ${3:-} -o pan pan.c || return 2
    ./pan -m1000000 ${4:-} > pan.log 2>&1 || :
    grep -q 'errors: 0' pan.log || { grep -E 'pan:|errors:' pan.log; return 1; }
    ! grep -q 'out of memory\|max search depth too small\|Search not completed' pan.log || { cat pan.log; return 2; }
    echo "$1: $(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1 states/p' pan.log | head -n 1), no error"
}

# must_fail WHAT SED-SCRIPT MODEL: the fault is put into the model, whose safety cannot be proved then
must_fail() {
    model=$srcdir/$3
    sed "$2" "$model" > broken.pml
    ! cmp -s broken.pml "$model" || { echo "$1: nothing was broken"; exit 1; }
    if prove "$1" broken.pml "-DSAFETY -DNOCLAIM" > found.log; then
        echo "a model with the fault '$1' passes"
        exit 1
    fi
    echo "found: $1"
}
