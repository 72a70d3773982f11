#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# words.sh SRCDIR: is what README.md and how-a-message-travels.md say still so? Every
# name in `code` there is a file, or a word of a source below SRCDIR; and the
# table of words is sorted and has each once. Exit status 1: what is wrong is printed.
set -eu
LC_ALL=C
export LC_ALL
cd "$1"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

find . -name '*.[ch]' ! -path './*/tests/*' > "$dir/files"
find . -type f | sed 's|.*/||' | sort -u > "$dir/there"
xargs cat < "$dir/files" | grep -oE '[A-Za-z_][A-Za-z0-9_]*' | sort -u > "$dir/known"
: > "$dir/wrong"
for page in README.md how-a-message-travels.md; do
    # What is in code, word by word; C's own "struct" is none of ours.
    grep -oE '`[^`]+`' "$page" | tr -d '`' | tr ' ' '\n' | sed 's/()$//; s|.*/||' | grep -v -x -e struct -e make -e check \
        | sort -u > "$dir/named"
    [ "$(wc -l < "$dir/named")" -gt 5 ] || echo "$page: hardly any names were found" >> "$dir/wrong"
    while read -r name; do
        grep -qxF -e "$name" "$dir/known" "$dir/there" || echo "$page: there is no $name" >> "$dir/wrong"
    done < "$dir/named"
done
sed -n '/^| word /,/^$/s/^| \([^|]*\) |.*/\1/p' README.md | grep -v -x -e word -e --- > "$dir/words"
[ "$(wc -l < "$dir/words")" -gt 20 ] || echo "README.md: no table of words was found" >> "$dir/wrong"
sort -f -c "$dir/words" 2> "$dir/log" || sed 's/.*disorder: /README.md: the table of words is not sorted at: /' "$dir/log" >> "$dir/wrong"
sort "$dir/words" | uniq -d | sed 's/$/ stands twice in the table of words/' >> "$dir/wrong"
[ ! -s "$dir/wrong" ] || { cat "$dir/wrong"; exit 1; }
