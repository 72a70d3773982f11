/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rails that do not work.
 *
 * A VF without a link reads its ring and loses what is in it, as a rule: it stays as it is, and is used again when
 * the link is back. One that does not read is stopped, for nobody may write to the header of a frame that it may yet
 * read; so is one that was reset or is gone. It is set up anew in place, tried now and then. One that is gone is opened
 * anew when it is back. Of a leased one vfringd is asked each time whether it is ours still: if an administrator has taken it, it
 * is closed; and it is opened anew only if vfringd says so, which also says where it is, for one that was bound anew has another node.
 *
 * The only VF of a process, or the last, is set aside for a reset alone: then there is nothing to lose. Without a link, or
 * gone, it is btl_vfring_watch() that says when that is the end.
 */
#include "btl_vfring_aside.h"

#include "btl_vfring_clock.h"
#include "btl_vfring_device.h"
#include "btl_vfring_help.h"
#include "btl_vfring_params.h"
#include "btl_vfring_upcall.h"

#include <errno.h>

/** Frames that a VF without a link has not read by then it will not read. */
#define DRAIN_NS 20000000u
/** Between two tries to set a VF up, or questions whose it is: at first, and at most 64 times that; where there is no other, 4 times. */
#define RETRY_NS 250000000u
#define RETRY_SHIFT_MAX 6u
#define RETRY_SHIFT_MAX_ONLY 2u
/** So often a vfringd is asked that does not answer. */
#define UNANSWERED_MAX 5u
/** A link that comes and goes is told to vfringd so often at most. */
#define TELL_NS 1000000000u

/* @p state, of the VF: -ENODEV is for good, if vfringd has opened it for us. */
static void set_aside(mca_btl_vfring_module_t *module, struct btl_vfring_rail *rail, int state, bool stop, const char *cause,
                      uint64_t now_ns)
{
    const uint32_t number = (uint32_t) (rail - module->rails.rail);

    if (stop && !rail->dead) {
        btl_vfring_rail_stop(rail);
        rail->dead = true;
        rail->gone = false;
        rail->retry_shift = 0;
        rail->retry_ns = now_ns;
    }
    if (rail->down) {
        return;
    }
    rail->down = true;
    module->wait.listens = false; /* to the rails as they were: this one may be closed before the process sleeps */
    rail->downs++;
    module->rails_untold = true;
    (void) snprintf(rail->why, sizeof(rail->why), "%.*s", (int) sizeof(rail->why) - 1, cause);
    rail->down_since_ns = now_ns;
    rail->retry_shift = 0;
    rail->retry_ns = now_ns;
    if (module->rails.others) { /* the wire of a process with one knows of none */
        vfring_wire_rail_set(module->wire, number, false, now_ns);
    }
    if (btl_vfring_rails_up(&module->rails)) {
        btl_vfring_help_rail_down(rail->info.name, cause, btl_vfring_rails_up(&module->rails),
                                  state == -ENODEV && rail->lease.vfio);
    } else {
        btl_vfring_help_rail_reset(rail->info.name, cause);
    }
}

static void take_back(mca_btl_vfring_module_t *module, struct btl_vfring_rail *rail, uint64_t now_ns)
{
    rail->down = rail->dead = false;
    module->wait.listens = false; /* not to this one, whose interrupts the reset has masked */
    module->rails_untold = true;
    if (module->rails.others) {
        vfring_wire_rail_set(module->wire, (uint32_t) (rail - module->rails.rail), true, now_ns);
    }
    btl_vfring_help_rail_back(rail->info.name);
}

/* From inside of what was called with a frame of it no VF may be closed. */
static bool may_close(const mca_btl_vfring_module_t *module)
{
    return !module->inside;
}

/*
 * One that is not ours any more is whoever's next. Who took it tells once, by a reset: a vfringd that is too busy to answer is asked
 * again before the VF is used again. One that never answers must not end the job.
 * @return 1: it was let go; 0: it is ours, of which we have vfringd's word if *@p sure; -EAGAIN: it may not be, or is not, and cannot be
 * let go now.
 */
static int let_go_if_taken(const mca_btl_vfring_module_t *module, struct btl_vfring_rail *rail, bool *sure)
{
    const int taken = rail->taken ? 1 : btl_vfring_device_taken(&rail->lease);

    *sure = taken == 0;
    if (taken == -EAGAIN && rail->unanswered < UNANSWERED_MAX) {
        rail->unanswered++;
        return taken;
    }
    rail->unanswered = 0;
    if (taken <= 0) {
        return 0;
    }
    rail->taken = true;
    if (!may_close(module)) {
        return -EAGAIN;
    }
    (void) snprintf(rail->why, sizeof(rail->why), "it was taken away (vfring lease end)");
    (void) snprintf(rail->refused, sizeof(rail->refused), "%s", rail->why);
    btl_vfring_rail_stop(rail);
    btl_vfring_rail_let_go(rail);
    rail->dead = rail->gone = true;
    return 1;
}

static void wait_to_retry(const mca_btl_vfring_module_t *module, struct btl_vfring_rail *rail)
{
    const uint32_t most = btl_vfring_rails_up(&module->rails) ? RETRY_SHIFT_MAX : RETRY_SHIFT_MAX_ONLY;

    /* A try may have taken some tenths of a second. */
    rail->retry_ns = btl_vfring_now_ns() + ((uint64_t) RETRY_NS << rail->retry_shift);
    rail->retry_shift = rail->retry_shift < most ? rail->retry_shift + 1 : most;
}

/* Another thread may sleep on the VF, which may be closed. One that is somebody else's is as soon as it can be. */
static bool is_due(const mca_btl_vfring_module_t *module, const struct btl_vfring_rail *rail, uint64_t now_ns)
{
    return (rail->taken || now_ns >= rail->retry_ns) && !__atomic_load_n(&module->wait.num_asleep, __ATOMIC_ACQUIRE);
}

static void retry(mca_btl_vfring_module_t *module, struct btl_vfring_rail *rail, uint64_t now_ns)
{
    bool sure;
    int rc;

    if (rail->gone || !is_due(module, rail, now_ns)) {
        return;
    }
    rc = let_go_if_taken(module, rail, &sure);
    if (rc) {
        if (rc < 0) {
            wait_to_retry(module, rail);
        }
        return;
    }
    rc = btl_vfring_rails_revive(&module->rails, rail, sure && may_close(module));
    if (!rc) {
        take_back(module, rail, now_ns);
        return;
    }
    rail->gone = rc == -ENODEV && may_close(module) && (rail->lease.vfio || !module->rails.others);
    wait_to_retry(module, rail);
}

/* @p others: rails beside this one that are not set aside. */
static void look_at(mca_btl_vfring_module_t *module, struct btl_vfring_rail *rail, uint32_t others, uint64_t now_ns)
{
    const char *cause;
    uint64_t down_ns;
    bool sure;
    int state;

    if (rail->dead) {
        retry(module, rail, now_ns);
        return;
    }
    if (rail->down && is_due(module, rail, now_ns)) {
        (void) let_go_if_taken(module, rail, &sure);
        wait_to_retry(module, rail);
    }
    if (rail->taken) {
        return;
    }
    state = vfring_vf_check(rail->vf);
    down_ns = btl_vfring_rail_link_looked(rail, state == -ENETDOWN, now_ns);
    cause = vfring_vf_cause(rail->vf);
    if (!state) {
        if (rail->down) {
            take_back(module, rail, now_ns);
        }
    } else if (!others && state != -ENETRESET) {
        /* The last one: btl_vfring_watch() says when that is the end. */
    } else if (state == -ENETDOWN) {
        const bool reads = !btl_vfring_rail_waiting(rail);

        if (reads || down_ns > DRAIN_NS) {
            set_aside(module, rail, state, !reads, cause ? cause : "it has no link: is the cable out, the switch off or the PF "
                                                                   "set down?", now_ns);
        }
    } else {
        set_aside(module, rail, state, true,
                  cause             ? cause
                  : state == -ENODEV ? "it was unbound from uio_vf or removed"
                                     : "its PF was reset or set down; a new MTU or number of ring entries of the PF is a "
                                       "reset of it, too", now_ns);
        retry(module, rail, now_ns);
    }
}

/* All are set aside, which takes a reset of the last: that may last, but not for ever. */
static void look_for_the_end(mca_btl_vfring_module_t *module, uint64_t now_ns)
{
    const uint64_t limit_s = btl_vfring_params.link_timeout_s;
    const struct btl_vfring_rail *last = &module->rails.rail[0];
    bool all_gone = true;
    char cause[512];

    for (uint32_t i = 0; i < module->rails.num; i++) {
        const struct btl_vfring_rail *rail = &module->rails.rail[i];

        all_gone &= rail->gone;
        last = rail->down_since_ns > last->down_since_ns ? rail : last;
    }
    if (all_gone) {
        (void) snprintf(cause, sizeof(cause), "its VF was reset, and cannot be used any more: %s", last->refused);
        btl_vfring_upcall_lost_once(module, NULL, cause);
    } else if (limit_s && now_ns - last->down_since_ns > limit_s * 1000000000u) {
        (void) snprintf(cause, sizeof(cause), "its VF was reset, and could not be set up anew for %u s "
                        "(btl_vfring_link_timeout): %s", (unsigned) limit_s, last->refused);
        btl_vfring_upcall_lost_once(module, NULL, cause);
    }
}

/* A peer that no rail reaches any more. */
static void look_for_cut_off(mca_btl_vfring_module_t *module, uint64_t now_ns)
{
    const uint64_t limit_s = btl_vfring_params.link_timeout_s;
    uint32_t lost = 0;
    char cause[256];

    for (uint32_t i = 0; i < module->rails.num; i++) {
        const struct btl_vfring_rail *rail = &module->rails.rail[i];

        if (rail->down && now_ns - rail->down_since_ns > limit_s * 1000000000u) {
            lost |= 1u << i;
        }
    }
    for (mca_btl_vfring_endpoint_t *e = module->endpoints.head; e && lost && limit_s; e = e->next) {
        if (!(e->rails & ~lost) && e->contact && !btl_vfring_endpoint_is_gone(&module->endpoints, e)) {
            (void) snprintf(cause, sizeof(cause), "no VF of this process that reaches it has worked for %u s "
                            "(btl_vfring_link_timeout)", (unsigned) limit_s);
            btl_vfring_upcall_lost_once(module, e, cause);
            return;
        }
    }
}

void btl_vfring_aside_look(mca_btl_vfring_module_t *module, uint64_t now_ns)
{
    bool any = false;

    for (uint32_t i = 0; i < module->rails.num; i++) {
        struct btl_vfring_rail *rail = &module->rails.rail[i];

        look_at(module, rail, btl_vfring_rails_up(&module->rails) - !rail->down, now_ns);
        any |= rail->down;
    }
    if (any && !module->fatal_reported) {
        if (btl_vfring_rails_up(&module->rails)) {
            look_for_cut_off(module, now_ns);
        } else {
            look_for_the_end(module, now_ns);
        }
    }
    if (module->rails_untold && now_ns >= module->rails_tell_ns) {
        module->rails_untold = false;
        module->rails_tell_ns = now_ns + TELL_NS;
        btl_vfring_module_tell(module);
    }
}
