/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * vfring-softvf as the daemon and administrators call it. VFRING_SOFTVF names
 * the program.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "testdrv.h"

#define MAC "02:76:66:00:00:05"

static const char *tool;
static char output[8192], errors[8192];

static void slurp(int fd, char *text)
{
    ssize_t got = pread(fd, text, 8191, 0);

    CHECK(got >= 0);
    text[got] = '\0';
    close(fd);
}

/** Runs the tool with up to 8 arguments; output and errors are kept. Returns its exit status. */
static int run(const char *a0, const char *a1, const char *a2, const char *a3, const char *a4,
               const char *a5, const char *a6, const char *a7)
{
    const char *argv[] = {tool, a0, a1, a2, a3, a4, a5, a6, a7, NULL};
    char out_name[128], err_name[128];
    int status;

    snprintf(out_name, sizeof(out_name), "%s/stdout", testdir());
    snprintf(err_name, sizeof(err_name), "%s/stderr", testdir());
    int out = open(out_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int err = open(err_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(out >= 0 && err >= 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        umask(0);
        dup2(out, 1);
        dup2(err, 2);
        execv(tool, (char *const *)argv);
        _exit(126);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    slurp(out, output);
    slurp(err, errors);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) <= 1);
    if (WEXITSTATUS(status) == 1) { /* one line on standard error, nothing else */
        CHECK_EQ(output[0], '\0');
        CHECK(strlen(errors) > 0 && strchr(errors, '\n') == errors + strlen(errors) - 1);
        CHECK_EQ(strncmp(errors, "vfring-softvf: ", 15), 0);
    } else {
        CHECK_EQ(errors[0], '\0');
    }
    return WEXITSTATUS(status);
}

static const char *file(const char *name)
{
    static char path[2][128];
    static int turn;

    turn = !turn; /* two of them may be in use */
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", testdir(), name);
    return path[turn];
}

static int create(const char *index, const char *mac, const char *mtu)
{
    return run("create", testdir(), "--index", index, "--mac", mac, "--mtu", mtu);
}

static int show(const char *path)
{
    return run("show", path, NULL, NULL, NULL, NULL, NULL, NULL);
}

static int destroy(const char *path)
{
    return run("destroy", path, NULL, NULL, NULL, NULL, NULL, NULL);
}

static void check_says(const char *what)
{
    if (strstr(output, what) == NULL) {
        fprintf(stderr, "output is: %s\n", output);
    }
    CHECK(strstr(output, what) != NULL);
}

static void makes_shows_and_destroys(void)
{
    struct stat st;

    CHECK_EQ(create("5", MAC, "9000"), 0);
    CHECK_EQ(stat(file("vf5"), &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0600);
    CHECK_EQ(show(file("vf5")), 0);
    check_says("{\"index\":5,\"mac\":\"" MAC "\",\"mtu\":9000,\"segment\":\"soft-");
    check_says("\",\"state\":\"free\",\"owner_pid\":0,\"generation\":0,\"counters\":{\"rx_frames\":0,\"tx_frames\":0,\"rx_bytes\":0,"
               "\"tx_bytes\":0,\"rx_dropped\":0}");
    CHECK_EQ(destroy(file("vf5")), 0);
    CHECK(stat(file("vf5"), &st) != 0);
    CHECK_EQ(destroy(file("vf5")), 1);
    CHECK_EQ(show(file("vf5")), 1);
    CHECK_EQ(run("create", testdir(), "--mac", MAC, "--index", "6", NULL, NULL), 0);
    CHECK_EQ(show(file("vf6")), 0);
    check_says("\"mtu\":1500");
    check_says("\"rate_mbits\":0,");
    CHECK_EQ(run("create", testdir(), "--index", "6", "--mac", MAC, "--rate", "2500"), 0);
    CHECK_EQ(show(file("vf6")), 0);
    check_says("\"rate_mbits\":2500,");
    CHECK_EQ(run("create", testdir(), "--index", "6", "--mac", MAC, "--rate", "1000001"), 1);
    CHECK_EQ(run("create", testdir(), "--index", "6", "--mac", MAC, "--rate", "fast"), 1);
    CHECK_EQ(destroy(file("vf6")), 0);
}

static void says_who_has_it(void)
{
    struct testdrv a, b;
    char owner[64];

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    const char *path = testdir_vf(1, 1500);
    testdrv_open(&b, path, NULL);
    send_frame(&a, b.mac, 100, 0);
    for (int i = 0; i < 64; i++) {
        send_frame(&a, b.mac, 60, 0);
    }
    CHECK_EQ(show(path), 0);
    snprintf(owner, sizeof(owner), "\"state\":\"open\",\"owner_pid\":%ld,\"generation\":1,",
             (long)getpid());
    check_says(owner);
    check_says("\"rx_frames\":63,\"tx_frames\":0,\"rx_bytes\":4072,\"tx_bytes\":0,\"rx_dropped\":2}");
    check_says("\"rx_no_descriptor\":2");
    testdrv_close(&b);
    CHECK_EQ(show(path), 0);
    check_says("\"state\":\"free\",\"owner_pid\":0,\"generation\":1,");
    testdrv_close(&a);
}

static void statistics_go_on(void)
{
    struct testdrv a, b;
    const char *path;

    testdrv_open(&a, testdir_vf(0, 1500), NULL);
    path = testdir_vf(5, 1500);
    testdrv_open(&b, path, NULL);
    send_frame(&a, b.mac, 100, 0);
    send_frame(&b, a.mac, 200, 0);
    CHECK_EQ(create("5", MAC, "1500"), 0); /* while it is open */
    testdrv_close(&b);
    CHECK_EQ(show(path), 0);
    check_says("\"generation\":0,");
    check_says("\"rx_frames\":1,\"tx_frames\":1,\"rx_bytes\":104,\"tx_bytes\":204");
    CHECK_EQ(destroy(path), 0);
    CHECK_EQ(create("5", MAC, "1500"), 0); /* a new VF, not a successor */
    CHECK_EQ(show(path), 0);
    check_says("\"rx_frames\":0,\"tx_frames\":0");
    testdrv_close(&a);
}

static void bad_arguments(void)
{
    static const char *const indices[] = {"-1", "1024", "x", "", "1x", " 1"};
    static const char *const macs[] = {"", "02:76:66:00:00", "01:00:5e:00:00:01",
                                       "00:00:00:00:00:00", "02-76-66-00-00-01",
                                       "02:76:66:00:00:0g", "2:76:66:0:0:1:::::",
                                       "02:76:66:00:00:011"};
    static const char *const mtus[] = {"67", "9217", "-5", "1500k", "4294968796"};

    for (unsigned i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
        CHECK_EQ(create(indices[i], MAC, "1500"), 1);
    }
    for (unsigned i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
        CHECK_EQ(create("7", macs[i], "1500"), 1);
    }
    for (unsigned i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
        CHECK_EQ(create("7", MAC, mtus[i]), 1);
    }
    CHECK(access(file("vf7"), F_OK) != 0);
    CHECK_EQ(run("create", testdir(), "--index", "7", NULL, NULL, NULL, NULL), 1);
    CHECK_EQ(run("create", testdir(), "--mac", MAC, NULL, NULL, NULL, NULL), 1);
    CHECK_EQ(run("create", "--index", "7", "--mac", MAC, NULL, NULL, NULL), 1);
    CHECK_EQ(run("create", "/nonexistent/folder", "--index", "7", "--mac", MAC, NULL, NULL), 1);
    CHECK_EQ(run("create", testdir(), "--colour", "blue", NULL, NULL, NULL, NULL), 1);
    CHECK_EQ(run(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), 1);
    CHECK_EQ(run("paint", NULL, NULL, NULL, NULL, NULL, NULL, NULL), 1);
    CHECK_EQ(run("show", NULL, NULL, NULL, NULL, NULL, NULL, NULL), 1);
    CHECK_EQ(run("--help", NULL, NULL, NULL, NULL, NULL, NULL, NULL), 0);
}

static void a_mac_is_used_once(void)
{
    CHECK_EQ(create("5", MAC, "1500"), 0);
    CHECK_EQ(create("6", MAC, "1500"), 1);
    CHECK(strstr(errors, "MAC") != NULL && access(file("vf6"), F_OK) != 0);
    CHECK_EQ(create("5", MAC, "9000"), 0); /* its own successor may have it */
    CHECK_EQ(destroy(file("vf5")), 0);
    CHECK_EQ(create("6", MAC, "1500"), 0);
    CHECK_EQ(destroy(file("vf6")), 0);
}

static void other_files_are_left_alone(void)
{
    const char *path = file("vf8");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    CHECK(write(fd, "precious", 8) == 8);
    close(fd);
    CHECK_EQ(show(path), 1);
    CHECK_EQ(destroy(path), 1);
    CHECK_EQ(access(path, F_OK), 0);
    CHECK_EQ(symlink("vf8", file("vf9")), 0);
    CHECK_EQ(destroy(file("vf9")), 1);
    CHECK_EQ(access(file("vf8"), F_OK), 0);
    CHECK_EQ(show(testdir()), 1);
}

/** The owner of the file cuts it short: the administrator's tool must not suffer. */
static void truncated_file(void)
{
    CHECK_EQ(create("5", MAC, "1500"), 0);
    CHECK_EQ(truncate(file("vf5"), 100), 0);
    CHECK_EQ(show(file("vf5")), 1);
    CHECK_EQ(create("5", MAC, "1500"), 0);
    CHECK_EQ(show(file("vf5")), 0);
}

/** The name of the switch that @p path was made in, as `show` prints it. */
static const char *segment_of(const char *path)
{
    static char segment[2][64];
    static int turn;

    turn = !turn;
    CHECK_EQ(show(path), 0);
    const char *at = strstr(output, "\"segment\":\"");
    CHECK(at != NULL && sscanf(at, "\"segment\":\"%63[a-z0-9-]\"", segment[turn]) == 1);
    CHECK_EQ(strlen(segment[turn]), strlen("soft-0123456789abcdef"));
    return segment[turn];
}

static void one_folder_is_one_switch(void)
{
    char other[160], inside[200], first[64];

    CHECK_EQ(create("5", MAC, "1500"), 0);
    CHECK_EQ(create("6", "02:76:66:00:00:06", "9000"), 0);
    snprintf(first, sizeof(first), "%s", segment_of(file("vf5")));
    CHECK_EQ(strcmp(first, segment_of(file("vf6"))), 0);
    CHECK_EQ(destroy(file("vf5")), 0);
    CHECK_EQ(destroy(file("vf6")), 0);
    CHECK_EQ(create("5", MAC, "1500"), 0); /* it stays the same one when all have gone */
    CHECK_EQ(strcmp(first, segment_of(file("vf5"))), 0);

    snprintf(other, sizeof(other), "%s/other", testdir());
    snprintf(inside, sizeof(inside), "%s/vf5", other);
    CHECK_EQ(mkdir(other, 0700), 0);
    CHECK_EQ(run("create", other, "--mac", MAC, "--index", "5", NULL, NULL), 0);
    CHECK(strcmp(first, segment_of(inside)) != 0);
    CHECK_EQ(unlink(inside), 0);
    snprintf(inside, sizeof(inside), "%s/segment", other);
    CHECK_EQ(unlink(inside), 0);
    CHECK_EQ(rmdir(other), 0);
    CHECK_EQ(destroy(file("vf5")), 0);
}

/** Who makes the first VF of a folder, when many do: all have one name in the end. */
static void first_vfs_at_once(void)
{
    enum { MAKERS = 16 };
    char other[160], path[200], first[64];
    pid_t pids[MAKERS];
    int gate[2], status;

    snprintf(other, sizeof(other), "%s/crowd", testdir());
    CHECK_EQ(mkdir(other, 0700), 0);
    CHECK_EQ(pipe(gate), 0);
    for (int i = 0; i < MAKERS; i++) {
        char mac[24], index[8], byte;

        pids[i] = fork();
        CHECK(pids[i] >= 0);
        if (pids[i] == 0) {
            close(gate[1]);
            snprintf(mac, sizeof(mac), "02:76:66:00:01:%02x", i);
            snprintf(index, sizeof(index), "%d", i);
            (void)!read(gate[0], &byte, 1); /* until all are here */
            execl(tool, tool, "create", other, "--index", index, "--mac", mac, (char *)NULL);
            _exit(126);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < MAKERS; i++) {
        CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (int i = 0; i < MAKERS; i++) {
        snprintf(path, sizeof(path), "%s/vf%d", other, i);
        if (i == 0) {
            snprintf(first, sizeof(first), "%s", segment_of(path));
        }
        CHECK_EQ(strcmp(first, segment_of(path)), 0);
        CHECK_EQ(unlink(path), 0);
    }
    snprintf(path, sizeof(path), "%s/segment", other);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(other), 0); /* and nothing else is left */
}

/** A file of that name that is not ours stays, and is named. */
static void segment_file_of_another_kind(void)
{
    const char *const bad[] = {"", "soft-0123456789abcdef", "soft-0123456789ABCDEF\n",
                               "soft-0123456789abcdef0\n", "soft-0123456789abcdef\nmore", "precious\n"};
    char kept[64];
    FILE *made;

    CHECK_EQ(rename(file("segment"), file("kept")), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        made = fopen(file("segment"), "we");
        CHECK(made != NULL && fputs(bad[i], made) >= 0 && fclose(made) == 0);
        CHECK_EQ(create("7", "02:76:66:00:00:07", "1500"), 1);
        CHECK(strstr(errors, "segment") != NULL);
        CHECK(access(file("vf7"), F_OK) != 0);
    }
    made = fopen(file("segment"), "re");
    CHECK(made != NULL && fgets(kept, sizeof(kept), made) != NULL && fclose(made) == 0);
    CHECK_EQ(strcmp(kept, "precious\n"), 0);
    CHECK_EQ(unlink(file("segment")), 0);
    CHECK_EQ(symlink("kept", file("segment")), 0); /* somebody else's to point where he likes */
    CHECK_EQ(create("7", "02:76:66:00:00:07", "1500"), 1);
    CHECK_EQ(unlink(file("segment")), 0);
    CHECK_EQ(rename(file("kept"), file("segment")), 0);
    CHECK_EQ(create("7", "02:76:66:00:00:07", "1500"), 0);
    CHECK_EQ(destroy(file("vf7")), 0);
}

int main(void)
{
    tool = getenv("VFRING_SOFTVF");
    if (tool == NULL || access(tool, X_OK) != 0) {
        SKIP("VFRING_SOFTVF does not name the tool; make check does that");
    }
    RUN(makes_shows_and_destroys);
    RUN(says_who_has_it);
    RUN(statistics_go_on);
    RUN(bad_arguments);
    RUN(a_mac_is_used_once);
    RUN(other_files_are_left_alone);
    RUN(truncated_file);
    RUN(one_folder_is_one_switch);
    RUN(first_vfs_at_once);
    RUN(segment_file_of_another_kind);
    return 0;
}
