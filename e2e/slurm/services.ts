// SPDX-License-Identifier: BSD-3-Clause
/**
 * A systemctl for hosts without systemd, so that the page's commands can be typed there as they stand: it
 * starts and stops the daemons that the tests have, each as its unit in Debian does.
 */
export const SYSTEMCTL = `#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
verb=$1 unit=\${2%.service}
# Nobody waits for the children of daemons where a shell is process 1.
pids() {
    case $unit in
    vfringd) pgrep -r R,S,D,T,I -f '^node .*/vfringd/main.js' ;;
    mariadb) pgrep -r R,S,D,T,I -x mariadbd ;;
    munge) pgrep -r R,S,D,T,I -x munged ;;
    *) pgrep -r R,S,D,T,I -x "$unit" ;;
    esac
}
stop() {
    set -- $(pids)
    [ $# -eq 0 ] || kill "$@"
    for _ in $(seq 300); do
        [ -n "$(pids)" ] || return 0
        sleep 0.1
    done
    echo "systemctl: $unit does not end" >&2
    exit 1
}
begin() { setsid "$@" </dev/null >>/var/log/$unit.log 2>&1 & }
wait_for() {
    for _ in $(seq 1200); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "systemctl: $unit: not within 120 s: $*" >&2
    tail -n 20 /var/log/$unit.log >&2
    exit 1
}
start() {
    [ -z "$(pids)" ] || return 0
    case $unit in
    munge) runuser -u munge -- /usr/sbin/munged ;;
    vfringd) begin vfringd; wait_for vfring status ;;
    mariadb)
        install -d -o mysql /run/mysqld
        begin mariadbd --user=mysql
        wait_for mariadb -e 'select 1' ;;
    slurmdbd) begin runuser -u slurm -- slurmdbd -D; wait_for sacctmgr -n list cluster ;;
    slurmctld) begin runuser -u slurm -- slurmctld -D; wait_for scontrol ping ;;
    slurmd) begin slurmd -D; wait_for pgrep -r R,S,D,T,I -x slurmd ;;
    *) echo "systemctl: there is no unit $unit" >&2; exit 5 ;;
    esac
}
case $verb in
daemon-reload | enable) ;;
start) start ;;
stop) stop ;;
restart) stop; start ;;
# What vfring doctor asks of slurmd's unit.
show) printf 'LoadState=loaded\\nLimitMEMLOCK=infinity\\n' ;;
*) echo "systemctl: $verb is not known here" >&2; exit 1 ;;
esac
`;
