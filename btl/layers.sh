#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# layers.sh LAYERS SRCDIR OBJDIR...: do the arrows of a folder go down only?
#
# The file LAYERS has a line for each floor, the lowest first: the names of the
# files on it, without .c and .h. What stands behind a # is a comment. Checked are
#   includes  a file includes, of this folder, what stands on a lower floor; or its own header
#   calls     a file's object refers to symbols of objects on lower floors; or of its own
#   all       each .c and .h of SRCDIR stands on one floor, and each .c has its object in OBJDIR
# Files on one floor do not see each other. What a header inlines counts as its
# includer's. Calls through operations that a lower file was given are not seen: so a
# lower file may call up, in the way it must. Exit status 1: what is wrong is printed.
set -eu
LC_ALL=C # sort, join and comm agree on an order
export LC_ALL
layers=$1 srcdir=$2
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# name floor
awk '{ sub(/#.*/, "") } NF { floor++; for (i = 1; i <= NF; i++) print $i, floor }' "$layers" | sort > "$dir/floors"
cut -d' ' -f1 "$dir/floors" | uniq -d | sed 's/$/ stands on two floors/' > "$dir/wrong"
cut -d' ' -f1 "$dir/floors" | uniq > "$dir/named"
(cd "$srcdir" && ls ./*.[ch]) | sed 's|^\./||; s/\.[ch]$//' | sort -u > "$dir/there"
comm -13 "$dir/named" "$dir/there" | sed 's/$/ stands on no floor/' >> "$dir/wrong"
comm -23 "$dir/named" "$dir/there" | sed 's/$/ has a floor, but there is no such file/' >> "$dir/wrong"

# user used how
: > "$dir/arrows"
while read -r name; do
    for file in "$srcdir/$name.c" "$srcdir/$name.h"; do
        [ ! -f "$file" ] || sed -n 's/^ *# *include *"\([^"]*\)\.h".*/\1/p' "$file" \
            | sed "s|.*|$name & includes|" >> "$dir/arrows"
    done
done < "$dir/there"

# Who defines a symbol, and who refers to it. Automake may put a library's name and a dash before an object's.
: > "$dir/defined"
: > "$dir/referred"
for file in "$srcdir"/*.c; do
    name=$(basename "$file" .c)
    object=
    for in in "$@"; do
        for try in "$in/$name.o" "$in/"*-"$name.o" "$in/.libs/$name.o" "$in/.libs/"*-"$name.o"; do
            [ ! -f "$try" ] || object=$try
        done
    done
    [ -n "$object" ] || { echo "$name.c has no object: build first" >> "$dir/wrong"; continue; }
    ${NM:-nm} -g "$object" | awk -v name="$name" -v dir="$dir" '
        $1 == "U" { print $2, name >> (dir "/referred"); next }
        NF == 3 { print $3, name >> (dir "/defined") }'
done
sort -u "$dir/defined" > "$dir/defined.sorted"
sort -u "$dir/referred" | join - "$dir/defined.sorted" | awk '{ print $2, $3, "calls", $1 }' >> "$dir/arrows"

awk 'NR == FNR { floor[$1] = $2; next }
     ($1 in floor) && ($2 in floor) && $1 != $2 && floor[$2] >= floor[$1] {
         print $1 " (floor " floor[$1] ") " $3 " " $2 " (floor " floor[$2] ")" ($4 ? ": " $4 : "")
     }' "$dir/floors" "$dir/arrows" | sort -u >> "$dir/wrong"
# A check that sees nothing must not pass.
grep -q includes "$dir/arrows" || echo "no file here includes another" >> "$dir/wrong"
grep -q calls "$dir/arrows" || echo "no file here calls another" >> "$dir/wrong"
[ ! -s "$dir/wrong" ] || { cat "$dir/wrong"; exit 1; }
