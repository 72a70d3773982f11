/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * A file cut short under its mapping raises the same signal as revoked
 * registers do.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bar_guard.h"
#include "test.h"

static size_t page;
static sigjmp_buf back;
static volatile sig_atomic_t caught;

static void catch(int number)
{
    (void) number;
    caught++;
    siglongjmp(back, 1);
}

/* Memory whose pages can be taken away by cut(). */
static uint8_t *map_file(int *fd)
{
    char path[] = "/tmp/vfring-guard-XXXXXX";
    uint8_t *vaddr;

    *fd = mkstemp(path);
    CHECK(*fd >= 0);
    unlink(path);
    CHECK_EQ(ftruncate(*fd, (off_t) (4 * page)), 0);
    vaddr = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    CHECK(vaddr != MAP_FAILED);
    memset(vaddr, 0x11, 4 * page);
    return vaddr;
}

static void cut(int fd)
{
    CHECK_EQ(ftruncate(fd, 0), 0);
}

static bool faults(volatile uint8_t *vaddr)
{
    int before = caught;

    if (sigsetjmp(back, 1) == 0) {
        (void) *vaddr;
    }
    return caught != before;
}

static void test_guarded_and_not(void)
{
    volatile uint32_t *bar;
    uint8_t *guarded;
    uint8_t *other;
    int guarded_fd;
    int other_fd;

    guarded = map_file(&guarded_fd);
    other = map_file(&other_fd);
    signal(SIGBUS, catch);
    CHECK_EQ(vfring_bar_guard_add(guarded, 4 * page), 0);
    CHECK(!faults(guarded));
    CHECK_EQ(*guarded, 0x11);

    cut(guarded_fd);
    cut(other_fd);
    bar = (volatile uint32_t *) (guarded + 2 * page);
    bar[4] = 7; /* goes nowhere that anybody would miss, and ends nothing */
    CHECK_EQ(((volatile uint32_t *) guarded)[0], UINT32_MAX);
    CHECK_EQ(((volatile uint32_t *) (guarded + 3 * page))[5], UINT32_MAX);
    CHECK_EQ(caught, 0);

    /* Foreign faults go to whoever was there before, also one sent by hand. */
    CHECK(faults(other));
    CHECK(faults(other + 3 * page));
    CHECK_EQ(caught, 2);
    if (sigsetjmp(back, 1) == 0) {
        raise(SIGBUS);
    }
    CHECK_EQ(caught, 3);

    vfring_bar_guard_remove(guarded);
    munmap(guarded, 4 * page);
    close(guarded_fd);

    struct sigaction now;
    CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
    CHECK(now.sa_handler == catch);
    CHECK(faults(other));
    munmap(other, 4 * page);
    close(other_fd);
}

/* Somebody's handler on top of ours that hands on to it. */
static struct sigaction ours;
static void on_top(int number, siginfo_t *info, void *context)
{
    caught++;
    ours.sa_sigaction(number, info, context);
}

static void test_handler_on_top(void)
{
    struct sigaction top = { .sa_sigaction = on_top, .sa_flags = SA_SIGINFO };
    struct sigaction now;
    uint8_t *guarded;
    int before;
    int fd;

    signal(SIGBUS, catch);
    guarded = map_file(&fd);
    CHECK_EQ(vfring_bar_guard_add(guarded, 4 * page), 0);
    CHECK_EQ(sigaction(SIGBUS, &top, &ours), 0);
    cut(fd);
    before = caught;
    CHECK_EQ(*(volatile uint8_t *) guarded, 0xff);
    CHECK_EQ(caught, before + 1);
    vfring_bar_guard_remove(guarded);
    CHECK_EQ(sigaction(SIGBUS, NULL, &now), 0);
    CHECK(now.sa_sigaction == on_top);
    munmap(guarded, 4 * page);
    close(fd);

    /* A second life under the foreign handler. */
    guarded = map_file(&fd);
    CHECK_EQ(vfring_bar_guard_add(guarded, 4 * page), 0);
    cut(fd);
    CHECK_EQ(*(volatile uint8_t *) guarded, 0xff);
    vfring_bar_guard_remove(guarded);
    munmap(guarded, 4 * page);
    close(fd);
}

/* Nobody was there before: the process ends as it would have. */
static void test_default_ends_process(bool by_hand)
{
    int status;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        struct rlimit none = { 0, 0 };
        uint8_t *guarded;
        uint8_t *other;
        int guarded_fd;
        int other_fd;

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGBUS, SIG_DFL);
        guarded = map_file(&guarded_fd);
        other = map_file(&other_fd);
        CHECK_EQ(vfring_bar_guard_add(guarded, 4 * page), 0);
        cut(other_fd);
        if (by_hand) {
            raise(SIGBUS);
        } else {
            (void) *(volatile uint8_t *) other;
        }
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGBUS);
}

static void test_table_full(void)
{
    uint8_t *memory = mmap(NULL, 257 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(memory != MAP_FAILED);
    for (size_t i = 0; i < 256; i++) {
        CHECK_EQ(vfring_bar_guard_add(memory + i * page, page), 0);
    }
    CHECK_EQ(vfring_bar_guard_add(memory + 256 * page, page), -ENOSPC);
    vfring_bar_guard_remove(memory + 17 * page);
    CHECK_EQ(vfring_bar_guard_add(memory + 256 * page, page), 0);
    for (size_t i = 0; i < 257; i++) {
        vfring_bar_guard_remove(memory + i * page);
    }
    munmap(memory, 257 * page);
}

int main(void)
{
    page = (size_t) sysconf(_SC_PAGESIZE);
    test_default_ends_process(false);
    test_default_ends_process(true);
    test_table_full();
    test_guarded_and_not();
    test_handler_on_top();
    return 0;
}
