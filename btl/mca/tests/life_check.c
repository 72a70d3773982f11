/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * life_check FOLDER FILE [FILE [back]]: what a process leaves behind when MPI_Finalize returns.
 * Plays vfringd in FOLDER for itself: it leases the soft VF FILE to whoever asks,
 * and wants it back. Several rounds where Open MPI can begin anew (sessions, 5.0).
 * With a second VF: spawns a process, which gets that one. With "back": says of it that it is back, as if that process had been killed.
 * Exit status 0 only if all was right. Run by mpi.sh.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *vf_file, *second_file;
static volatile int num_leased, num_released;
static volatile int num_asked; /* whether the second VF is back */
static const char *volatile back = ""; /* and what is said to that */
static volatile int num_strangers; /* who came to a socket that is not vfringd's */
static volatile int bad;

#define SECOND_MAC "02:76:66:02:00:01" /* mpi.sh has made it */

#define CHECK(cond)                                              \
    do {                                                         \
        if (!(cond)) {                                           \
            bad = 1;                                             \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #cond);    \
        }                                                        \
    } while (0)

/* Nobody holds the soft VF. */
static int vf_is_free(void)
{
    const int fd = open(vf_file, O_RDWR | O_CLOEXEC);
    const int is_free = fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB);

    (void) close(fd);
    return is_free;
}

static int listen_at(const char *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/lease.sock", folder);

    CHECK(mkdir(folder, 0700) == 0 || errno == EEXIST);
    (void) unlink(address.sun_path);
    CHECK(fd >= 0 && length < (int) sizeof(address.sun_path));
    CHECK(!bind(fd, (struct sockaddr *) &address, sizeof(address)) && !listen(fd, 4));
    return fd;
}

static void answer(int fd, const char *request)
{
    const bool question = strstr(request, "\"op\":\"vf\"");
    char reply[512];
    int length = snprintf(reply, sizeof(reply), "{\"v\":1,\"ok\":true}\n");

    if (strstr(request, "\"op\":\"lease\"")) {
        num_leased++;
        length = snprintf(reply, sizeof(reply),
                          "{\"v\":1,\"ok\":true,\"lease\":\"l-%d\",\"vfs\":[{\"kind\":\"soft\","
                          "\"name\":\"vf0\",\"device\":\"%s\",\"mtu\":1500}]}\n",
                          num_leased, num_leased == 2 && second_file ? second_file : vf_file);
    } else if (question) {
        if (strstr(request, SECOND_MAC)) {
            length = snprintf(reply, sizeof(reply), "{\"v\":1,\"ok\":true%s}\n", back);
            num_asked++;
        }
    } else {
        char id[32];

        (void) snprintf(id, sizeof(id), "\"lease\":\"l-%d\"", num_leased);
        CHECK(strstr(request, "\"op\":\"release\""));
        CHECK(second_file || (strstr(request, id) && vf_is_free())); /* closed before it is given back */
        num_released++;
    }
    /* Who asks waits for a moment only, and asks again. */
    CHECK(send(fd, reply, (size_t) length, MSG_NOSIGNAL) == length || question);
}

static void *daemon_main(void *arg)
{
    const int listener = *(int *) arg;

    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        char request[4096] = "";
        size_t have = 0;
        ssize_t got;

        while (!strchr(request, '\n')
               && (got = read(fd, request + have, sizeof(request) - 1 - have)) > 0) {
            have += (size_t) got;
            request[have] = '\0';
        }
        answer(fd, request);
        (void) close(fd);
    }
    return NULL;
}

static void *stranger_main(void *arg)
{
    const int listener = *(int *) arg;

    for (;;) {
        (void) close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
        num_strangers++;
    }
    return NULL;
}

/* Is @p path the folder itself, or a soft VF in it? */
static int is_theirs(const char *path, const char *folder)
{
    const size_t length = strlen(folder);

    return !strncmp(path, folder, length) && (!path[length] || !strncmp(path + length, "/vf", 3));
}

/* Descriptors of this process that lead to soft VFs or their folder. */
static int open_descriptors(const char *folder)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    for (struct dirent *entry; (entry = readdir(dir));) {
        char link[64], target[512];
        ssize_t length;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%.40s", entry->d_name);
        length = readlink(link, target, sizeof(target) - 1);
        target[length > 0 ? length : 0] = '\0';
        if (is_theirs(target, folder)) {
            printf("descriptor left: %s\n", target);
            count++;
        }
    }
    (void) closedir(dir);
    return count;
}

static int mappings(const char *folder)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[1024];
    int count = 0;

    while (fgets(line, sizeof(line), maps)) {
        const char *path = strchr(line, '/');

        if (path && is_theirs(path, folder)) {
            printf("mapping left: %s", line);
            count++;
        }
    }
    (void) fclose(maps);
    return count;
}

static void look(const char *folder, int round)
{
    CHECK(num_leased == round);
    CHECK(num_released == round);
    CHECK(num_strangers == 0);
    CHECK(vf_is_free());
    CHECK(open_descriptors(folder) == 0);
    CHECK(mappings(folder) == 0);
}

#if OMPI_MAJOR_VERSION >= 5 /* has sessions, though it calls itself MPI 3.1 */
static int rounds(const char *folder)
{
    enum { ROUNDS = 5 };

    for (int i = 1; i <= ROUNDS; i++) {
        MPI_Session session;
        MPI_Group group;
        MPI_Comm comm;

        MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &session);
        MPI_Group_from_session_pset(session, "mpi://WORLD", &group);
        MPI_Comm_create_from_group(group, "vfring", MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &comm);
        MPI_Barrier(comm);
        MPI_Comm_free(&comm);
        MPI_Group_free(&group);
        MPI_Session_finalize(&session);
        look(folder, i);
    }
    return ROUNDS;
}
#else
static int rounds(const char *folder)
{
    MPI_Init(NULL, NULL);
    CHECK(num_leased == 1 && num_released == 0 && !vf_is_free());
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    look(folder, 1);
    return 1;
}
#endif

/* Parent and child; a message each way if they reach each other. */
static int spawn(char *program)
{
    char *argv[] = {(char *) "child", NULL};
    MPI_Comm child;
    int value = 1;

    MPI_Init(NULL, NULL);
    MPI_Comm_spawn(program, argv, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &child, MPI_ERRCODES_IGNORE);
    MPI_Send(&value, 1, MPI_INT, 0, 1, child);
    MPI_Recv(&value, 1, MPI_INT, 0, 1, child, MPI_STATUS_IGNORE);
    CHECK(value == 2);
    MPI_Comm_disconnect(&child);
    MPI_Finalize();
    CHECK(num_leased == 2);
    return 1;
}

/* Progress until it was asked so often more. */
static void await_asked(int more)
{
    const int all = num_asked + more;
    int flag;

    for (const double start = MPI_Wtime(); num_asked < all && MPI_Wtime() - start < 100;) {
        MPI_Iprobe(MPI_ANY_SOURCE, 1, MPI_COMM_SELF, &flag, MPI_STATUS_IGNORE);
    }
    CHECK(num_asked >= all);
}

/*
 * The child lives on and passes messages back. That its VF is back, and not earlier than the two have met, is
 * evidence of its end all the same; nothing else is.
 */
_Noreturn static void spawn_back(char *program)
{
    static const char *const no_evidence[] = {"", ",\"back_ms\":3600000"};
    char *argv[] = {(char *) "child", (char *) "echo", NULL};
    MPI_Comm child;
    int value = 1;

    MPI_Init(NULL, NULL);
    MPI_Comm_spawn(program, argv, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &child, MPI_ERRCODES_IGNORE);
    for (int i = 0; i < 2; i++) {
        back = no_evidence[i];
        await_asked(2);
        MPI_Send(&value, 1, MPI_INT, 0, 1, child);
        MPI_Recv(&value, 1, MPI_INT, 0, 1, child, MPI_STATUS_IGNORE);
        CHECK(value == i + 2);
    }
    back = ",\"back_ms\":0";
    await_asked(1);
    printf("life: %s, the VF is back\n", bad ? "FAILED" : "ok");
    (void) fflush(stdout);
    MPI_Send(&value, 1, MPI_INT, 0, 1, child); /* ends the job */
    printf("life: a message was sent to a process that has ended\n");
    exit(0);
}

static int spawned(int times)
{
    MPI_Comm parent;
    int value;

    MPI_Init(NULL, NULL);
    MPI_Comm_get_parent(&parent);
    for (int i = 0; i < times; i++) {
        MPI_Recv(&value, 1, MPI_INT, 0, 1, parent, MPI_STATUS_IGNORE);
        value++;
        MPI_Send(&value, 1, MPI_INT, 0, 1, parent);
    }
    MPI_Comm_disconnect(&parent);
    MPI_Finalize();
    return 0;
}

int main(int argc, char **argv)
{
    char *program = realpath(argv[0], NULL);
    static int listener, trap;
    pthread_t thread;
    char run_dir[64], *folder;
    int done;

    if (argc >= 2 && !strcmp(argv[1], "child")) {
        return spawned(argc == 2 ? 1 : INT_MAX);
    }
    second_file = argc >= 4 ? realpath(argv[3], NULL) : NULL;
    if (argc < 3 || !program || chdir(argv[1]) || !(vf_file = realpath(argv[2], NULL))) {
        return 64;
    }
    folder = strdup(vf_file);
    *strrchr(folder, '/') = '\0';
    (void) snprintf(run_dir, sizeof(run_dir), "%s/run", argv[1]);
    listener = listen_at(run_dir);
    trap = listen_at("(null)"); /* where a path that was freed leads to, by printf() */
    if (bad || pthread_create(&thread, NULL, daemon_main, &listener)
        || pthread_create(&thread, NULL, stranger_main, &trap)
        || setenv("VFRING_RUN_DIR", run_dir, 1)) {
        return 71;
    }
    if (argc == 5) {
        spawn_back(program);
    }
    done = second_file ? spawn(program) : rounds(folder);
    printf("life: %s, %d rounds\n", bad ? "FAILED" : "ok", done);
    return bad;
}
