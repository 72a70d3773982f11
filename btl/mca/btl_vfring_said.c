/* SPDX-License-Identifier: BSD-3-Clause */
/* One process of a node speaks for all. */
#include "btl_vfring_said.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/** Who prints a text is waited for so long, and looked for so often. */
#define WINNER_S 1u
#define LOOKS_A_S 100u

static void print(const char *text)
{
    (void) fputs(text, stderr);
    (void) fflush(stderr);
}

/* The lock of @p fd, for which another process is waited for no longer than WINNER_S. Where there are no locks all have it. */
static bool lock_mark(int fd)
{
    for (unsigned i = 0; i < WINNER_S * LOOKS_A_S; i++) {
        const struct timespec pause = {.tv_sec = 0, .tv_nsec = 1000000000 / LOOKS_A_S};

        if (!flock(fd, LOCK_EX | LOCK_NB)) {
            return true;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return true;
        }
        (void) nanosleep(&pause, NULL);
    }
    return false;
}

/*
 * The mark is a file: empty until somebody has printed. Who prints holds its lock, which a process
 * that another one's abort ends in the middle of that gives back; so the next one prints.
 */
void btl_vfring_said(const char *dir, const char *same, const char *text, unsigned again_s)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    char path[512];
    struct stat st;
    int fd = -1;

    for (; *same; same++) {
        if (!isdigit((unsigned char) *same)) {
            hash = (hash ^ (unsigned char) *same) * 16777619u;
        }
    }
    if (dir && (size_t) snprintf(path, sizeof(path), "%s/vfring-said-%08x", dir, hash) < sizeof(path)) {
        fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    if (fd < 0) {
        print(text); /* rather twice than never */
        return;
    }
    if (lock_mark(fd)
        && (fstat(fd, &st) || !st.st_size || (again_s && time(NULL) - st.st_mtime >= (time_t) again_s))) {
        print(text);
        (void) !write(fd, ".", 1);
    }
    (void) close(fd);
}
