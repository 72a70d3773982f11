#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The component in Open MPI, over soft VFs, on good and bad wires. Run by make
# check in the build folder; mpi.sh NAME... runs only those. COMPONENT: the folder of another one.
# MODEL: what the soft VFs are made as, 82576 if it is not said.
set -u
component=${COMPONENT:-$(cd .. && pwd)/.libs}
dir=$(mktemp -d /dev/shm/vfring-mpi-XXXXXX)
trap 'rm -rf "$dir"' EXIT INT TERM
failed=0
wanted=$*
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_opal_mca_base_component_path="$component:$(ompi_info --parsable --path pkglibdir | cut -d: -f3)"
# mpirun hears what it spawns (mpi-tests/README.md); processes of Open MPI 5 do not start so.
case $(mpirun --version) in *") 4."*) export EVENT_NOEPOLL=1 ;; esac
export OMPI_MCA_pml=ob1 OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe

model=${MODEL:-82576}
create() { # FOLDER ARG...
    "$VFRING_SOFTVF" create "$@" --model "$model"
}

# vfs N MTU: N new soft VFs
vfs() {
    devices=
    i=0
    while [ "$i" -lt "$1" ]; do
        create "$dir" --index "$i" --mac "02:76:66:02:00:0$i" --mtu "$2" > "$dir/made" || exit 1
        devices=$devices${devices:+,}$dir/vf$i
        i=$((i + 1))
    done
}

# run NAME STATUS TEXT RANKS ARG...: the job ends with STATUS (0, or "not0"), and says TEXT
run() {
    name=$1 status=$2 text=$3 ranks=$4
    shift 4
    case " $wanted " in "  " | *" $name "*) ;; *) return ;; esac
    timeout -k 10 120 mpirun -n "$ranks" --mca btl_vfring_devices "$devices" "$@" > "$dir/out" 2>&1 &
    job=$!
    $meanwhile
    wait "$job"
    rc=$?
    if { [ "$status" = 0 ] && [ $rc -ne 0 ]; } || { [ "$status" = not0 ] && { [ $rc -eq 0 ] || [ $rc -eq 124 ] || [ $rc -eq 137 ]; }; } \
        || ! grep -qE -- "$text" "$dir/out"; then
        echo "FAILED $name: status $rc, wanted $status and \"$text\""
        tail -n 40 "$dir/out"
        failed=1
    else
        echo "ok     $name"
    fi
}

meanwhile=: # what is done while the job runs

# until_there COMMAND...: waits until it succeeds, or the job has ended
until_there() {
    while ! "$@" > /dev/null 2>&1 && kill -0 "$job" 2> /dev/null; do
        sleep 0.05
    done
}
warned_twice() {
    [ "$(grep -c 'Silent for:' "$dir/out")" -ge 2 ]
}
# Rank 1 has stopped itself: it is continued after two warnings.
continue_it() {
    until_there warned_twice
    kill -CONT "$(cat "$dir/pid")"
}
# Rank 1 computes: it is held as by a debugger, and let go after two warnings.
hold_it() {
    until_there test -s "$dir/pid"
    ./hold "$(cat "$dir/pid")" "$dir/let-go" > "$dir/held" 2>&1 &
    holder=$!
    until_there warned_twice
    : > "$dir/pid.over"
    : > "$dir/let-go"
    wait "$holder" || echo "FAILED to hold it: $(cat "$dir/held")" >> "$dir/out"
}

# named NAME ...: as run, only when it is asked for by name: it takes long
named() {
    case " $wanted " in *" $1 "*) run "$@" ;; esac
}

# said PATTERN...: the last job's output has a line for each
said() {
    case " $wanted " in "  " | *" $name "*) ;; *) return ;; esac
    for pattern; do
        grep -qE -- "$pattern" "$dir/out" || {
            echo "FAILED $name: it does not say \"$pattern\""
            cat "$dir/out"
            failed=1
        }
    done
}
# said_not PATTERN
said_not() {
    case " $wanted " in "  " | *" $name "*) ;; *) return ;; esac
    if grep -qE -- "$1" "$dir/out"; then
        echo "FAILED $name: it says \"$1\""
        cat "$dir/out"
        failed=1
    fi
}
# said_once PATTERN
said_once() {
    case " $wanted " in "  " | *" $name "*) ;; *) return ;; esac
    [ "$(grep -cE -- "$1" "$dir/out")" = 1 ] || {
        echo "FAILED $name: it does not say \"$1\" once"
        cat "$dir/out"
        failed=1
    }
}

only="--mca btl self,vfring"
faults="--mca btl_vfring_soft_faults"
vfs 4 1500
run exchange 0 'exchange: ok' 2 $only ./mpi_check exchange
run ring4 0 'exchange: ok' 4 $only ./mpi_check exchange
# Spawned processes begin at local rank 0 again, and find the VFs that the list has left.
run spawn-list 0 'spawn: ok' 2 $only ./mpi_check spawn
named=$devices devices=$dir/vf0
run spawn-short-list not0 'vf0 is in use by process' 1 $only ./mpi_check spawn
# Processes of other jobs that come and go leave nothing behind.
devices=$named
run visitors 0 'visitors, 8 said goodbye' 1 $only ./mpi_check visitors 8 1
run visitors-lossy 0 'visitors, 8 said goodbye' 1 $only $faults drop=0.05,dup=0.05,reorder=0.1,seed=14 ./mpi_check visitors 8 1
# So do those that stay, and only disconnect and connect again.
run reunions 0 'reunions: ok' 1 $only ./mpi_check reunions 200
said '^200 reunions: [1-9][0-9]* bytes held for the other one each time'
# Several VFs a process, of one folder and of two: each carries its part.
two="$only --mca btl_vfring_rails 2"
run rails 0 'exchange: ok' 2 $two --mca btl_vfring_stats 1 ./mpi_check exchange
said 'stats vf=vf0\+vf1' 'stats vf=vf2\+vf3'
run rails-lossy 0 'exchange: ok' 2 $two $faults drop=0.02,dup=0.01,reorder=0.02,seed=3 ./mpi_check exchange
run rails-flap 0 'exchange: ok' 2 $two $faults flap=0.0003,flap_ms=20,seed=6 ./mpi_check exchange
run rails-reset 0 'exchange: ok' 2 $two $faults reset_after=200 ./mpi_check exchange
said 'works again, and is used again'
run rails-reset-all 0 'exchange: ok' 2 $two $faults reset_after=20,reset_ms=3000 ./mpi_check exchange # the second while the first is down, or one of each: for a time there is no way
said 'its PF was reset or set down' 'works again, and is used again'
run rails-rma 0 'rma: ok' 2 $two ./mpi_check rma
run rails-threads 0 'threads: ok' 2 $two ./mpi_check threads
run rails-get-closed 0 'closed: ok' 2 $two --mca btl_vfring_helper 0 --mca btl_vfring_zero_copy_min 4096 ./rdma_check closed 2
run rails-inside 0 'ring: ok' 2 $two $faults drop=0.02,dup=0.01,reorder=0.02,seed=3 ./inside_check ring 5000
run rails-inside-reset 0 'ring: ok' 2 $two $faults reset_after=200 ./inside_check ring 5000
said 'works again, and is used again'
run rails-inside-deep 0 'deep: ok' 2 $two ./inside_check deep 200
run rails-inside-ops 0 'ops: ok' 2 $two ./inside_check ops
run rails-wait 0 'exchange: ok' 2 $two --mca btl_vfring_wait event ./mpi_check exchange
run rails-short-list not0 'name btl_vfring_rails devices for each process' 4 $two ./mpi_check exchange
run rails-too-many not0 'give 1 to 8' 2 $only --mca btl_vfring_rails 9 ./mpi_check exchange
mkdir "$dir/left" "$dir/right"
for i in 0 1; do
    create "$dir/left" --index "$i" --mac "02:76:66:02:01:0$i" > "$dir/made" || exit 1
    create "$dir/right" --index "$i" --mac "02:76:66:02:02:0$i" > "$dir/made" || exit 1
done
devices=$dir/left/vf0,$dir/right/vf0,$dir/right/vf1,$dir/left/vf1
run rails-folders 0 'exchange: ok' 2 $two ./mpi_check exchange
# A VF is taken away in the middle of a job: it goes on, and uses it again when it is there again.
counter_of() { # VF NAME
    "$VFRING_SOFTVF" show "$1" 2> /dev/null | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}
frames_of() { # VF: that it has sent
    counter_of "$1" tx_frames
}
sent() { # VF NUMBER: has it sent so many frames?
    [ "$(frames_of "$1")" -ge "$2" ]
}
says() { # PATTERN
    grep -qE -- "$1" "$dir/out"
}
over() {
    : > "$dir/over"
}
both_carry_it() {
    until_there sent "$dir/left/vf0" 2000
    until_there sent "$dir/right/vf0" 2000
    over
}
kill_one() {
    until_there sent "$dir/left/vf0" 500
    "$VFRING_SOFTVF" destroy "$dir/left/vf0"
    until_there says 'does not work and is set aside'
    before=$(frames_of "$dir/right/vf0")
    until_there sent "$dir/right/vf0" $((before + 2000))
    over
}
kill_and_make_one() {
    until_there sent "$dir/left/vf0" 500
    "$VFRING_SOFTVF" destroy "$dir/left/vf0"
    until_there says 'does not work and is set aside'
    create "$dir/left" --index 0 --mac 02:76:66:02:01:00 > "$dir/made"
    until_there says 'works again'
    until_there sent "$dir/left/vf0" 2000
    over
}
kill_all() {
    until_there sent "$dir/left/vf0" 500
    "$VFRING_SOFTVF" destroy "$dir/left/vf0"
    until_there says 'does not work and is set aside'
    "$VFRING_SOFTVF" destroy "$dir/right/vf0"
}
make_them() { # RATE-LEFT RATE-RIGHT, in Mbit/s
    rm -f "$dir/over" "$dir"/left/vf* "$dir"/right/vf* # so that their counters begin at 0
    for i in 0 1; do
        create "$dir/left" --index "$i" --mac "02:76:66:02:01:0$i" --rate "$1" > "$dir/made" || exit 1
        create "$dir/right" --index "$i" --mac "02:76:66:02:02:0$i" --rate "$2" > "$dir/made" || exit 1
    done
}
devices=$dir/left/vf0,$dir/right/vf0,$dir/right/vf1,$dir/left/vf1
make_them 0 0
meanwhile=both_carry_it
run rails-both 0 'rails: ok' 2 $two ./mpi_check rails "$dir/over"
make_them 400 100 # unequal: the slow one carries what it can
run rails-unequal 0 'rails: ok' 2 $two ./mpi_check rails "$dir/over"
said_not 'set aside'
make_them 0 0
meanwhile=kill_one
run rails-killed 0 'rails: ok' 2 $two ./mpi_check rails "$dir/over"
said_once 'does not work and is set aside'
said 'Cause: +its soft VF was destroyed or made anew' 'Left: +1'
for how in spin event; do
    make_them 0 0
    meanwhile=kill_and_make_one
    run rails-back-$how 0 'rails: ok' 2 $two --mca btl_vfring_wait $how ./mpi_check rails "$dir/over"
    said_once 'works again, and is used again'
done
# One of each process, so that no pair is left: what is left of both finds each other, and goes on.
kill_a_diagonal() {
    until_there sent "$dir/left/vf0" 500
    "$VFRING_SOFTVF" destroy "$dir/left/vf1"
    "$VFRING_SOFTVF" destroy "$dir/left/vf2"
    until_there says 'does not work and is set aside'
    before=$(frames_of "$dir/left/vf3")
    until_there sent "$dir/left/vf3" $((before + 2000))
    over
}
pairs=$devices devices=$dir/left/vf0,$dir/left/vf1,$dir/left/vf2,$dir/left/vf3
make_them 0 0
for i in 2 3; do
    create "$dir/left" --index "$i" --mac "02:76:66:02:01:0$i" > "$dir/made" || exit 1
done
meanwhile=kill_a_diagonal
run rails-diagonal 0 'rails: ok' 2 $two ./mpi_check rails "$dir/over"
devices=$pairs
make_them 0 0
meanwhile=kill_all
run rails-all-killed not0 'its soft VF was destroyed or made anew' 2 $two ./mpi_check rails "$dir/over"
said 'does not work and is set aside'
meanwhile=:
make_them 0 0
# The only way between two processes, of which one has another VF as well, which leads elsewhere.
kill_the_way() {
    until_there sent "$dir/right/vf0" 500
    "$VFRING_SOFTVF" destroy "$dir/right/vf0"
}
devices=$dir/left/vf0,$dir/right/vf0
meanwhile=kill_the_way
run rails-cut-off not0 'no VF of this process that reaches it has worked for 2 s' 1 $two --mca btl_vfring_link_timeout 2 \
    ./mpi_check rails "$dir/over" : -n 1 $two --mca btl_vfring_link_timeout 2 \
    env OMPI_MCA_btl_vfring_rails=1 "OMPI_MCA_btl_vfring_devices=$dir/left/none,$dir/right/vf1" ./mpi_check rails "$dir/over"
said 'set aside' 'Left: +1'
meanwhile=:
make_them 0 0
# A VF that has no link and does not read what it has: it is stopped, and set up anew.
devices=$dir/left/vf0,$dir/right/vf0,$dir/right/vf1,$dir/left/vf1
run rails-stuck 0 'exchange: ok' 2 $two $faults rate=50,flap=0.002,flap_ms=200,seed=6 ./mpi_check exchange
said 'Cause: +it has no link' 'works again, and is used again'
make_them 0 0
# One of a process's VFs cannot be opened: it goes on by the other.
devices=$dir/left/vf0,$dir/right/none,$dir/right/vf1,$dir/left/vf1
run rails-left-out 0 'exchange: ok' 2 $two ./mpi_check exchange
said_once 'One of the VFs of a process cannot be used'
said 'device .*/right/none' 'Left: +1'
said_not 'this process cannot use it'
devices=$dir/left/none,$dir/right/none,$dir/right/vf1,$dir/left/vf1
run rails-none-left not0 'this process cannot use it' 2 $two ./mpi_check exchange
# A process whose only VF is not where the other's first one is. mpirun takes one value a job: the other comes by the environment.
devices=$dir/left/vf0,$dir/right/vf0
run rails-one-of-two 0 'exchange: ok' 1 $two ./mpi_check exchange : -n 1 $two \
    env OMPI_MCA_btl_vfring_rails=1 "OMPI_MCA_btl_vfring_devices=$dir/left/vf1,$dir/right/vf1" ./mpi_check exchange
# Whoever has lost the only VF of two that this process reaches may live on.
run replaced-partly not0 'replaced: ok' 1 --mca btl self,vfring --mca btl_vfring_silence_warn 1 env OMPI_MCA_btl_vfring_rails=1 \
    "OMPI_MCA_btl_vfring_devices=$dir/left/vf0" ./depart_check replaced : -n 1 --mca btl self,vfring \
    env OMPI_MCA_btl_vfring_rails=2 "OMPI_MCA_btl_vfring_devices=$dir/right/none,$dir/right/none,$dir/left/vf1,$dir/right/vf1" ./depart_check replaced
said 'killed or has crashed \(another process has the VF by which it was reached; if it has lost that alone, it lives on'
# One is gone of two that the process was about to sleep on.
run taken-listening 0 'listening: rank 0: ok' 1 $two --mca btl_vfring_wait event --mca btl_vfring_helper 0 ./taken_check listening "$dir"
devices=$named
# What MPI_Send has taken arrives, also while the process that sent it is outside of MPI.
rm -f "$dir"/page*
run outside-one 0 'outside: ok' 2 $only --mca btl_vfring_helper 0 ./mpi_check outside "$dir/page1" 200 1 # it looks when it sends
run outside-many 0 'outside: ok' 2 $only ./mpi_check outside "$dir/page2" 200 200
run outside-lossy 0 'outside: ok' 2 $only $faults drop=0.05,seed=13 ./mpi_check outside "$dir/page3" 40 1
run left not0 'left: ok' 2 $only ./depart_check left
said_once 'rank 1 of another job, on .*, VF vf1'
run left-busy not0 'left-busy: ok' 2 $only ./depart_check left-busy
said 'is lost: it has ended \(MPI_Finalize\) while messages to it or from it were under way'
run left-put not0 'left-put: ok' 2 $only ./depart_check left-put
run left-send not0 'left-send: ok' 2 $only ./depart_check left-send
run asked not0 'asked: ok' 2 $only --mca btl_vfring_silence_warn 0 ./depart_check asked
# It said none, and whoever has its VF now says so. Of two, both must be another's.
run replaced not0 'replaced: ok' 2 $only --mca btl_vfring_silence_warn 1 ./depart_check replaced
said 'Known by: +another process has its VF' 'is lost: it was killed or has crashed \(another process has its VF\) and is sent to'
run replaced-rails not0 'replaced: ok' 2 $two --mca btl_vfring_silence_warn 1 ./depart_check replaced
# The only VF was taken, and the process is not ended for that.
mkdir "$dir/0"
run taken not0 'taken_check only: rank 0: ok' 1 $only --mca btl_vfring_helper 0 -x OMPI_MCA_btl_vfring_soft_faults=reset_after=200 \
    ./taken_check only "$dir" : -n 1 $only --mca btl_vfring_devices "$devices" ./taken_check only "$dir"
said 'taken_check only: rank 1: ok'
rm -f "$dir/0/lease.sock"
run taken-inside not0 'taken_check inside: rank 0: ok' 1 $only --mca btl_vfring_helper 0 -x OMPI_MCA_btl_vfring_soft_faults=reset_after=200 \
    ./taken_check inside "$dir" : -n 1 $only --mca btl_vfring_devices "$devices" ./taken_check inside "$dir"
said 'taken_check inside: rank 1: ok'
# Frames of somebody who is not known yet, and of somebody who never will be.
run stranger-early 0 'early: rank 1: ok' 2 $only ./stranger_check early
run stranger-hostile 0 'hostile: rank 0: ok' 2 $only --mca btl_vfring_helper 0 ./stranger_check hostile
devices= # by lease
# VFs of one process that carry frames of different length: none is longer than all of them carry.
mkdir "$dir/lender" "$dir/short" "$dir/long"
for i in 0 1; do
    create "$dir/short" --index "$i" --mac "02:76:66:02:03:0$i" --mtu 1500 > "$dir/made" || exit 1
    create "$dir/long" --index "$i" --mac "02:76:66:02:04:0$i" --mtu 9000 > "$dir/made" || exit 1
done
# lent NAME RAIL...: two processes, each with a VF of its own of these; both kinds carry what goes between them
lent() {
    what=$1 name=$1 # what is asked for after it is this one's
    shift
    case " $wanted " in "  " | *" $what "*) ;; *) return ;; esac
    rm -f "$dir/over"
    ./lend "$dir/lender" "$dir/$1/vf0=$2,$dir/$3/vf0=$4" "$dir/$1/vf1=$2,$dir/$3/vf1=$4" &
    lender=$!
    VFRING_RUN_DIR="$dir/lender" run "$what" 0 'rails: ok' 2 $only --mca btl_vfring_rails 2 ./mpi_check rails "$dir/over"
    kill $lender
    [ "$(counter_of "$dir/long/vf0" tx_bytes)" -le $(($(frames_of "$dir/long/vf0") * 1518)) ] || {
        echo "FAILED $what: frames are longer than the other VF carries: $("$VFRING_SOFTVF" show "$dir/long/vf0")"
        failed=1
    }
}
sent_bytes() { # VF NUMBER
    [ "$(counter_of "$1" tx_bytes)" -ge "$2" ]
}
kill_a_lent_one() {
    until_there sent "$dir/short/vf0" $(($(frames_of "$dir/short/vf0") + 500))
    "$VFRING_SOFTVF" destroy "$dir/short/vf0"
    until_there says 'does not work and is set aside'
    create "$dir/short" --index 0 --mac 02:76:66:02:03:00 --mtu 1500 > "$dir/made"
    before=$(frames_of "$dir/long/vf0")
    until_there sent "$dir/long/vf0" $((before + 5000))
    over
}
both_lent_carry_it() {
    for kind in short long; do
        before=$(counter_of "$dir/$kind/vf0" tx_bytes)
        until_there sent_bytes "$dir/$kind/vf0" $((before + 4000000))
    done
    over
}
meanwhile=both_lent_carry_it
lent rails-mtus short 1500 long 9000
lent rails-mtus-back long 9000 short 1500
# A VF that was lent and is gone may be whoever's by then: it is not opened anew but on vfringd's word.
meanwhile=kill_a_lent_one
: > "$dir/lender/mute"
lent rails-lent-killed short 1500 long 9000
said_once 'does not work and is set aside'
said_not 'works again'
rm "$dir/lender/mute"
kill_and_make_a_lent_one() {
    kill_a_lent_one
    rm -f "$dir/over"
    until_there says 'works again'
    until_there sent "$dir/short/vf0" $(($(frames_of "$dir/short/vf0") + 2000))
    over
}
meanwhile=kill_and_make_a_lent_one
lent rails-lent-back short 1500 long 9000
said_once 'works again, and is used again'
meanwhile=:
# A job on one node that has shared memory needs none: there is nobody here to lease from. What it spawns it does not reach, and says so.
export VFRING_RUN_DIR="$dir/nobody"
shm="--mca btl self,$(ompi_info --parsable --param btl vader 2> /dev/null | grep -q '^mca:btl:vader:version' && echo vader || echo sm),vfring"
verbose="--mca btl_base_verbose 1"
run needless 0 'exchange: ok' 2 $shm $verbose ./mpi_check exchange
said 'no VF is needed: shared memory reaches all 2 processes'
said_not 'NO_DAEMON'
run needless-rma 0 'rma: ok' 3 $shm ./mpi_check rma
run needless-alone 0 'rma: ok' 1 $shm $verbose ./mpi_check rma
said 'no VF is needed: this process is the whole job'
run needless-in-vain not0 'no VF was leased by a job on one node, which was to share memory' 2 $shm --mca btl_vader_backing_directory /nonexistent \
    --mca btl_sm_backing_directory /nonexistent ./mpi_check exchange
run needs-only not0 VFRING_ERR_NO_DAEMON 2 $only ./mpi_check exchange
run needs-alone 0 'rma: ok' 1 $only ./mpi_check rma # what it spawns would have no other way
said VFRING_ERR_NO_DAEMON
for needs in "--mca btl_vfring_lease always" "--mca btl_vfring_exclusivity 65536" "-x SLURM_JOB_NUM_NODES=2"; do
    run needs 0 'exchange: ok' 2 $shm $needs ./mpi_check exchange
    said VFRING_ERR_NO_DAEMON
done
run needs-what not0 'btl_vfring_lease does not say when' 2 $only --mca btl_vfring_lease never ./mpi_check exchange
unset VFRING_RUN_DIR
devices=$dir/vf0
run needless-spawn not0 'give that job the MCA parameter btl_vfring_lease always' 1 $shm env -u OMPI_MCA_btl_vfring_devices ./mpi_check spawn
devices=
mkdir "$dir/life"
run life 0 'life: ok' 1 $only ./life_check "$dir/life" "$dir/vf0"
# Spawned processes are another job. With vfring alone they reach each other, or the job fails.
export VFRING_RUN_DIR="$dir/life/run" # the child's environment is mpirun's
run spawn 0 'life: ok' 1 $only ./life_check "$dir/life" "$dir/vf0" "$dir/vf1"
# One of another job that was killed: its launcher ends nobody here, but vfringd has its VF back.
run unsaid not0 'life: ok, the VF is back' 1 $only --mca btl_vfring_silence_warn 1 ./life_check "$dir/life" "$dir/vf0" "$dir/vf1" back
said_once 'A process of another job has ended and has not said so'
said 'rank 0 on .* \(VF vf1\) is lost: it was killed or has crashed \(vfringd has its VF back\) and is sent to'
said "Peer: +rank 0 of another job, on $(uname -n), VF vf1"
unset VFRING_RUN_DIR
run relative-run-dir not0 'Cause: .*no absolute path: "run"' 2 $only --mca btl_vfring_run_dir run ./mpi_check exchange
devices=$named
run flood 0 'flood: ok' 3 $only --mca btl_vfring_slots 32 ./mpi_check flood
run threads 0 'threads: ok' 2 $only ./mpi_check threads
run rma 0 'rma: ok' 3 $only ./mpi_check rma
run pvars 0 'pvars: ok' 2 $only ./mpi_check pvars
run counts 0 'counts: ok' 2 $only --mca btl_vfring_ack_delay 3600000000 --mca btl_vfring_rto_min 3600000000 ./mpi_check counts
run faults 0 'faults: ok' 2 $only ./mpi_check faults
run alloc 0 'alloc: ok' 2 $only ./mpi_check alloc
# The component called as the layers above do at times, see btl_check.c.
run staged 0 'staged: ok' 2 $only ./btl_check staged
for slots in 16 48 512; do
    run order-$slots 0 'order: ok' 2 $only --mca btl_vfring_slots $slots ./btl_check order
    run waits-$slots 0 'waits: ok' 2 $only --mca btl_vfring_slots $slots ./btl_check waits
done
run order-lossy 0 'order: ok' 2 $only $faults drop=0.03,reorder=0.02,seed=11 ./btl_check order
for what in flood parts-flood; do # their senders wait for the queue
    run held-back-$what 0 "$what: ok" 3 $only --mca btl_vfring_slots 32 --mca btl_vfring_queue_bytes 20000 ./mpi_check $what
done
run slow 0 'slow: ok' 2 $only --mca btl_vfring_slots 32 --mca btl_vfring_queue_bytes 100000 ./btl_check slow
run doorbell 0 'doorbell: ok' 2 $only ./btl_check doorbell
run locks 0 'locks: ok' 2 $only ./btl_check locks
run lost not0 'lost: ok' 2 $only --mca btl_vfring_peer_timeout 2 ./btl_check lost
# Callbacks that wait for what the BTL brings, see inside_check.c.
run inside-ring 0 'ring: ok' 2 $only ./inside_check ring 5000
run inside-lossy 0 'ring: ok' 2 $only $faults drop=0.03,dup=0.02,reorder=0.05,seed=11 ./inside_check ring 5000
run inside-event 0 'ring: ok' 2 $only --mca btl_vfring_wait event ./inside_check ring 5000
run inside-reset 0 'ring: ok' 2 $only $faults reset_after=300 ./inside_check ring 5000
said 'works again, and is used again'
run inside-threads 0 'threads: ok' 2 $only ./inside_check threads
run inside-lost 0 'lost: ok' 2 $only ./inside_check lost
run inside-deep 0 'deep: ok' 2 $only ./inside_check deep 200
run inside-too-deep 0 'too-deep: ok' 2 $only ./inside_check too-deep 600
said_once 'No deeper one is entered'
run inside-told 0 'told: ok' 2 $only ./inside_check told
run inside-ops 0 'ops: ok' 2 $only ./inside_check ops
run inside-ops-lossy 0 'ops: ok' 2 $only $faults drop=0.03,dup=0.02,reorder=0.05,seed=11 ./inside_check ops
# More put and get at a time than there is room for, see rdma_check.c and load_check.c.
run gets 0 'gets: ok' 2 $only ./rdma_check gets 1000
run asleep 0 'asleep: ok' 4 $only --mca btl_vfring_slots 64 ./rdma_check asleep 4
run get-closed 0 'closed: ok' 2 $only --mca btl_vfring_helper 0 --mca btl_vfring_zero_copy_min 4096 ./rdma_check closed 2
run get-cut-off not0 'cut-off: ok' 2 $only --mca btl_vfring_helper 0 ./rdma_check cut-off 2
said 'is lost: memory was closed that it has asked for and not got'
run full-bursts not0 'bursts: ok' 3 $only --mca btl_vfring_helper 0 ./load_check bursts 200000
run put-ends 0 'ends: ok' 2 $only ./rdma_check ends 4
run put-follows 0 'follows: ok' 2 $only $faults drop=0.1,dup=0.05,reorder=0.1,seed=5 ./rdma_check follows 20
run calls 0 'calls: ok' 2 $only --mca btl_vfring_slots 32 ./load_check calls 300
run calls-fetch 0 'calls: ok' 2 $only --mca btl_vfring_slots 32 --mca btl_vfring_fetch 1 ./load_check calls 300
run gets-lossy 0 'gets: ok' 2 $only $faults drop=0.02,reorder=0.02,seed=11 ./rdma_check gets 500
run gets-greedy not0 'it asked for more memory at a time than a process may' 2 $only --mca btl_vfring_slots 64 ./rdma_check greedy 2000
run lost-many not0 'lost: ok' 2 $only --mca btl_vfring_peer_timeout 2 ./rdma_check lost 20000
# Windows over messages, where this Open MPI has them (4.1).
osc=$(ompi_info --param osc pt2pt 2> /dev/null | grep -q 'MCA osc: pt2pt' && echo "--mca osc pt2pt")
run many-late 0 'many: ok' 2 $only --mca btl_vfring_slots 32 ./mpi_check many late 500 20000
run many-gets 0 'many: ok' 2 $only $osc --mca btl_vfring_slots 32 ./mpi_check many gets 500 20000
run many-puts 0 'many: ok' 2 $only $osc ./mpi_check many puts 500 20000
# What a limit of ours once stopped or slowed; docs/performance/transport.md has the times.
named most-sends 0 'many: ok' 2 $only ./mpi_check many sends 100000 131072
named most-late 0 'many: ok' 2 $only ./mpi_check many late 100000 131072
named most-fetched 0 'many: ok' 2 $only --mca btl_vfring_fetch 1 ./mpi_check many late 100000 131072
named most-gets 0 'many: ok' 2 $only $osc ./mpi_check many gets 100000 131072
named most-gets-sent 0 'many: ok' 2 $only $osc --mca btl_vfring_flags send ./mpi_check many gets 100000 131072
named most-small 0 'many: ok' 2 $only $osc ./mpi_check many gets 1000000 4096
named lost-most not0 'lost: ok' 2 $only --mca btl_vfring_peer_timeout 2 ./rdma_check lost 100000
run contact not0 'contact: ok' 2 $only --mca btl_vfring_connectivity_timeout 3600 $faults maxlen=1200 ./btl_check contact
# Waiting without polling. The jobs above have more processes than some machines have processors, or not: these say how.
for how in event adaptive; do
    run asleep-$how 0 'asleep: ok' 2 $only --mca btl_vfring_wait $how ./mpi_check asleep $how
    run wait-$how 0 'exchange: ok' 4 $only --mca btl_vfring_wait $how ./mpi_check exchange
done
run asleep-spin 0 'asleep: ok' 2 $only --mca btl_vfring_wait spin ./mpi_check asleep spin
run computes 0 'computes: ok' 2 $only --mca btl_vfring_wait event ./mpi_check computes
run wait-threads 0 'threads: ok' 2 $only --mca btl_vfring_wait event ./mpi_check threads
run wait-order 0 'order: ok' 2 $only --mca btl_vfring_wait event --mca btl_vfring_slots 16 ./btl_check order
run wait-lossy 0 'exchange: ok' 2 $only --mca btl_vfring_wait event $faults drop=0.02,reorder=0.02,seed=3 ./mpi_check exchange
run wait-reset 0 'exchange: ok' 2 $only --mca btl_vfring_wait event $faults reset_after=300,reset_ms=400 ./mpi_check exchange
run wait-wrong not0 'btl_vfring_wait is no way to wait' 2 $only --mca btl_vfring_wait sometimes ./mpi_check exchange
# Peers that sleep hold nobody up: this hangs, and is killed, if they do.
for slots in 32 512; do
    run sleepers-$slots 0 'sleepers: ok' 4 $only --mca btl_vfring_slots $slots --mca btl_vfring_tx_entries 32 \
        ./mpi_check sleepers "$dir/awake-$slots"
done
run sleepers-lossy 0 'sleepers: ok' 3 $only $faults drop=0.02,seed=12 ./mpi_check sleepers "$dir/awake"
run parts 0 'parts: ok' 2 $only ./mpi_check parts 1458
run parts-one-buffer 0 'parts: ok' 4 $only --mca btl_vfring_assembly_buffers 1 ./mpi_check parts 1458
run parts-no-buffer 0 'parts: ok' 2 $only --mca btl_vfring_assembly_buffers 0 ./mpi_check parts 1458
run parts-few-slots 0 'parts: ok' 2 $only --mca btl_vfring_slots 64 ./mpi_check parts 1458
run parts-flood 0 'parts-flood: ok' 2 $only --mca btl_vfring_slots 64 ./mpi_check parts-flood
run parts-flood-lossy 0 'parts-flood: ok' 3 $only --mca btl_vfring_slots 64 $faults drop=0.05,reorder=0.02,seed=10 ./mpi_check parts-flood
run parts-long 0 'parts: ok' 2 $only --mca btl_vfring_eager_limit 65536 --mca btl_vfring_max_send_size 65536 ./mpi_check parts 1458
run parts-sent 0 'parts: ok' 2 $only --mca btl_vfring_flags 1 ./mpi_check parts 1458
run parts-lossy 0 'parts: ok' 2 $only --mca btl_vfring_checksum 1 \
    $faults drop=0.05,dup=0.01,reorder=0.02,corrupt=0.01,seed=8 ./mpi_check parts 1458
run short 0 'short: ok' 2 $only ./mpi_check short
run short-sent 0 'short: ok' 2 $only --mca btl_vfring_flags send ./mpi_check short
run short-lossy 0 'short: ok' 3 $only $faults drop=0.02,reorder=0.02,seed=12 ./mpi_check short
run fetch 0 'exchange: ok' 2 $only --mca btl_vfring_fetch 1 ./mpi_check exchange
run pipeline 0 'exchange: ok' 2 $only --mca mpi_leave_pinned 0 ./mpi_check exchange
run copied 0 'exchange: ok' 2 $only --mca btl_vfring_rcache_bytes 0 ./mpi_check exchange
run thrash 0 'exchange: ok' 2 $only --mca btl_vfring_rcache_bytes 65536 --mca btl_vfring_rcache_entries 1 ./mpi_check exchange
run lossy 0 'exchange: ok' 2 $only --mca btl_vfring_checksum 1 \
    $faults drop=0.02,dup=0.01,reorder=0.02,corrupt=0.01,delay=0.02,delay_frames=6,burst=2,seed=3 ./mpi_check exchange
run lossy-flood 0 'flood: ok' 2 $only --mca btl_vfring_slots 64 $faults drop=0.02,reorder=0.02,seed=7 ./mpi_check flood
run lossy-rma 0 'rma: ok' 2 $only $faults drop=0.02,dup=0.01,reorder=0.02,seed=4 ./mpi_check rma
run lossy-threads 0 'threads: ok' 2 $only $faults drop=0.01,reorder=0.01,seed=5 ./mpi_check threads
run flap 0 'exchange: ok' 2 $only $faults flap=0.0003,flap_ms=20,seed=6 ./mpi_check exchange
# A PF that is reset under the only VF: it is set up anew, and the job goes on.
run reset 0 'exchange: ok' 2 $only $faults reset_after=300 ./mpi_check exchange
said 'The VF of a process was reset' 'Cause: +its PF was reset or set down' 'works again, and is used again'
run reset-lasts 0 'exchange: ok' 2 $only $faults reset_after=300,reset_ms=700 ./mpi_check exchange
run reset-rma 0 'rma: ok' 3 $only $faults reset_after=400 ./mpi_check rma
run reset-threads 0 'threads: ok' 2 $only $faults reset_after=300 ./mpi_check threads
run reset-for-good not0 'Cause: +its VF was reset, and could not be set up anew for 2 s' 2 $only --mca btl_vfring_link_timeout 2 \
    $faults reset_after=300,reset_ms=600000 ./mpi_check exchange
said 'the PF is in reset'
# So is a rank that only receives: its peers could say no more than that it is silent.
run reset-receiver 0 'receive: ok' 1 $only ./mpi_check receive : \
    -n 1 $only --mca btl_vfring_devices "$devices" -x OMPI_MCA_btl_vfring_soft_faults=reset_after=100 ./mpi_check receive
run full-frames not0 'loses full ones' 2 $only --mca btl_vfring_connectivity_timeout 1 $faults maxlen=1200 ./mpi_check exchange
run dead-path not0 'has acknowledged nothing' 2 $only --mca btl_vfring_peer_timeout 2 $faults drop=1 ./mpi_check exchange
# A peer is given up: host, VF, peer and cause are named, and the job ends.
lost_host="This host: +[^ ,]+, VF vf[01], link (up|down: the VF has no link)"
lost_cause="Cause: +rank [01] on $(uname -n) \\(VF vf[01]\\) is lost: it has acknowledged nothing for [1-9][0-9]* s"
said "$lost_host" "$lost_cause"
run wire-cut not0 'acknowledged nothing' 2 $only --mca btl_vfring_peer_timeout 2 $faults flap=0.01,flap_ms=60000,seed=2 ./mpi_check exchange
said "$lost_host" "$lost_cause"
# Without a limit for peers it is the link that says that there is no way.
vfs 4 1500 # the old ones have no link for a minute
run link-gone not0 'no link for 2 s' 2 $only --mca btl_vfring_link_timeout 2 $faults flap=0.01,flap_ms=60000,seed=2 ./mpi_check exchange
said "This host: +[^ ,]+, VF vf[01], link down"
vfs 4 1500
run frozen-peer not0 'acknowledged nothing' 2 $only --mca btl_vfring_peer_timeout 2 ./mpi_check freeze
said "$lost_host" "Cause: +rank 1 on $(uname -n) \\(VF vf1\\) is lost: it has acknowledged nothing"
# Without a limit it is waited for, however long that takes; what is known is said, and again.
for what in stopped held; do
    rm -f "$dir/pid"
    [ $what = stopped ] && meanwhile=continue_it || meanwhile=hold_it
    run $what-peer 0 "$what: ok" 2 $only --mca btl_vfring_silence_warn 1 ./mpi_check $what "$dir/pid"
    meanwhile=:
    said "Peer: +rank 1 on $(uname -n), VF vf1" "Silent for: +1 s" "Silent for: +[2-9] s" "Time limit: +none"
    said_not FAILED
done
# One of two processes has no VF: the other transport carries the job, and both say so.
devices=$dir/vf0
run without-vf 0 'exchange: ok' 2 --mca btl self,vfring,tcp ./mpi_check exchange
run without-vf-said 0 'Cause: +it has no VF' 2 --mca btl self,vfring,tcp ./mpi_check exchange
said 'has no device' 'between the two go over: +tcp' "The other: +rank 1 on $(uname -n)"
said_once 'Cause: +it has no VF'
run without-vf-alone not0 'vfring|[Uu]nreachable|cannot' 2 $only ./mpi_check exchange
# Two processes that do not reach each other: known before the first message, not by a timeout
# (connectivity and peers have an hour). Another transport carries it, or the job ends at once.
vfs 2 1500
later="--mca btl_vfring_connectivity_timeout 3600 --mca btl_vfring_peer_timeout 3600"
apart() { # NAME CAUSE MPIRUN-ARG...
    what=$1 cause=$2
    shift 2
    run "$what" 0 'exchange: ok' 2 --mca btl self,vfring,tcp $later "$@" ./mpi_check exchange
    said_once "$cause"
    run "$what-said" 0 "Cause: +$cause" 2 --mca btl self,vfring,tcp $later "$@" ./mpi_check exchange
    said "This process: +rank [01] on $(uname -n)" "The other: +rank [01] on $(uname -n)" 'go over: +tcp'
    run "$what-alone" not0 "Cause: +$cause" 2 $only $later "$@" ./mpi_check exchange
    said 'go over: +nothing'
}
mkdir "$dir/other"
create "$dir/other" --index 1 --mac 02:76:66:02:00:01 > "$dir/made" || exit 1
named=$devices devices=$dir/vf0,$dir/other/vf1
apart folders 'the VFs are on different segments'
said 'VF vf0 \(soft\), segment soft-[0-9a-f]+, VLAN none, MTU 1500'
devices=$named
if ${CC:-cc} -shared -fPIC $(pkg-config --cflags pmix 2> /dev/null) -o "$dir/shim.so" "${srcdir:-.}/modex_shim.c" 2> "$dir/made"; then
    shim="-x LD_PRELOAD=$dir/shim.so -x MODEX_CHANGE"
    export MODEX_CHANGE
    MODEX_CHANGE="1 0 6"
    apart modex-version 'it runs another version of vfring' $shim
    MODEX_CHANGE="1 1 2"
    apart wire-version 'it runs another version of vfring' $shim
    MODEX_CHANGE="1 88 208" # of 1500
    apart mtus 'the VFs have different MTUs' $shim
    MODEX_CHANGE="1 86 7"
    apart vlans 'the VFs are in different VLANs' $shim
    MODEX_CHANGE="1 92 1"
    apart kinds 'a soft VF and a real one do not reach each other' $shim
    MODEX_CHANGE="1 93 1"
    apart damaged-modex 'what it tells of its VF is damaged' $shim
    # The host is what the process says itself: of other jobs Open MPI may know none.
    unset MODEX_CHANGE
    devices=$dir/vf0,$dir/other/vf1
    run host-not-known not0 'Cause: +the VFs are on different segments' 2 $only $later -x LD_PRELOAD="$dir/shim.so" -x MODEX_NO_HOST=1 \
        ./mpi_check exchange
    said "The other: +rank [01] on $(uname -n)\$"
else
    echo "left out: PMIx headers are not installed"
fi
# VFs of the other family: polled, asleep, reset, lossy, with each version of the mailbox that differs; and a job with a rail of each.
own_model=$model
for model in 82599 x540; do
    vfs 2 1500
    run exchange-$model 0 'exchange: ok' 2 $only ./mpi_check exchange
    run rma-$model 0 'rma: ok' 2 $only $faults drop=0.02,reorder=0.02,seed=4 ./mpi_check rma
    run reset-$model 0 'exchange: ok' 2 $only $faults reset_after=300 ./mpi_check exchange
    run asleep-$model 0 'asleep: ok' 2 $only --mca btl_vfring_wait event ./mpi_check asleep event
    run flap-$model 0 'exchange: ok' 2 $only $faults flap=0.0003,flap_ms=20,seed=6 ./mpi_check exchange
    for api in 0 1 5; do
        run api-$api-$model 0 'exchange: ok' 2 $only $faults api=$api,reset_after=300 ./mpi_check exchange
    done
    vfs 2 9000
    run jumbo-$model 0 'exchange: ok' 2 $only --mca btl_vfring_mtu 9000 ./mpi_check exchange
done
model=82599
vfs 2 9000
run jumbo-old-pf not0 'refuses frames of 9018 bytes \(MTU 9000\), and its driver is an old one' 2 $only --mca btl_vfring_mtu 9000 $faults api=0 ./mpi_check exchange
model=82576
vfs 2 1500
run api-none not0 'the mailbox of its model has no versions' 2 $only $faults api=1 ./mpi_check exchange
for model in 82576 82599; do # each rail in a folder of its own
    rm -rf "$dir/$model"
    mkdir "$dir/$model"
    for i in 0 1; do
        create "$dir/$model" --index "$i" --mac "02:76:66:02:${model#825}:0$i" > "$dir/made" || exit 1
    done
done
devices=$dir/82576/vf0,$dir/82599/vf0,$dir/82599/vf1,$dir/82576/vf1
run rails-families 0 'exchange: ok' 2 $two --mca btl_vfring_stats 1 ./mpi_check exchange
run rails-families-reset 0 'exchange: ok' 2 $two $faults reset_after=200 ./mpi_check exchange
said 'works again, and is used again'
model=82599 # one folder, one switch: a process of either family
vfs 2 1500
model=82576
create "$dir" --index 0 --mac 02:76:66:02:00:00 > "$dir/made" || exit 1
run families-meet 0 'exchange: ok' 2 $only ./mpi_check exchange
model=$own_model
vfs 2 256
run least-mtu 0 'exchange: ok' 2 $only --mca btl_vfring_mtu 256 ./mpi_check exchange
run least-mtu-rma 0 'rma: ok' 2 $only --mca btl_vfring_mtu 256 ./mpi_check rma
run too-small-mtu not0 'an MTU of 255 bytes is too small' 2 $only --mca btl_vfring_mtu 255 ./mpi_check exchange
vfs 2 9000
run parts-jumbo 0 'parts: ok' 2 $only --mca btl_vfring_mtu 9000 ./mpi_check parts 8958
run parts-jumbo-lossy 0 'parts: ok' 2 $only --mca btl_vfring_mtu 9000 $faults drop=0.05,reorder=0.02,seed=9 ./mpi_check parts 8958
run inside-jumbo 0 'ring: ok' 2 $only --mca btl_vfring_mtu 9000 ./inside_check ring 5000
run jumbo 0 'exchange: ok' 2 $only --mca btl_vfring_mtu 9000 ./mpi_check exchange
exit $failed
