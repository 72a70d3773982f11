# SPDX-License-Identifier: BSD-3-Clause
# Takes out of docs/slurm.md what it says to add to files of Slurm, so that the
# examples of the package are the page's: awk -v out=FOLDER -f ... docs/slurm.md
/^```/ {
    file = ""
    if (match($0, /add=\/etc\/(slurm|systemd)[^ ]*/)) {
        n = split(substr($0, RSTART, RLENGTH), parts, "/")
        file = out "/" parts[n]
        printf "# Lines for %s: see slurm.md in the same package.\n", substr($0, RSTART + 4, RLENGTH - 4) > file
    }
    next
}
file != "" { print >> file }
