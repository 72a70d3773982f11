/* SPDX-License-Identifier: BSD-3-Clause */
/* What a user is told, and how. The texts are in help-mca-btl-vfring.txt. */
#include "btl_vfring_help.h"

#include "btl_vfring_compat.h"
#include "btl_vfring_said.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char help_file[] = "help-mca-btl-vfring.txt";

/** A link that comes and goes is told of so often at most. */
#define RAIL_AGAIN_S 10u

void btl_vfring_help_init(void)
{
    (void) opal_show_help_add_dir(VFRING_HELP_DIR);
}

/*
 * The text goes straight to standard error. opal_show_help() would send it to
 * mpirun to be merged there; Open MPI 4.1 loses messages on that way when
 * several come at once ("Data unpack would read past end of buffer"), and a
 * process that cannot start has but this one to give.
 */
static char *text_of(const char *topic, va_list args)
{
    char *text = opal_show_help_vstring(help_file, topic, true, args);

    if (!text) {
        opal_output(0, "btl:vfring: %s (its text is not installed: %s/%s)", topic, VFRING_HELP_DIR,
                    help_file);
    }
    return text;
}

static void say(const char *topic, ...)
{
    va_list args;
    char *text;

    va_start(args, topic);
    text = text_of(topic, args);
    va_end(args);
    if (text) {
        btl_vfring_said(opal_process_info.job_session_dir, text, text, 0);
    }
    free(text);
}

/* Also if it was said before, but not less than so many seconds ago. */
static void say_again(unsigned again_s, const char *topic, ...)
{
    va_list args;
    char *text;

    va_start(args, topic);
    text = text_of(topic, args);
    va_end(args);
    if (text) {
        btl_vfring_said(opal_process_info.job_session_dir, text, text, again_s ? again_s : 1);
    }
    free(text);
}

/* Whatever the details are: once a node for @p what. */
static void say_once(const char *what, const char *topic, ...)
{
    va_list args;
    char *text;

    va_start(args, topic);
    text = text_of(topic, args);
    va_end(args);
    if (text) {
        btl_vfring_said(opal_process_info.job_session_dir, what, text, 0);
    }
    free(text);
}

static const char *host(void)
{
    return opal_process_info.nodename ? opal_process_info.nodename : "this host";
}

void btl_vfring_help_unusable(const char *device, const char *cause, const char *remedy)
{
    say("unusable", host(), device, cause, remedy && *remedy ? remedy : "see the kernel log and vfringd's log");
}

void btl_vfring_help_rail_left_out(const char *device, const char *cause, const char *remedy, unsigned left)
{
    say("rail-left-out", host(), device, cause, remedy && *remedy ? remedy : "see the kernel log and vfringd's log", left);
}

void btl_vfring_help_unreachable(const struct btl_vfring_help_pair *pair)
{
    say_once(pair->cause, "unreachable", pair->our_rank, host(), pair->ours, pair->their_rank,
             pair->other_job ? " of another job" : "", pair->their_host, pair->theirs, pair->cause,
             pair->transports, pair->remedy);
}

void btl_vfring_help_no_contact(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer,
                                unsigned seconds)
{
    say_once("no-contact", "no-contact", host(), here->vf, here->link, peer->rank, peer->host, seconds);
}

void btl_vfring_help_full_frames_lost(const struct btl_vfring_help_here *here,
                                      const struct btl_vfring_help_peer *peer, unsigned mtu_bytes)
{
    say("full-frames-lost", host(), here->vf, here->link, peer->rank, peer->host, mtu_bytes);
}

void btl_vfring_help_unsaid(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer,
                            const char *known_by)
{
    say("unsaid", host(), here->vf, peer->rank, peer->host, peer->vf, known_by);
}

void btl_vfring_help_ended(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer)
{
    say("ended", host(), here->vf, peer->rank, peer->host, peer->vf);
}

void btl_vfring_help_lane_aside(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer)
{
    /* The other processes of this node tell of the same about now. */
    say_again(1, "lane-aside", host(), here->vf, here->link, peer->rank, peer->host, peer->vf);
}

void btl_vfring_help_rail_down(const char *vf, const char *cause, unsigned left, bool for_good)
{
    say_again(RAIL_AGAIN_S, "rail-down", for_good ? "is leased, and gone: vfringd may lend it again to later jobs" : "is used again when it works",
              host(), vf, cause, left);
}

void btl_vfring_help_rail_reset(const char *vf, const char *cause)
{
    say_again(RAIL_AGAIN_S, "rail-reset", host(), vf, cause);
}

void btl_vfring_help_rail_back(const char *vf)
{
    say_again(RAIL_AGAIN_S, "rail-back", host(), vf);
}

void btl_vfring_help_no_helper(const char *cause, const char *error)
{
    say("no-helper", host(), cause, error);
}

void btl_vfring_help_too_deep(const char *vf, unsigned depth)
{
    static bool told;

    if (!told) {
        told = true;
        say("too-deep", host(), vf, depth);
    }
}

void btl_vfring_help_silent(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer,
                            const struct btl_vfring_help_silence *silence)
{
    char heard[128] = "nothing; it is asked again each second", limit[64] = "none (btl_vfring_peer_timeout)";

    if (silence->heard) {
        (void) snprintf(heard, sizeof(heard), "a frame %u s ago%s", silence->heard_s,
                        silence->alive ? ": it lives, but what is sent to it gets lost"
                                       : ", nothing since; it is asked again each second");
    }
    if (silence->limit_s) {
        (void) snprintf(limit, sizeof(limit), "%u s (btl_vfring_peer_timeout)", silence->limit_s);
    }
    /* The other processes of this node tell of the same silence about now, and of twice as long a one then. */
    say_again(silence->silent_s / 2, "peer-silent", host(), here->vf, here->link, peer->rank, peer->host, peer->vf,
              silence->silent_s, heard, limit);
}

void btl_vfring_help_failed(const struct btl_vfring_help_here *here, const char *cause)
{
    say("failed", host(), here->vf, here->link, cause);
}
