/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The identity of a switch, i.e. of a folder of soft VFs: a name drawn at random
 * when the first VF is made, in the folder's file `segment`, and in each VF made
 * since. Two processes whose soft VFs tell different ones cannot reach each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "softvf_internal.h"

#define PREFIX "soft-"
#define DIGITS 16u
_Static_assert(sizeof(PREFIX) + DIGITS <= SOFTVF_SEGMENT_BYTES, "with the final zero");

bool softvf_segment_valid(const char segment[SOFTVF_SEGMENT_BYTES])
{
    const size_t prefix = strlen(PREFIX);

    return strnlen(segment, SOFTVF_SEGMENT_BYTES) == prefix + DIGITS &&
           memcmp(segment, PREFIX, prefix) == 0 &&
           strspn(segment + prefix, "0123456789abcdef") == DIGITS;
}

/** 0, -ENOENT, or -EILSEQ: there is something else under that name. */
static int read_segment(int dir_fd, char segment[SOFTVF_SEGMENT_BYTES])
{
    char line[SOFTVF_SEGMENT_BYTES + 1] = "";
    struct stat st;
    int fd = openat(dir_fd, "segment", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        return errno == ELOOP ? -EILSEQ : -errno;
    }
    ssize_t got = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? pread(fd, line, sizeof(line) - 1, 0) : -1;
    close(fd);
    char *end = strchr(line, '\n');
    if (got < 0 || end == NULL || end + 1 != line + got) {
        return -EILSEQ;
    }
    *end = '\0';
    if (!softvf_segment_valid(line)) {
        return -EILSEQ;
    }
    memset(segment, 0, SOFTVF_SEGMENT_BYTES);
    memcpy(segment, line, strlen(line));
    return 0;
}

/** Under a name of its own first: who finds `segment` finds it whole, and the first one stays. */
static int make_segment(int dir_fd)
{
    char temp[64], line[SOFTVF_SEGMENT_BYTES + 1];
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
        return -errno;
    }
    int length = snprintf(line, sizeof(line), PREFIX "%016" PRIx64 "\n", number);
    snprintf(temp, sizeof(temp), ".segment.%ld", (long)getpid());
    unlinkat(dir_fd, temp, 0); /* of a crashed process with our pid */
    int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        return -errno;
    }
    ssize_t put = write(fd, line, (size_t)length);
    int rc = put == length ? 0 : put < 0 ? -errno : -EIO;
    if (rc == 0 && (fchmod(fd, 0644) != 0 || fdatasync(fd) != 0)) {
        rc = -errno;
    }
    close(fd);
    if (rc == 0 && linkat(dir_fd, temp, dir_fd, "segment", 0) != 0 && errno != EEXIST) {
        rc = -errno;
    }
    unlinkat(dir_fd, temp, 0);
    return rc;
}

int softvf_segment_get(int dir_fd, char segment[SOFTVF_SEGMENT_BYTES])
{
    int rc = read_segment(dir_fd, segment);

    if (rc == -ENOENT) {
        rc = make_segment(dir_fd);
        if (rc == 0) {
            rc = read_segment(dir_fd, segment); /* ours, or that of who was faster */
        }
    }
    return rc;
}
