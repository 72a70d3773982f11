# SPDX-License-Identifier: BSD-3-Clause
# Takes out of docs/slurm.md what it says to add to files of Slurm, so that the
# examples of the package are the page's: awk -v out=FOLDER -f ... docs/slurm.md
# What not every Slurm can have is a comment there.
/^```/ {
    file = mark = ""
    if (match($0, /add=\/etc\/(slurm|systemd)[^ ]*/)) {
        path = substr($0, RSTART + 4, RLENGTH - 4)
        n = split(path, parts, "/")
        file = out "/" parts[n]
        if (!(file in begun)) {
            printf "# Lines for %s: see slurm.md in the same package.\n", path > file
        }
        begun[file] = 1
        if (match($0, /with=[^ ]*/)) {
            mark = "# "
            printf "# With %s:\n", substr($0, RSTART + 5, RLENGTH - 5) > file
        }
    }
    next
}
file != "" { print mark $0 > file }
