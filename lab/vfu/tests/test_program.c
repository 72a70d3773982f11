/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The program: two of it, each with a guest, on one switch; what it says of bad options; how it ends.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "rig.h"
#include "vfring_regs_82576.h"

#define PATIENCE_MS 60000 /* until something that must come counts as lost */

static const char *program;

static pid_t run(const char *const args[], int *said)
{
    int pipes[2] = {-1, -1};

    CHECK(said == NULL || pipe(pipes) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that fails leaves nothing behind */
        if (said != NULL) {
            dup2(pipes[1], STDERR_FILENO);
            close(pipes[0]);
            close(pipes[1]);
        }
        execv(program, (char *const *)(uintptr_t)args);
        _exit(127);
    }
    if (said != NULL) {
        close(pipes[1]);
        *said = pipes[0];
    }
    return pid;
}

static int end_of(pid_t pid)
{
    int status;

    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/** It must refuse, and say @p words. */
static void refuses(const char *const args[], int exit_status, const char *words)
{
    char text[2048] = "";
    size_t have = 0;
    ssize_t got;
    int said;
    pid_t pid = run(args, &said);

    while (have < sizeof(text) - 1 && (got = read(said, text + have, sizeof(text) - 1 - have)) > 0) {
        have += (size_t)got;
    }
    close(said);
    CHECK_EQ(end_of(pid), exit_status);
    if (strstr(text, words) == NULL) {
        fprintf(stderr, "expected %s, heard %s\n", words, text);
        exit(1);
    }
}

/** @p option NULL: none. */
static pid_t serve(uint32_t index, char socket_path[96], const char *option)
{
    snprintf(socket_path, 96, "%s/socket%u", rig_folder(), index);
    const char *const args[] = {"vfring-vfu", "--vf", rig_vf(index, 0), "--socket", socket_path, option, NULL};
    struct stat st;
    pid_t pid = run(args, NULL);

    for (int i = 0; stat(socket_path, &st) != 0; i++) {
        CHECK(i < PATIENCE_MS / 10 && waitpid(pid, NULL, WNOHANG) == 0);
        usleep(10000);
    }
    CHECK_EQ(st.st_mode & 0777, 0600);
    return pid;
}

static void options_are_checked(void)
{
    const char *vf = rig_vf(0, 0);
    const char *const nothing[] = {"vfring-vfu", NULL};
    const char *const bits[] = {"vfring-vfu", "--vf", vf, "--socket", "/x", "--address-bits", "47", NULL};
    const char *const no_vf[] = {"vfring-vfu", "--vf", "/nowhere/vf0", "--socket", "/nowhere/s", NULL};
    const char *const no_folder[] = {"vfring-vfu", "--vf", vf, "--socket", "/nowhere/s", NULL};
    const char *const not_a_vf[] = {"vfring-vfu", "--vf", "/etc/passwd", "--socket", "/nowhere/s", NULL};
    const char *const rate[] = {"vfring-vfu", "--vf", rig_vf(1, 1000), "--socket", "/nowhere/s", "--dma-messages", NULL};

    refuses(nothing, 2, "--vf and --socket are needed");
    refuses(bits, 2, "from 32 to 46");
    refuses(no_vf, 1, "cannot open /nowhere/vf0: No such file");
    refuses(no_folder, 1, "cannot listen at /nowhere/s: No such file");
    refuses(not_a_vf, 1, "not a soft VF");
    refuses(rate, 1, "--rate 0");
}

/** Waits on an eventfd, as a guest's CPU would. */
static void await(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    uint64_t count;

    CHECK_EQ(poll(&poll_fd, 1, PATIENCE_MS), 1);
    CHECK_EQ(read(fd, &count, sizeof(count)), sizeof(count));
}

static void listen_for_frames(struct guest *guest, int fd)
{
    CHECK_EQ(rig_vectors(&guest->rig, 0, 1, &fd, 1), 0);
    rig_set_reg(&guest->rig, VFRING_82576_IVAR0, VFRING_IVAR_VALID);
    rig_set_reg(&guest->rig, VFRING_82576_EIAC, 1);
    rig_set_reg(&guest->rig, VFRING_82576_EIMS, 1);
    CHECK_EQ(rig_reg(&guest->rig, VFRING_82576_EIMS), 1); /* writes are posted, and frames come by another way */
}

static void two_of_it_are_on_one_switch(void)
{
    static struct guest a, b;
    char paths[2][96];
    const pid_t pids[2] = {serve(0, paths[0], NULL), serve(1, paths[1], NULL)};
    const int interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    guest_boot_at(&a, paths[0]);
    guest_boot_at(&b, paths[1]);
    listen_for_frames(&b, interrupt);
    for (uint8_t i = 0; i < 100; i++) { /* nobody touches b's registers: it is woken by a's process */
        CHECK(guest_send(&a, b.mac, 1000u + i, i));
        await(interrupt);
        CHECK_EQ(guest_receive(&b, i), 1000 + i);
    }
    /* A guest that is gone: the next one has the device. */
    close(b.rig.fd);
    b.rig.fd = -1;
    CHECK(guest_send(&a, b.mac, 60, 1));
    guest_halt(&b);
    guest_boot_at(&b, paths[1]);
    /* The frame may have been delivered, and told, before its server heard that the client is gone. */
    ssize_t told = read(interrupt, &(uint64_t){0}, sizeof(uint64_t));
    (void)told;
    listen_for_frames(&b, interrupt);
    CHECK(guest_send(&a, b.mac, 60, 2));
    await(interrupt);
    CHECK_EQ(guest_receive(&b, 2), 60);
    for (int i = 0; i < 2; i++) {
        kill(pids[i], SIGTERM);
        CHECK_EQ(end_of(pids[i]), 0);
        CHECK(access(paths[i], F_OK) != 0);
    }
    guest_halt(&a);
    guest_halt(&b);
    close(interrupt);
}

/** Gives an order and waits until it is done. */
static void order(int to, int from, const char *line)
{
    char text[64];
    size_t have = 0;

    CHECK_EQ(write(to, line, strlen(line)), (ssize_t)strlen(line));
    while (have == 0 || text[have - 1] != '\n') {
        CHECK(have < sizeof(text) && read(from, text + have, 1) == 1);
        have++;
    }
    CHECK(have == strlen(line) && memcmp(text, line, have) == 0);
}

static void orders_reach_link_and_pf(void)
{
    static struct guest guest;
    char path[96];
    int orders[2], answers[2], own_input = dup(STDIN_FILENO), own_output = dup(STDOUT_FILENO);
    const int interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    CHECK(pipe(orders) == 0 && pipe(answers) == 0 && own_input >= 0 && own_output >= 0);
    dup2(orders[0], STDIN_FILENO);
    dup2(answers[1], STDOUT_FILENO);
    const pid_t pid = serve(0, path, "--orders");
    dup2(own_input, STDIN_FILENO);
    dup2(own_output, STDOUT_FILENO);
    guest_boot_at(&guest, path);
    CHECK_EQ(rig_vectors(&guest.rig, 2, 1, &interrupt, 1), 0);
    rig_set_reg(&guest.rig, VFRING_82576_IVAR_MISC, VFRING_IVAR_VALID | 2u);
    rig_set_reg(&guest.rig, VFRING_82576_EIAC, 4);
    rig_set_reg(&guest.rig, VFRING_82576_EIMS, 4);
    CHECK_EQ(rig_reg(&guest.rig, VFRING_82576_EIMS), 4); /* so do orders */
    order(orders[1], answers[0], "link down\n");
    await(interrupt);
    CHECK_EQ(rig_reg(&guest.rig, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU, 0);
    CHECK_EQ(write(orders[1], "link sideways\n", 14), 14); /* is said, and no more */
    order(orders[1], answers[0], "link up\n");
    await(interrupt);
    CHECK_EQ(rig_reg(&guest.rig, VFRING_82576_STATUS) & VFRING_82576_STATUS_LU, VFRING_82576_STATUS_LU);
    order(orders[1], answers[0], "pf down\n");
    await(interrupt); /* the ping before the reset, which takes EIMS along */
    CHECK_EQ(rig_reg(&guest.rig, VFRING_82576_EIMS), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(rig_reg(&guest.rig, VFRING_82576_V2PMAILBOX) & VFRING_MBX_RSTI);
    }
    order(orders[1], answers[0], "pf up\n");
    (void)rig_reg(&guest.rig, VFRING_82576_V2PMAILBOX);
    CHECK_EQ(rig_reg(&guest.rig, VFRING_82576_V2PMAILBOX) & (VFRING_MBX_RSTI | VFRING_MBX_RSTD), VFRING_MBX_RSTD);
    close(orders[1]); /* no more of them: it serves on */
    close(orders[0]);
    (void)rig_reg(&guest.rig, VFRING_82576_STATUS);
    kill(pid, SIGTERM);
    CHECK_EQ(end_of(pid), 0);
    guest_halt(&guest);
    close(answers[0]);
    close(answers[1]);
    close(own_input);
    close(own_output);
    close(interrupt);
}

static void a_vf_has_one_host(void)
{
    char path[96];
    const pid_t pid = serve(0, path, NULL);
    char vf[96];

    snprintf(vf, sizeof(vf), "%s/vf0", rig_folder());
    const char *const again[] = {"vfring-vfu", "--vf", vf, "--socket", "/nowhere/s", NULL};
    refuses(again, 1, "another process has it open");
    const char *const there[] = {"vfring-vfu", "--vf", rig_vf(1, 0), "--socket", path, NULL};
    refuses(there, 1, "something is there");
    kill(pid, SIGINT);
    CHECK_EQ(end_of(pid), 0);
}

int main(void)
{
    program = getenv("VFRING_VFU");
    CHECK(program != NULL);
    RUN(options_are_checked);
    RUN(two_of_it_are_on_one_switch);
    RUN(orders_reach_link_and_pf);
    RUN(a_vf_has_one_host);
    return 0;
}
