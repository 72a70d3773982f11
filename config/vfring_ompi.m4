dnl SPDX-License-Identifier: BSD-3-Clause
dnl
dnl Finds Open MPI, and in it what a BTL component outside of Open MPI's source
dnl tree needs. What Debian ships, seen with these packages:
dnl
dnl                        12: 4.1.4      13: 5.0.7      testing: 6.0.0rc2
dnl include folder I       <libdir>/openmpi/include, the same in all three
dnl opal_config.h          I/openmpi/     I/openmpi/     I/openmpi/
dnl btl.h                  I/openmpi/opal/mca/btl/ in all three
dnl mpicc --showme:incdirs I, I/openmpi   I, I/openmpi   I, I/openmpi
dnl -I a component needs   I/openmpi      I/openmpi, pmix, replacements (both)
dnl mutex.h                opal/threads/  opal/mca/threads/ (both)
dnl modex (PMIx glue)      opal/mca/pmix/pmix.h
dnl                                       opal/mca/pmix/pmix-internal.h (both)
dnl pmix.h                 inside opal    libpmix-dev: <libdir>/pmix2/include,
dnl                                       not among mpicc's folders; testing's
dnl                                       libopenmpi-dev does not pull it in
dnl libopen-pal            .so.40         .so.80         .so.40 (another 40)
dnl export macro           OPAL_DECLSPEC in all; OPAL_MODULE_DECLSPEC is 4.1's alone
dnl component folder       openmpi3       openmpi40      openmpi40
dnl ranks of mpirun look   there          in PMIx's own component folder: see
dnl for components                        _VFRING_OMPI_PMIX_PARAMS
dnl built-in components    none           all            all
dnl
dnl No define is missing: opal_config.h brings what Open MPI's own components
dnl are compiled with, and copes with a config.h of ours that comes first.
dnl
dnl 5.0.7 and 6.0.0rc2 ship opal/mca/threads/mutex.h but not the headers it
dnl includes, opal/mca/threads/pthreads/threads_pthreads_{mutex,threads,tsd}.h.
dnl config/ompi-headers/ has replacements. They are searched after Open MPI's
dnl own folders, so an installation that is complete uses its own.

dnl VFRING_OMPI
dnl Sets and substitutes
dnl   MPICC, OMPI_INFO    the programs; both can be given
dnl   MPI_CPPFLAGS, MPI_LIBS            to build an MPI program
dnl   OMPI_CPPFLAGS, OMPI_LIBS          to build a component
dnl   mcadir              where the component is installed
dnl and defines VFRING_OMPI_MAJOR, VFRING_OMPI_MINOR.
AC_DEFUN([VFRING_OMPI], [
    AC_ARG_VAR([MPICC], [Open MPI's compiler wrapper])
    AC_ARG_VAR([OMPI_INFO], [Open MPI's ompi_info])
    AC_ARG_WITH([mca-dir],
        [AS_HELP_STRING([--with-mca-dir=DIR],
                        [install the component in DIR @<:@Open MPI's component folder@:>@])],
        [AS_CASE([$with_mca_dir],
                 [/*], [],
                 [AC_MSG_ERROR([--with-mca-dir=$with_mca_dir: an absolute path is needed])])],
        [with_mca_dir=])

    _VFRING_OMPI_WRAPPER
    AS_IF([test "x$vfring_have_mpicc" = xyes], [
        _VFRING_OMPI_PROGRAMS
        _VFRING_OMPI_HEADERS
    ])
    AS_IF([test "x$vfring_have_btl_h" = xyes], [
        _VFRING_OMPI_INFO
        _VFRING_OMPI_COMPONENT
    ])
    pmix_paramsdir=
    AS_IF([test -n "$with_mca_dir"], [mcadir=$with_mca_dir],
          [mcadir=$vfring_pkglibdir
           AS_IF([test "${vfring_ompi_major:-0}" -ge 5], [_VFRING_OMPI_PMIX_PARAMS])])
    AC_SUBST([mcadir])
    AC_SUBST([pmix_paramsdir])
])

dnl Debian's PMIx 5 has a parameter file that sets mca_base_component_path to
dnl PMIx's own folder. The name is also that of a parameter of Open MPI, so
dnl mpirun hands the value to its ranks, and they find no component in Open MPI's
dnl folder, which ompi_info lists. PMIx's override file in the same folder can
dnl put it right, see docs/decisions/component-path.md.
AC_DEFUN([_VFRING_OMPI_PMIX_PARAMS], [
    AC_MSG_CHECKING([whether PMIx hides the component folder from mpirun's ranks])
    vfring_pmix_prefix=`$PKG_CONFIG --variable=libdir pmix 2>&AS_MESSAGE_LOG_FD`
    vfring_pmix_prefix=`AS_DIRNAME(["$vfring_pmix_prefix"])`
    for vfring_dir in "$vfring_pmix_prefix/share" "$vfring_pmix_prefix/etc" /etc; do
        AS_IF([grep -q '^ *mca_base_component_path *=' "$vfring_dir/pmix-mca-params.conf" 2>/dev/null],
              [pmix_paramsdir=$vfring_dir; break])
    done
    AC_MSG_RESULT([${pmix_paramsdir:-no}])
])

dnl Debian calls the wrapper mpicc.openmpi as well, whatever mpicc stands for.
AC_DEFUN([_VFRING_OMPI_WRAPPER], [
    AC_CHECK_PROGS([MPICC], [mpicc.openmpi mpicc])
    AC_MSG_CHECKING([whether ${MPICC:-mpicc} is Open MPI's])
    AS_CASE([`${MPICC:-false} --showme:version 2>&AS_MESSAGE_LOG_FD`],
            [*"Open MPI"*], [vfring_have_mpicc=yes], [vfring_have_mpicc=no])
    AC_MSG_RESULT([$vfring_have_mpicc])
    AS_IF([test "x$vfring_have_mpicc" = xno],
          [VFRING_MISSING([Open MPI's mpicc (or MPICC=...)], [libopenmpi-dev])])
])

dnl MPI programs get the folder of mpi.h alone, not the internal headers.
AC_DEFUN([_VFRING_OMPI_PROGRAMS], [
    vfring_incdirs=`$MPICC --showme:incdirs`
    MPI_CPPFLAGS=
    for vfring_dir in $vfring_incdirs; do
        AS_IF([test -f "$vfring_dir/mpi.h"], [MPI_CPPFLAGS="-isystem $vfring_dir"; break])
    done
    MPI_LIBS=`$MPICC --showme:link`
    AC_MSG_CHECKING([whether an MPI program can be built])
    vfring_saved_cppflags=$CPPFLAGS
    vfring_saved_libs=$LIBS
    CPPFLAGS="$CPPFLAGS $MPI_CPPFLAGS"
    LIBS="$MPI_LIBS $LIBS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <mpi.h>]], [[return MPI_Init(0, 0);]])],
                   [AC_MSG_RESULT([yes])],
                   [AC_MSG_RESULT([no])
                    VFRING_MISSING([a working mpi.h and libmpi for $MPICC], [libopenmpi-dev])])
    CPPFLAGS=$vfring_saved_cppflags
    LIBS=$vfring_saved_libs
    AC_SUBST([MPI_CPPFLAGS])
    AC_SUBST([MPI_LIBS])
])

AC_DEFUN([_VFRING_OMPI_HEADERS], [
    AC_MSG_CHECKING([for Open MPI's internal headers])
    vfring_have_btl_h=no
    for vfring_dir in $vfring_incdirs; do
        for vfring_ompi_headers in "$vfring_dir" "$vfring_dir/openmpi"; do
            AS_IF([test -f "$vfring_ompi_headers/opal/mca/btl/btl.h"],
                  [vfring_have_btl_h=yes; break 2])
        done
    done
    AS_IF([test "x$vfring_have_btl_h" = xyes],
          [AC_MSG_RESULT([$vfring_ompi_headers])],
          [AC_MSG_RESULT([no])
           VFRING_MISSING([Open MPI's opal/mca/btl/btl.h below $vfring_incdirs (an Open MPI of your own needs --with-devel-headers)],
                          [libopenmpi-dev])])
])

dnl ompi_info beside mpicc is the one that belongs to it. Headers and programs
dnl of two versions together would make a component that is not loaded.
AC_DEFUN([_VFRING_OMPI_INFO], [
    vfring_saved_cppflags=$CPPFLAGS
    CPPFLAGS="$CPPFLAGS -isystem $vfring_ompi_headers"
    AC_COMPUTE_INT([vfring_ompi_major], [OMPI_MAJOR_VERSION], [[#include <opal_config.h>]],
                   [AC_MSG_ERROR([no OMPI_MAJOR_VERSION in $vfring_ompi_headers/opal_config.h])])
    AC_COMPUTE_INT([vfring_ompi_minor], [OMPI_MINOR_VERSION], [[#include <opal_config.h>]],
                   [AC_MSG_ERROR([no OMPI_MINOR_VERSION in $vfring_ompi_headers/opal_config.h])])
    CPPFLAGS=$vfring_saved_cppflags
    vfring_ompi_version=$vfring_ompi_major.$vfring_ompi_minor
    AS_CASE([$vfring_ompi_version], [4.1 | 5.0 | 6.0], [],
            [AC_MSG_ERROR([these headers are Open MPI $vfring_ompi_version; vfring knows 4.1, 5.0 and 6.0. Choose another with MPICC=])])
    AC_DEFINE_UNQUOTED([VFRING_OMPI_MAJOR], [$vfring_ompi_major], [Open MPI's major version.])
    AC_DEFINE_UNQUOTED([VFRING_OMPI_MINOR], [$vfring_ompi_minor], [Open MPI's minor version.])

    vfring_bindir=`command -v $MPICC`
    vfring_bindir=`AS_DIRNAME(["$vfring_bindir"])`
    AC_PATH_PROGS([OMPI_INFO], [ompi_info], [], [$vfring_bindir$PATH_SEPARATOR$PATH])
    AC_MSG_CHECKING([Open MPI's version and component folder])
    AS_IF([test -n "$OMPI_INFO"], [
        vfring_info=`$OMPI_INFO --version 2>&AS_MESSAGE_LOG_FD | sed -n 's/^Open MPI v//p'`
        vfring_pkglibdir=`$OMPI_INFO --parsable --path pkglibdir 2>&AS_MESSAGE_LOG_FD |
                          sed -n 's/^path:pkglibdir://p'`
    ])
    AC_MSG_RESULT([${vfring_info:-unknown}, ${vfring_pkglibdir:-unknown}])
    AS_IF([test -z "$OMPI_INFO" || test -z "$vfring_info" || test -z "$vfring_pkglibdir"],
          [VFRING_MISSING([a working ompi_info (or OMPI_INFO=...)], [openmpi-bin])],
          [AS_CASE([$vfring_info], [$vfring_ompi_version.*], [],
              [AC_MSG_ERROR([$OMPI_INFO is Open MPI $vfring_info, but the headers of $MPICC are $vfring_ompi_version. Give the pair that belongs together: MPICC=... OMPI_INFO=...])])])
])

dnl Flags for a component. It is linked against libopen-pal although Open MPI
dnl has that loaded anyhow: so an unresolved symbol shows at build time, not as
dnl a component that Open MPI passes over in silence.
AC_DEFUN([_VFRING_OMPI_COMPONENT], [
    OMPI_CPPFLAGS="-isystem $vfring_ompi_headers"
    OMPI_LIBS=
    for vfring_dir in `$MPICC --showme:libdirs`; do
        OMPI_LIBS="$OMPI_LIBS -L$vfring_dir"
    done
    OMPI_LIBS="$OMPI_LIBS -lopen-pal"
    AS_IF([test "$vfring_ompi_major" -ge 5], [_VFRING_OMPI_PMIX
        _VFRING_OMPI_REPLACEMENTS
        vfring_modex=opal/mca/pmix/pmix-internal.h],
        [vfring_modex=opal/mca/pmix/pmix.h])

    AC_MSG_CHECKING([whether a BTL component can be built])
    vfring_saved_cppflags=$CPPFLAGS
    vfring_saved_libs=$LIBS
    CPPFLAGS="$CPPFLAGS -D_GNU_SOURCE $OMPI_CPPFLAGS"
    LIBS="$OMPI_LIBS $LIBS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[
            #include <opal_config.h>
            #include <opal/mca/btl/base/base.h>
            #include <opal/mca/btl/base/btl_base_error.h>
            #include <opal/mca/btl/btl.h>
            #include <opal/util/show_help.h>
            #include <$vfring_modex>
        ]], [[opal_free_list_t list; OBJ_CONSTRUCT(&list, opal_free_list_t);]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_CHECK_HEADER([hwloc.h], [], [VFRING_MISSING([hwloc.h], [libhwloc-dev])])
         AC_CHECK_HEADER([event2/event.h], [], [VFRING_MISSING([event2/event.h], [libevent-dev])])
         AS_IF([test -z "$vfring_missing"],
               [AC_MSG_ERROR([E: the headers in $vfring_ompi_headers or libopen-pal cannot be used: config.log has the compiler's words. apt-get install --reinstall libopenmpi-dev])])])
    CPPFLAGS=$vfring_saved_cppflags
    LIBS=$vfring_saved_libs
    AC_SUBST([OMPI_CPPFLAGS])
    AC_SUBST([OMPI_LIBS])
])

dnl Since 5.0 the modex macros call PMIx themselves. An Open MPI with a PMIx of
dnl its own has pmix.h among its headers, Debian has a package.
AC_DEFUN([_VFRING_OMPI_PMIX], [
    AS_IF([test -f "$vfring_ompi_headers/pmix.h" || test -f "$vfring_ompi_headers/../pmix.h"],
        [OMPI_CPPFLAGS="$OMPI_CPPFLAGS -isystem $vfring_ompi_headers/.."
         OMPI_LIBS="$OMPI_LIBS -lpmix"],
        [PKG_CHECK_MODULES([PMIX], [pmix],
            [OMPI_CPPFLAGS="$OMPI_CPPFLAGS `AS_ECHO(["$PMIX_CFLAGS"]) | sed 's/-I */-isystem /g'`"
             OMPI_LIBS="$OMPI_LIBS $PMIX_LIBS"],
            [VFRING_MISSING([pmix.h], [libpmix-dev])])])
])

dnl -idirafter: only where Open MPI's own folders lack the header.
AC_DEFUN([_VFRING_OMPI_REPLACEMENTS], [
    vfring_abs_srcdir=`cd "$srcdir" && pwd`
    OMPI_CPPFLAGS="$OMPI_CPPFLAGS -idirafter $vfring_abs_srcdir/config/ompi-headers"
])
