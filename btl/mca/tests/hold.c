/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hold PID FILE: stops a process as a debugger does (all its threads; it does
 * not see any of it), until FILE is there. Run by mpi.sh.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char path[64];
    pid_t threads[256];
    int num = 0;
    const struct dirent *entry;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "/proc/%ld/task", argc == 3 ? atol(argv[1]) : 0);
    dir = opendir(path);
    if (!dir) {
        (void) fprintf(stderr, "usage: hold PID FILE\n");
        return 2;
    }
    while ((entry = readdir(dir)) && num < 256) {
        const pid_t tid = (pid_t) atoi(entry->d_name);

        if (tid <= 0) {
            continue;
        }
        if (ptrace(PTRACE_SEIZE, tid, 0, 0) || ptrace(PTRACE_INTERRUPT, tid, 0, 0)
            || waitpid(tid, NULL, __WALL) != tid) {
            perror("hold: ptrace");
            return 1;
        }
        threads[num++] = tid;
    }
    (void) closedir(dir);
    while (access(argv[2], F_OK)) {
        (void) usleep(2000);
    }
    for (int i = 0; i < num; i++) {
        if (ptrace(PTRACE_DETACH, threads[i], 0, 0)) {
            perror("hold: detach");
            return 1;
        }
    }
    return 0;
}
