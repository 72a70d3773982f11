#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Tests of uio_vf.ko on real VFs, as root, on a machine with an 82576 PF:
#
#   run-tests.sh [--module FILE] [--long] [TEST...]
#
# Makes three VFs of the first PF, binds two to uio_vf, gives their nodes to an
# ordinary user (mpi, or UIO_VF_USER), runs each test program beside this
# script, takes the module out again and looks at the kernel's log. Every VF of
# that PF is gone afterwards, as before. Ends with "N passed, N failed".
#
# --long does what takes minutes in an emulated machine: 1,000 ends of memory
# under traffic, 1,000,000 fuzzed operations, as many regions as there can be,
# 1,000,000 that come and go.
#
# UIO_VF_FUNCTIONS="BDF BDF" gives it two functions that behave as VFs of an 82576 and
# have no PF (lab/vfu serves such): then there are no tests of what a PF does. Of
# functions of another family only those that drive no queue make sense, by name:
# open clean abi dma limits regions notifier huge faults stress gone.
#
# On a machine without IOMMU, or without interrupt remapping, the tests are
# those of what is refused there.
set -u

here=$(cd "$(dirname "$0")" && pwd)
module=
while [ $# -gt 0 ]; do
	case $1 in
	--module) module=$2; shift 2 ;;
	--long)
		export UIO_VF_LONG=1 UIO_VF_ROUNDS="${UIO_VF_ROUNDS:-1000}" UIO_VF_OPERATIONS="${UIO_VF_OPERATIONS:-1000000}" UIO_VF_COME_AND_GO="${UIO_VF_COME_AND_GO:-1000000}"
		shift ;;
	-*) echo "usage: run-tests.sh [--module FILE] [--long] [TEST...]" >&2; exit 64 ;;
	*) break ;;
	esac
done

log=$(mktemp)
trap 'rm -f "$log"' EXIT

die() {
	echo "Bail out! $*" | tee -a "$log"
	exit 1
}

check() { # NAME COMMAND...
	name=$1
	shift
	if "$@" >/dev/null 2>&1; then
		echo "ok - $name" | tee -a "$log"
	else
		echo "not ok - $name" | tee -a "$log"
	fi
}

[ "$(id -u)" = 0 ] || die "must be root"
user=${UIO_VF_USER:-mpi}
UIO_VF_UID=$(id -u "$user") || die "there is no user $user; set UIO_VF_USER"
export UIO_VF_UID

# The PFs of the kind whose VFs the tests know.
find_pfs() {
	for d in /sys/bus/pci/devices/*; do
		[ -e "$d/sriov_totalvfs" ] || continue
		[ "$(cat "$d/vendor")" = 0x8086 ] && [ "$(cat "$d/device")" = 0x10c9 ] || continue
		echo "$d"
	done
}
functions=${UIO_VF_FUNCTIONS:-}
if [ -n "$functions" ]; then
	pf=
else
	pf=$(find_pfs | head -1)
	[ -n "$pf" ] || die "no 82576 PF (8086:10c9) with SR-IOV; or name two functions in UIO_VF_FUNCTIONS"
	modprobe igb 2>/dev/null
fi

# VFs of a PF that is down have no link, and none of them gets an answer.
pf_up() {
	[ -z "$functions" ] || return 0
	[ -e "$pf" ] || echo 1 >/sys/bus/pci/rescan
	[ -e "$pf/driver" ] || basename "$pf" >/sys/bus/pci/drivers/igb/bind
	netdev=$(ls "$pf/net" 2>/dev/null | head -1)
	[ -n "$netdev" ] || die "the PF $pf has no network device; load igb"
	ip link set "$netdev" up || die "cannot bring $netdev up"
	tries=600
	while [ "$(cat "$pf/net/$netdev/carrier" 2>/dev/null)" != 1 ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "no carrier on $netdev"
		sleep 0.1
	done
}
pf_up

# Marks the place from which on the kernel's log is ours.
mark="uio_vf tests $$ $(cat /proc/uptime)"
echo "$mark" >/dev/kmsg

if [ ! -d /sys/bus/pci/drivers/uio_vf ]; then
	if [ -n "$module" ]; then
		insmod "$module"
	else
		modprobe uio_vf
	fi || die "cannot load uio_vf"
fi

bind_one() { # ADDRESS; prints it, and the node
	bdf=$1
	vf=/sys/bus/pci/devices/$bdf
	echo uio_vf >"$vf/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe || die "cannot bind $bdf"
	[ -d "$vf/uio_vf" ] || die "$bdf is not bound"
	echo "$bdf /dev/$(ls "$vf/uio_vf")"
}

unbind_one() { # ADDRESS
	[ ! -e "/sys/bus/pci/devices/$1/driver" ] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
	echo >"/sys/bus/pci/devices/$1/driver_override"
}

# Nobody drives what the tests drove, and VFs that they made are gone.
release_vfs() {
	if [ -z "$functions" ]; then
		echo 0 >"$pf/sriov_numvfs"
		return
	fi
	for bdf in $functions; do
		unbind_one "$bdf"
	done
}

bind_functions() { # ADDRESS...; binds the first two
	# shellcheck disable=SC2046 # two words are meant
	set -- $(bind_one "$1") $(bind_one "$2")
	[ $# = 4 ] || die "two VFs are needed"
	UIO_VF_BDF=$1 UIO_VF_NODE=$2 UIO_VF_NODE2=$4
	export UIO_VF_BDF UIO_VF_NODE UIO_VF_NODE2
}

bind_vfs() { # [HOW-MANY]; binds the first two
	if [ -n "$functions" ]; then
		release_vfs
		# shellcheck disable=SC2086 # one word a function
		bind_functions $functions
		return
	fi
	echo 0 >"$pf/sriov_drivers_autoprobe"
	[ "$(cat "$pf/sriov_numvfs")" = 0 ] || echo 0 >"$pf/sriov_numvfs"
	echo "${1:-3}" >"$pf/sriov_numvfs" || die "cannot create VFs"
	bind_functions "$(basename "$(readlink "$pf/virtfn0")")" "$(basename "$(readlink "$pf/virtfn1")")"
}

give_nodes() {
	chown "$user" "$UIO_VF_NODE" "$UIO_VF_NODE2"
}

run_test() { # NAME ARGUMENT...
	echo "# t_$*"
	program=$here/t_$1
	shift
	"$program" "$@" >"$log.one" 2>&1
	status=$?
	cat "$log.one"
	cat "$log.one" >>"$log"
	# A test that ended without a failed line ended before its time.
	if [ $status != 0 ] && ! grep -q '^not ok' "$log.one"; then
		echo "not ok - $(basename "$program") ended with status $status" | tee -a "$log"
	fi
	rm -f "$log.one"
}

# Is the function kept from raising its interrupt line (bit 10 of its command)?
line_is_off() { # FOLDER
	[ $(($(od -An -tu2 -j4 -N2 "$1/config") & 1024)) != 0 ]
}

# VFs have no interrupt line, a PF does. Nobody answers it while the node is
# closed or messages are used, and what shares the line would lose its interrupts.
test_line() { # [use: drive it by its line as well]
	other=$(find_pfs | sed -n 2p)
	[ -n "$other" ] || { echo "# no second PF: nothing here has an interrupt line"; return; }
	[ "$(($(od -An -tu1 -j61 -N1 "$other/config")))" != 0 ] || { echo "# no interrupt pin"; return; }
	bdf=$(basename "$other")
	[ ! -e "$other/driver" ] || echo "$bdf" >"$other/driver/unbind"
	echo uio_vf >"$other/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
	node=/dev/$(ls "$other/uio_vf")
	check "a bound function cannot raise its interrupt line" line_is_off "$other"
	check "it can be opened" sh -c ": <>$node"
	check "nor can it after a close" line_is_off "$other"
	if [ "$*" = use ]; then
		chown "$user" "$node"
		echo 0 >"$other/msi_bus"
		(
			UIO_VF_BDF=$bdf UIO_VF_NODE=$node
			run_test line
		)
		echo 1 >"$other/msi_bus"
		check "nor can it after its line was used" line_is_off "$other"
	fi
	echo "$bdf" >"$other/driver/unbind"
	echo >"$other/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
}

# Is the function no bus master?
master_is_off() { # FOLDER
	[ $(($(od -An -tu2 -j4 -N2 "$1/config") & 4)) = 0 ]
}

sleep_shortly() {
	echo devices >/sys/power/pm_test && echo freeze >/sys/power/state
	echo none >/sys/power/pm_test
}

have_aer_inject() {
	modprobe aer_inject 2>/dev/null
	[ -e /dev/aer_inject ] || { echo "# no aer_inject: PCIe errors cannot be had"; return 1; }
}

# A function without driver stands in the way of a card's recovery from errors, so
# there is none.
test_recovery() {
	bind_vfs 2
	give_nodes
	run_test recovery reset
	if [ -e /sys/power/pm_test ]; then
		run_test recovery sleep
		grep -qw disk /sys/power/state && run_test recovery hibernation
		check "a closed function sleeps and wakes up" sleep_shortly
		check "and is no bus master" master_is_off "/sys/bus/pci/devices/$UIO_VF_BDF"
	else
		echo "# no /sys/power/pm_test: this kernel does not sleep, or not for a test"
	fi
	have_aer_inject && run_test recovery nonfatal
	pf_up
}

# Runs only when named, and as the last: where the kernel cannot recover the card
# (QEMU's root ports do not say that the link came back), igb cannot even be
# taken from it any more (it waits for queues that it has stopped already).
test_fatal() {
	have_aer_inject || return
	bind_vfs 2
	give_nodes
	echo 5 >/sys/module/uio_vf/parameters/recovery_seconds
	run_test recovery fatal
	for vf in "$UIO_VF_BDF" "$(basename "$(readlink "$pf/virtfn1")")"; do
		echo "$vf" >/sys/bus/pci/drivers/uio_vf/unbind
	done
	wrecked=1
}

bind_vfs
wrecked=
unconfined=
if [ ! -e "/sys/bus/pci/devices/$UIO_VF_BDF/iommu_group" ]; then
	unconfined=iommu
	echo 8 >/proc/sys/vm/nr_hugepages
elif ! grep -qs IR- /proc/interrupts; then
	unconfined=intremap
fi
if [ -n "$unconfined" ]; then
	set -- refuse
elif [ $# = 0 ] && [ -n "$functions" ]; then
	set -- open clean uio abi mmap dma limits regions notifier huge irq device_dma isolation join lifetime fuzz faults stress gone
elif [ $# = 0 ]; then
	set -- open clean uio abi mmap dma limits regions notifier huge irq line device_dma isolation join lifetime \
		fuzz faults stress gone recovery
fi

for test; do
	case $test in
	open) run_test open; test_line ;; # needs the node as the module made it
	line) give_nodes; test_line use ;;
	lifetime)
		grep -q page_poison=1 /proc/cmdline ||
			echo "# free pages are not poisoned (page_poison=1): a late write of the device would not be seen"
		give_nodes; run_test lifetime ;;
	refuse) give_nodes; run_test refuse $unconfined ;;
	join)
		separate=/sys/module/uio_vf/parameters/separate_domains
		for value in N Y; do
			echo "# separate_domains=$value"
			echo $value >$separate
			give_nodes
			run_test join
			run_test attach
		done
		echo N >$separate ;;
	recovery) test_recovery; bind_vfs ;;
	fatal) test_fatal ;;
	gone)
		ways='unbind novfs nopf remove'
		[ -z "$functions" ] || ways=unbind
		for way in $ways; do
			bind_vfs
			give_nodes
			run_test gone $way
			pf_up
		done ;;
	*) give_nodes; run_test "$test" ;;
	esac
done

[ -n "$wrecked" ] || release_vfs
check "the module can be unloaded" rmmod uio_vf
check "and loaded again" ${module:+insmod} ${module:-modprobe uio_vf}
# Last of all, for a kernel that is locked down loads no module of ours.
if [ "$unconfined" = iommu ]; then
	bind_vfs
	run_test refuse lockdown
	release_vfs
fi
check "and unloaded" rmmod uio_vf

# A debug kernel looks for memory that nothing points to any more. The first scan
# after a change can be wrong, so it is the second that counts.
leaks=/sys/kernel/debug/kmemleak
if [ -w $leaks ]; then
	for _ in 1 2; do
		echo scan >$leaks
		sleep 5
	done
	cat $leaks >"$log.leaks"
	if grep -q '^unreferenced object' "$log.leaks"; then
		head -100 "$log.leaks"
		echo "not ok - no memory was leaked" | tee -a "$log"
	else
		echo "ok - no memory was leaked" | tee -a "$log"
	fi
	rm -f "$log.leaks"
fi

# What a kernel says when something went wrong in it.
faults='WARNING:|BUG:|Oops|KASAN|UBSAN|possible .*(deadlock|recursive)|general protection|refcount_t|Call Trace|use-after-free|hung task|RCU.*stall|rcu:.*stall|DMA-API: .*(error|leak|overlap|mapped)|memory corruption|Poison overwritten|Bad page|[Ll]ist_(add|del) corruption|ODEBUG|BUG kmalloc|page dumped|scheduling while atomic|sleeping function'
# Not what it says when one of its own entries of /proc/irq, for which there was no
# memory, is taken out: it goes on without, and warns that it was not there.
dmesg | awk -v mark="$mark" '
	index($0, mark) { found = 1 }
	!found { next }
	/-\[ cut here \]-/ { report = $0; own = 0; next }
	report == "" { print; next }
	{ report = report "\n" $0 }
	/ unregister_(irq|handler)_proc\+/ { own = 1 }
	/-\[ end trace / { if (!own) print report; report = "" }
	END { if (report != "") print report }' >"$log.kernel"
grep -qF "$mark" "$log.kernel" || die "the kernel's log is lost"
if grep -E "$faults" "$log.kernel"; then
	echo "not ok - the kernel's log is clean" | tee -a "$log"
else
	echo "ok - the kernel's log is clean" | tee -a "$log"
fi
rm -f "$log.kernel"

passed=$(grep -c '^ok' "$log")
failed=$(grep -cE '^(not ok|Bail out!)' "$log")
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
