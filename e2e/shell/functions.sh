# SPDX-License-Identifier: BSD-3-Clause
# What the shell scripts of the end-to-end tests share. Their lines "ok - …" and "not ok - …" are counted.

# Of the last command that was tried.
log=/tmp/log

ok() { echo "ok - $*"; }
# What is shown when a test fails; a script may have its own.
why() { tail -n 40 "$log"; }
fail() { # WHAT
    echo "not ok - $*"
    why
    exit 1
}
try() { # WHAT COMMAND...
    what=$1
    shift
    "$@" >"$log" 2>&1 || fail "$what"
}
# A limit against hanging only: ten minutes, and as long as the command itself takes.
wait_for() { # WHAT COMMAND...
    what=$1 left=1200
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "in the end $what"
        sleep 0.5
    done
}

# The user of the trees and of the emulated machine, at home: Open MPI 5.0's mpirun falls where it may not look at its working directory.
as_user() { setpriv --reuid mpi --regid mpi --init-groups env --chdir=/home/mpi HOME=/home/mpi USER=mpi "$@"; }

# What a machine consists of. What dpkg, apt, systemd and the like write down of what they did is none of the packages' files, nor is
# the key that DKMS makes for the machine, nor what depmod writes beside the modules of a kernel: DKMS of Debian 12 leaves it where the
# headers of that kernel are alone.
files() { # PATH...: and what is below these
    # shellcheck disable=SC2046 # words
    set -- $([ $# -eq 0 ] || printf ' -o -path %s' "$@")
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /e2e -o -path /debs \
        -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/lib/systemd -o -path /var/cache -o -path /var/log \
        -o -path '/var/tmp/systemd-private-*' "$@" \) -prune \
        -o -printf '%p %y %m %u %g\n' | grep -vE '^/(etc/ld.so.cache|var/lib/dkms/mok\.(key|pub)|usr/lib/modules/[^/ ]+/modules\.[a-z.]+) ' | sort
}
accounts() { cat /etc/passwd /etc/group; }

# VFs as vfringd tells of them.
status() { vfring status --json | jq -r "$1"; }
leased() { # NUMBER: so many VFs are leased
    [ "$(status '[.vfs[] | select(.lease != null)] | length')" = "$1" ]
}
leases() { status '.vfs[] | select(.lease != null) | "\(.lease.pid) \(.lease.uid) \(.device)"'; }
