#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Tests of the role: its syntax, ansible-lint, and that vfring finds nothing wrong with the configuration it writes.
# run.sh VFRING: the program, as built
set -u
cd "$(dirname "$0")/.."
vfring=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin"
# There is no vfringd here that could take the configuration over: that it is asked to is noted.
cat >"$scratch/bin/vfring" <<END
#!/bin/sh
if [ "\$1" = provision ]; then echo >>"$scratch/asked"; else exec "$vfring" "\$@"; fi
END
# Nor is anything installed: apt-get fails while there is no file "good", and has something to do once.
cat >"$scratch/bin/apt-get" <<END
#!/bin/sh
echo "\$*" >>"$scratch/installed"
[ -e "$scratch/good" ] || exit 100
[ -e "$scratch/there" ] && echo "0 upgraded, 0 newly installed, 0 to remove and 7 not upgraded."
: >"$scratch/there"
END
chmod +x "$scratch/bin/vfring" "$scratch/bin/apt-get"
passed=0
failed=0
export PATH="$scratch/bin:$PATH" LC_ALL=C.UTF-8 ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_ROLES_PATH=roles ANSIBLE_HOME="$scratch/home" ANSIBLE_LOCAL_TEMP="$scratch/tmp"

check() {
    title=$1
    shift
    if "$@" >"$scratch/log" 2>&1; then
        echo "ok - $title"
        passed=$((passed + 1))
    else
        echo "not ok - $title"
        cat "$scratch/log"
        failed=$((failed + 1))
    fi
}

render() { ansible-playbook -e "vfring_etc=$scratch/etc" tests/render.yml; }
again() { render | grep -q 'changed=0' && [ "$(wc -l <"$scratch/asked")" = 1 ]; }
written() {
    grep -q 'segment: fabric-a' "$scratch/etc/vfringd.yaml" && grep -q 'listen: 10.0.0.1:9155' "$scratch/etc/vfringd.yaml" &&
        [ "$(stat -c %a "$scratch/etc/http-token")" = 600 ]
}

install() { ansible-playbook -e "vfring_debs_dir=$scratch/debs vfring_cache=$scratch/cache" tests/install.yml; }
none() { ! install >"$scratch/none" && grep -q 'there are no packages (\*.deb) in vfring_debs_dir' "$scratch/none"; }
# What they come to at last, with the headers that DKMS needs.
tried_again() {
    touch "$scratch/debs/vfringd_1.deb" "$scratch/debs/uio-vf-dkms_1.deb"
    ! install || return 1
    : >"$scratch/good"
    install | grep -q 'changed=1' && install | grep -q 'changed=0' || return 1
    grep -q "^install .*linux-headers-amd64 $scratch/cache/.*deb $scratch/cache/.*deb$" "$scratch/installed" && [ "$(sort -u "$scratch/installed" | wc -l)" = 1 ]
}

check 'its syntax is good' ansible-playbook --syntax-check -i inventory.yml site.yml
check 'ansible-lint finds nothing' ansible-lint --offline site.yml
check 'vfring finds nothing wrong with the configuration that it writes' render
check 'which has what was asked for, and a token for root alone' written
check 'a second time changes nothing, and vfringd was told once' again
mkdir "$scratch/debs"
check 'a folder without packages is told' none
check 'packages are installed with the headers of the kernel, once more where that failed, and no more where they are there' tried_again
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
