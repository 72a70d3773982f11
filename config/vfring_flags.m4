dnl SPDX-License-Identifier: BSD-3-Clause

dnl VFRING_PROG_CC
dnl AC_PROG_CC with a message that names the package. Default CFLAGS: -O2 -g.
AC_DEFUN([VFRING_PROG_CC], [
    AS_IF([test -n "$CC"], [vfring_any_cc=${CC%% *}],
          [AC_CHECK_PROGS([vfring_any_cc], [gcc clang cc])])
    AS_IF([test -z "$vfring_any_cc" || ! command -v "$vfring_any_cc" >/dev/null 2>&1],
          [AC_MSG_ERROR([E: C compiler ${CC:-gcc, clang or cc} not found: apt-get install gcc libc6-dev])])
    : ${CFLAGS="-O2 -g"}
    AC_PROG_CC
    AS_IF([test "x$ac_cv_prog_cc_c11" = xno],
          [AC_MSG_ERROR([E: $CC does not know C11: apt-get install gcc, or CC=...])])
])

dnl VFRING_CFLAG(FLAG)
dnl Appends FLAG to VFRING_CFLAGS if the compiler knows it. clang only warns of
dnl an unknown warning option, hence -Werror.
AC_DEFUN([VFRING_CFLAG], [
    AS_VAR_PUSHDEF([cache], [vfring_cv_cflag_$1])
    AC_CACHE_CHECK([whether $CC knows $1], [cache], [
        vfring_saved_cflags=$CFLAGS
        CFLAGS="$CFLAGS -Werror $1"
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cache], [yes])],
                          [AS_VAR_SET([cache], [no])])
        CFLAGS=$vfring_saved_cflags
    ])
    AS_VAR_IF([cache], [yes], [VFRING_CFLAGS="$VFRING_CFLAGS $1"])
    AS_VAR_POPDEF([cache])
])

dnl VFRING_WARNINGS
dnl The warnings, and more, that all C of the project is compiled with, in VFRING_CFLAGS.
AC_DEFUN([VFRING_WARNINGS], [
    AC_ARG_ENABLE([werror],
        [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])],
        [], [enable_werror=no])
    VFRING_CFLAGS=
    m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                          -Wmissing-declarations -Wold-style-definition -Wpointer-arith
                          -Wwrite-strings -Wvla -Wformat=2 -Wduplicated-cond],
                 [VFRING_CFLAG(flag)])
    dnl Two counters side by side are no vector: to build one of them costs more than two additions.
    VFRING_CFLAG([-fno-tree-slp-vectorize])
    AS_IF([test "x$enable_werror" = xyes], [VFRING_CFLAGS="$VFRING_CFLAGS -Werror"])
    AC_SUBST([VFRING_CFLAGS])
])

dnl VFRING_SANITIZERS
dnl --enable-sanitizers: AddressSanitizer and UndefinedBehaviorSanitizer in the
dnl libraries, their tests and the component. The MPI test programs stay as
dnl they are: they would report Open MPI's own leaks.
AC_DEFUN([VFRING_SANITIZERS], [
    AC_ARG_ENABLE([sanitizers],
        [AS_HELP_STRING([--enable-sanitizers],
                        [compile libraries and unit tests with ASan and UBSan])],
        [], [enable_sanitizers=no])
    VFRING_SAN_CFLAGS=
    AS_IF([test "x$enable_sanitizers" = xyes], [
        VFRING_SAN_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
        VFRING_SAN_CFLAGS="$VFRING_SAN_CFLAGS -fno-omit-frame-pointer"
        AC_MSG_CHECKING([whether $CC links with $VFRING_SAN_CFLAGS])
        vfring_saved_cflags=$CFLAGS
        CFLAGS="$CFLAGS $VFRING_SAN_CFLAGS"
        AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])], [
            AC_MSG_RESULT([no])
            VFRING_MISSING([the sanitizers' run-time libraries], [libgcc-`$CC -dumpversion`-dev])
        ])
        CFLAGS=$vfring_saved_cflags
    ])
    AC_SUBST([VFRING_SAN_CFLAGS])
    AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" = xyes])
])
