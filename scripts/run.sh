#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# run.sh COMMAND [ARG...]: what `npm run COMMAND` does. Installs the node
# modules when they are missing or package-lock.json has changed.
set -eu
cd "$(dirname "$0")/.."

[ $# -ge 1 ] || { echo "usage: sh scripts/run.sh COMMAND [ARG...]" >&2; exit 64; }
command=$1
shift

stamp=build/node_modules.stamp
if [ ! -d node_modules ] || ! cmp -s package-lock.json "$stamp"; then
    # better-sqlite3 is compiled where its prebuilt file cannot be fetched: that takes a
    # compiler, and the headers of this node, which Debian has in a package of their own.
    tools=
    for tool in make g++ python3; do
        command -v "$tool" >/dev/null || tools="$tools $tool"
    done
    headers=$(node -p 'path.dirname(path.dirname(process.execPath))')
    if [ ! -f "$headers/include/node/node.h" ] && dpkg-query -W libnode115 >/dev/null 2>&1; then
        tools="$tools libnode-dev"
    fi
    if [ -n "$tools" ]; then
        echo "installing Debian packages:$tools" >&2
        root=
        [ "$(id -u)" = 0 ] || root=sudo
        $root env DEBIAN_FRONTEND=noninteractive sh -c \
            'apt-get install -y "$@" || { apt-get update && apt-get install -y "$@"; }' sh $tools >&2
    fi
    if [ -f "$headers/include/node/node.h" ]; then
        export npm_config_nodedir="${npm_config_nodedir:-$headers}"
    fi
    echo "installing the node modules" >&2
    # Not `npm ci`: it refuses to work where a registry lacks the optional
    # packages of foreign platforms. This installs what the lock file says, too.
    npm install --no-save >&2
    mkdir -p build
    cp package-lock.json "$stamp"
fi

case $command in
lab) main=lab/src/main.ts ;;
lab-wire) main=lab/src/wire-main.ts ;;
*) main=scripts/$command.ts ;;
esac
if [ ! -f "$main" ]; then
    echo "E: there is no command '$command' ($main does not exist)" >&2
    exit 64
fi
# tsx as a loader, not as a wrapper: one process less between npm and us, so
# that a signal reaches the program itself.
exec node --import tsx "$main" "$@"
