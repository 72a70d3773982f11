dnl SPDX-License-Identifier: BSD-3-Clause

dnl VFRING_MISSING(WHAT, PACKAGE)
dnl Notes that WHAT was not found and that Debian's PACKAGE brings it. configure
dnl goes on, so that a person learns of everything that is missing in one run.
AC_DEFUN([VFRING_MISSING], [
    AS_ECHO(["E: $1 not found: apt-get install $2"]) >&AS_MESSAGE_LOG_FD
    vfring_missing="${vfring_missing}E: $1 not found: apt-get install $2
"
    AS_CASE([" $vfring_packages "], [*" $2 "*], [], [vfring_packages="$vfring_packages $2"])
])

dnl VFRING_REPORT_MISSING
dnl Ends configure if VFRING_MISSING was called.
AC_DEFUN([VFRING_REPORT_MISSING], [
    AS_IF([test -n "$vfring_missing"], [
        AS_ECHO_N(["$vfring_missing"]) >&2
        AC_MSG_ERROR([prerequisites are missing. All at once: apt-get install$vfring_packages])
    ])
])
