#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# in-tree.sh VERSION NEXT: installs the packages in /debs in a plain tree of their release, as root, uses
# them over soft VFs, upgrades them to version NEXT, removes and purges them: every file has to be as it
# was. There is no systemd here; its part is tested in the emulated machine.
set -eu
. "$(dirname "$0")/../shell/functions.sh"
version=$1 next=$2
quietly() { "$@" >"$log" 2>&1; }
install() { quietly apt-get -q -y --no-install-recommends install "$@"; }
# There is no systemd that would undo it.
tree() { files | grep -v '^/etc/systemd/system/multi-user.target.wants '; }

echo "# the release's own packages"
quietly apt-get -q update || fail "the release's package lists can be fetched"
install openmpi-bin nodejs iproute2 libjansson4 dkms kmod linux-headers-amd64 || fail "what the packages depend on can be installed"
kernel=$(basename "$(echo /usr/src/linux-headers-*-amd64)")
kernel=${kernel#linux-headers-}
tree >/tmp/before
accounts >/tmp/accounts

install /debs/*.deb || fail "they can be installed"
ok "they can be installed with what the release has, and with nothing besides"
[ -z "$(dpkg --audit)" ] && [ -z "$(dpkg --verify | grep -v ' /usr/share/\(doc\|man\|locale\)/')" ] || fail "dpkg finds every file as it was packed"
ok "dpkg finds every file as it was packed"
[ "$(vfring --version)" = "vfring $version" ] || fail "vfring --version says $version, but: $(vfring --version)"
ompi_info --parsable --param btl vfring >"$log" 2>&1
grep -q "^mca:btl:vfring:version:\"component:$version\"" "$log" || fail "ompi_info names the release of the BTL, $version"
ok "the programs run with this release's node $(node --version)"

modinfo -k "$kernel" uio_vf >/tmp/modinfo 2>&1 || fail "DKMS has built the module for $kernel"
for field in filename license version author description vermagic depends parm signer; do
    grep -q "^$field:" /tmp/modinfo || fail "modinfo has $field"
done
ok "DKMS has built and signed the module for $kernel"

# Nothing that is not the daemon's is needed to run a job.
mkdir -p /etc/vfring /srv/soft
printf 'version: 1\nprovider:\n  soft: { dir: /srv/soft, vfs: 4, mtu: 9000 }\n' >/etc/vfring/vfringd.yaml
start() {
    : >/tmp/vfringd.out
    vfringd >/tmp/vfringd.out 2>/tmp/vfringd.err &
    daemon=$!
    until grep -q '^vfringd ready' /tmp/vfringd.out; do
        kill -0 "$daemon" 2>/dev/null || { cat /tmp/vfringd.err; fail "vfringd starts"; }
        sleep 0.1
    done
}
stop() {
    kill "$daemon"
    wait "$daemon" || fail "vfringd ends with 0"
}
job() { # COMMAND...: an MPI program over VFs, as the user
    as_user "$@" --oversubscribe --mca pml ob1 --mca btl self,vfring /usr/libexec/vfring/pingpong --min 0 --max 4096 --iters 20 >"$log" 2>&1
}
start
job mpirun -n 2 || fail "a plain mpirun finds the component"
ok "a plain mpirun finds the component, and an unprivileged job runs over its VFs"
as_user vfring run --local vf -n 2 --oversubscribe -- /usr/libexec/vfring/pingpong --min 0 --max 4096 --iters 20 >"$log" 2>&1 || fail "vfring run runs a job"
grep -q 'vfring: rank 1: VF' "$log" || fail "vfring run says what the VFs carried"
ok "vfring run runs a job, and says what its VFs carried"

sh "$(dirname "$0")/next-version.sh" "$version" "$next" /tmp/next /debs/*.deb
install /tmp/next/*.deb || fail "they can be upgraded"
[ "$(vfring --version)" = "vfring $next" ] || fail "the upgrade brings $next"
[ ! -e "/usr/src/uio_vf-$version" ] && dkms status | grep -q "uio_vf/$next.*installed" && ! dkms status | grep -q "$version" || fail "DKMS has the new module alone: $(dkms status)"
job mpirun -n 2 || fail "a job runs with the daemon of before the upgrade"
stop
start
job mpirun -n 2 || fail "a job runs after the upgrade"
stop
ok "an upgrade leaves jobs, the daemon and the new module at work"

names=$(for deb in /debs/*.deb; do dpkg-deb -f "$deb" Package; done)
# shellcheck disable=SC2086 # a word a package
quietly apt-get -q -y remove $names || fail "they can be removed"
[ -f /etc/vfring/vfringd.yaml ] && [ -f /var/lib/vfring/ledger.db ] || fail "configuration and ledger outlive a removal"
ok "they can be removed; configuration and ledger stay"
# shellcheck disable=SC2086
quietly apt-get -q -y purge $names || fail "they can be purged"
rm -r /srv/soft
tree >/tmp/after
accounts | cmp -s - /tmp/accounts || fail "the accounts are as before"
diff /tmp/before /tmp/after >"$log" || fail "every file is as before"
ok "they can be purged: files, owners, modes and accounts are as before, and DKMS has no module"
