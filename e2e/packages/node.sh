# SPDX-License-Identifier: BSD-3-Clause
# What the scripts of the emulated node share.
. "$(dirname "$0")/../shell/functions.sh"

names="openmpi-btl-vfring uio-vf-dkms vfring-slurm vfringd"
config=/etc/vfring/vfringd.yaml

why() {
    tail -n 40 "$log"
    systemctl status --no-pager -l vfringd 2>&1 | tail -n 30
}

machine_is() { # NAME: writes down what the machine consists of
    files /home /results >"/tmp/$1.files"
    systemctl list-unit-files --no-legend --no-pager | sort >"/tmp/$1.units"
    accounts >"/tmp/$1.accounts"
}
# Owner and mode of the device nodes that there are.
all_roots() { ! stat -c '%U:%G %a' /dev/uiovf* | grep -qv '^root:root 600$'; }

mpi() { # COMMAND...: two processes of the user, over VFs alone
    as_user mpirun -n 2 --oversubscribe --mca pml ob1 --mca btl self,vfring "$@"
}
pingpong() { mpi /usr/libexec/vfring/pingpong --min 0 --max 4096 --iters 20; }
start_job() { # STOP-FILE: a job that leaves the processors to what is done meanwhile
    mpi nice -n 19 python3 "$(dirname "$0")/../shell/until.py" "$1" >"$1.out" 2>&1 &
    job=$!
    wait_for "two VFs are leased" leased 2
}
end_job() { # STOP-FILE
    as_user touch "$1"
    wait "$job" && [ "$(grep -c '^rank . compared' "$1.out")" = 2 ] || { cp "$1.out" "$log"; return 1; }
}
