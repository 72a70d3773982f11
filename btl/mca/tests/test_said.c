/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Of several processes one prints, also if the first that wanted to is killed in the middle: as by the abort of another
 * one, which has told the user nothing then.
 */
#include "btl_vfring_said.h"

#include "check.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char top[] = "/tmp/vfring-said-XXXXXX", dir[64], printed[64], mark[128];

/* A process that says it, its standard error being @p err. */
static pid_t start(const char *text, unsigned again_s, int err)
{
    const pid_t pid = fork();

    if (!pid) {
        (void) dup2(err, 2);
        btl_vfring_said(dir, text, text, again_s);
        _exit(0);
    }
    CHECK(pid > 0);
    return pid;
}

static void say(const char *text, unsigned again_s)
{
    const int fd = open(printed, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int status;

    CHECK(fd >= 0);
    CHECK(waitpid(start(text, again_s, fd), &status, 0) > 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void) close(fd);
}

/* What was printed so far, and nothing from now on. */
static const char *heard(void)
{
    static char text[256];
    FILE *file = fopen(printed, "r");
    size_t bytes;

    CHECK(file);
    bytes = fread(text, 1, sizeof(text) - 1, file);
    text[bytes] = '\0';
    (void) fclose(file);
    CHECK(!truncate(printed, 0));
    return text;
}

static void once(void)
{
    say("VF 1 is lost\n", 0);
    say("VF 2 is lost\n", 0);
    say("VF 1 is found\n", 0);
    CHECK(!strcmp(heard(), "VF 1 is lost\nVF 1 is found\n"));
    say("VF 3 is lost\n", 3600);
    CHECK(!strcmp(heard(), ""));
}

static void again(void)
{
    const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    CHECK(!utimensat(AT_FDCWD, mark, long_ago, 0));
    say("a\n", 0);
    CHECK(!strcmp(heard(), ""));
    say("a\n", 60);
    say("a\n", 60);
    CHECK(!strcmp(heard(), "a\n"));
}

/* The lock of the mark is somebody's. */
static bool is_locked(void)
{
    const int fd = open(mark, O_WRONLY);
    const bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB);

    if (fd >= 0) {
        (void) close(fd);
    }
    return locked;
}

/* The first one is killed while its text is on its way out: its pipe is full. */
static void killed(void)
{
    char much[4096] = {0};
    int full[2], status;
    pid_t first;

    CHECK(!pipe(full));
    CHECK(!fcntl(full[1], F_SETFL, O_NONBLOCK));
    while (write(full[1], much, sizeof(much)) > 0 || write(full[1], much, 1) > 0) {
        /* until it takes no more */
    }
    CHECK(!fcntl(full[1], F_SETFL, 0));
    CHECK(!unlink(mark));
    first = start("a\n", 0, full[1]);
    while (!is_locked()) {
        (void) usleep(1000);
    }
    CHECK(!kill(first, SIGKILL));
    CHECK(waitpid(first, &status, 0) == first);
    say("a\n", 0);
    say("a\n", 0);
    CHECK(!strcmp(heard(), "a\n"));
}

static void new_folder(const char *name)
{
    (void) snprintf(dir, sizeof(dir), "%s/%s", top, name);
    CHECK(!mkdir(dir, 0700));
}

int main(void)
{
    char command[128];
    glob_t found;

    CHECK(mkdtemp(top));
    (void) snprintf(printed, sizeof(printed), "%s/printed", top);
    new_folder("one");
    once();

    new_folder("two");
    say("a\n", 0);
    CHECK(!strcmp(heard(), "a\n"));
    (void) snprintf(mark, sizeof(mark), "%s/*", dir);
    CHECK(!glob(mark, 0, NULL, &found) && found.gl_pathc == 1);
    (void) snprintf(mark, sizeof(mark), "%s", found.gl_pathv[0]);
    globfree(&found);
    again();
    killed();
    (void) snprintf(command, sizeof(command), "rm -r %s", top);
    CHECK(!system(command));
    return 0;
}
