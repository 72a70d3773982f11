/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A harness of one page: each check prints one line, "ok N - name" or
 * "not ok N - name", and a test program's exit status tells whether all held.
 */
#ifndef UIO_VF_TESTS_TAP_H
#define UIO_VF_TESTS_TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count;
static int tap_failed;

static inline bool tap_result(bool good, const char *name, const char *detail)
{
	printf("%s %d - %s%s%s\n", good ? "ok" : "not ok", ++tap_count, name,
	       good ? "" : ": ", good ? "" : detail);
	fflush(stdout);
	if (!good)
		tap_failed++;
	return good;
}

/* A condition that must hold. */
#define OK(cond, name) tap_result((cond), (name), #cond)

/* Two numbers that must be equal; both are printed when they are not. */
static inline bool tap_equal(unsigned long long got, unsigned long long want,
			     const char *name, const char *what)
{
	char detail[200];

	snprintf(detail, sizeof(detail), "%s is %llu (0x%llx), not %llu (0x%llx)",
		 what, got, got, want, want);
	return tap_result(got == want, name, detail);
}

#define EQUAL(got, want, name) \
	tap_equal((unsigned long long)(got), (unsigned long long)(want), \
		  (name), #got)

/* 0 or a negated errno, as the helpers of vf.h return it. */
static inline bool tap_error(int got, int want, const char *name)
{
	char detail[200];

	snprintf(detail, sizeof(detail), "%s, not %s",
		 got ? strerror(-got) : "success",
		 want ? strerror(-want) : "success");
	return tap_result(got == want, name, detail);
}

#define ERROR(got, want, name) tap_error((got), (want), (name))

/* Without this nothing that follows means anything. */
#define NEED(cond, name) \
	do { \
		if (!OK(cond, name)) { \
			printf("# errno now: %s\n", strerror(errno)); \
			exit(1); \
		} \
	} while (0)

static inline int tap_end(void)
{
	return tap_failed ? 1 : 0;
}

#endif /* UIO_VF_TESTS_TAP_H */
