#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# wait.sh: what btl_vfring_wait adaptive costs a ping-pong of 8 bytes that never sleeps, against spin: user-space
# instructions of a message and of the polls in vain before it, by callgrind (instructions.sh). Exact, and the same in each run; a rank
# that polls seldom and one that polls often. PREFIX or COMPONENT and VFRING_SOFTVF as there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export OMPI_MCA_btl_vfring_wait OMPI_MCA_btl_vfring_spin_us=3600000000 # under callgrind everything takes long
export POLLS

# counted HOW POLLS: instructions of a message with its polls
counted() {
    OMPI_MCA_btl_vfring_wait=$1 POLLS=$2
    sh "$here/instructions.sh" 8 | awk '/together/ { sum += $(NF - 1) } /^polls/ { sum += $(NF - 1) } END { print sum }'
}

for polls in ${*:-0 8 64 512}; do
    spin=$(counted spin "$polls")
    adaptive=$(counted adaptive "$polls")
    awk -v polls="$polls" -v spin="$spin" -v adaptive="$adaptive" 'BEGIN {
        printf "%4d polls a message: spin %d, adaptive %d instructions, %+.2f %%\n", polls, spin, adaptive, 100 * (adaptive / spin - 1) }'
done
