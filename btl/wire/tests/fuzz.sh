#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# fuzz.sh NAME CORPUS ARG...: builds a libFuzzer target (ARG...: sources and
# flags) with AddressSanitizer and UBSan, and runs it over the corpus in the
# source tree and FUZZ_RUNS inputs made from it. New inputs are kept only with
# FUZZ_KEEP=1. What made it fail lies in ./NAME-crash-*. 77: no clang.
set -eu
name=$1 corpus=$2
shift 2
clang=${CLANG:-clang}
command -v "$clang" > /dev/null || { echo "clang is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo 'int LLVMFuzzerTestOneInput(const char *p, long n); int LLVMFuzzerTestOneInput(const char *p, long n) { return !p && n; }' > "$dir/try.c"
"$clang" -fsanitize=fuzzer "$dir/try.c" -o "$dir/try" 2> "$dir/log" || { echo "clang has no libFuzzer here"; exit 77; }

"$clang" -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -o "$dir/$name" "$@"
mkdir "$dir/new"
ASAN_OPTIONS=detect_leaks=1 "$dir/$name" -seed=1 -runs="${FUZZ_RUNS:-10000}" -max_total_time="${FUZZ_SECONDS:-60}" \
    -max_len=4096 -timeout=10 -rss_limit_mb=1024 -artifact_prefix="./$name-" -print_final_stats=1 \
    "$dir/new" "$corpus" > "$dir/run.log" 2>&1 || { tail -n 60 "$dir/run.log"; exit 1; }
grep -E 'INITED|number_of_executed_units' "$dir/run.log"
# A corpus that was lost is a fuzzer that starts at nothing.
[ "$(find "$corpus" -type f | wc -l)" -gt 3 ] || { echo "$corpus is empty"; exit 1; }
[ -z "${FUZZ_KEEP:-}" ] || "$dir/$name" -merge=1 "$corpus" "$dir/new"
