/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of a fragment: what the table allows holds together, and a build that checks holds to it. */
#define VFRING_CHECKS 1
#include "btl_vfring_state.h"
#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIT(state) (1u << (state))

/* The states that can be come to from @p from. */
static unsigned reach(enum btl_vfring_state from)
{
    unsigned seen = BIT(from), before = 0;

    while (seen != before) {
        before = seen;
        for (unsigned s = 0; s < BTL_VFRING_STATES; s++) {
            seen |= seen & BIT(s) ? btl_vfring_state_table[s] : 0;
        }
    }
    return seen;
}

static void test_no_state_is_a_trap_or_an_island(void)
{
    for (unsigned s = 0; s < BTL_VFRING_STATES; s++) {
        CHECK(reach((enum btl_vfring_state) s) & BIT(BTL_VFRING_FREE));
    }
    CHECK(reach(BTL_VFRING_FREE) == BIT(BTL_VFRING_STATES) - 1);
}

/* What is in the line of those that are told leaves it by being told, and is in it once. */
static void test_who_is_in_line_is_told(void)
{
    const unsigned in_line = BIT(BTL_VFRING_TOLD) | BIT(BTL_VFRING_LOST) | BIT(BTL_VFRING_OUT_TOLD);

    for (unsigned s = 0; s < BTL_VFRING_STATES; s++) {
        const unsigned next = btl_vfring_state_table[s];

        CHECK(!(next & BIT(s)));
        if (in_line & BIT(s)) {
            CHECK(!(next & ~(in_line | BIT(BTL_VFRING_LENT) | BIT(BTL_VFRING_OUT_LENT))));
        }
    }
}

/* Nobody gets what the wire may still read: what is out comes back before it goes to somebody else. */
static void test_what_is_out_is_not_lent_anew(void)
{
    CHECK(!btl_vfring_state_may(BTL_VFRING_OUT, BTL_VFRING_LENT));
    CHECK(!btl_vfring_state_may(BTL_VFRING_OUT, BTL_VFRING_OUT_LENT));
    CHECK(!btl_vfring_state_may(BTL_VFRING_FREE, BTL_VFRING_LENT));
    for (unsigned s = 0; s < BTL_VFRING_STATES; s++) {
        CHECK(btl_vfring_state_is_out((uint8_t) s) == (s >= BTL_VFRING_OUT));
    }
}

/* Runs one change in a process of its own. @return its status, of wait(). */
static int status_of(enum btl_vfring_state from, enum btl_vfring_state to)
{
    const pid_t pid = fork();
    int status = 0;

    CHECK(pid >= 0);
    if (pid == 0) {
        uint8_t state = (uint8_t) from;

        (void) freopen("/dev/null", "w", stderr);
        btl_vfring_state_change(&state, to);
        _exit(state == to ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static void test_a_checking_build_aborts(void)
{
    for (unsigned from = 0; from < BTL_VFRING_STATES; from++) {
        for (unsigned to = 0; to < BTL_VFRING_STATES; to++) {
            const int status = status_of((enum btl_vfring_state) from, (enum btl_vfring_state) to);

            if (btl_vfring_state_may((enum btl_vfring_state) from, (enum btl_vfring_state) to)) {
                CHECK(status == 0);
            } else {
                CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
            }
        }
    }
}

int main(void)
{
    test_no_state_is_a_trap_or_an_island();
    test_who_is_in_line_is_told();
    test_what_is_out_is_not_lent_anew();
    test_a_checking_build_aborts();
    return 0;
}
