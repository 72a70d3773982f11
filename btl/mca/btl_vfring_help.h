/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a user is told: prints, and decides nothing. Who calls knows that it is
 * to be said, and all there is to say. The texts are in help-mca-btl-vfring.txt;
 * a hundred ranks of a node with one cause in common say it once.
 *
 * All strings are read during the call alone.
 */
#ifndef BTL_VFRING_HELP_H
#define BTL_VFRING_HELP_H

#include <stdbool.h>

/** Where it is said: the VF of this process. */
struct btl_vfring_help_here {
    const char *vf;
    const char *link; /**< its state in words */
};

/** Of whom it is said. */
struct btl_vfring_help_peer {
    unsigned rank;
    const char *host;
    const char *vf;
};

/** Two processes that do not reach each other. */
struct btl_vfring_help_pair {
    unsigned our_rank, their_rank;
    bool other_job; /**< theirs is of another one */
    const char *their_host;
    const char *ours, *theirs; /**< VFs, described */
    const char *cause, *remedy;
    const char *transports; /**< that carry what goes between the two */
};

/** What is known of a peer that does not answer. */
struct btl_vfring_help_silence {
    unsigned silent_s;
    bool heard;       /**< has it ever said anything? Then: */
    unsigned heard_s; /**< so long ago */
    bool alive;       /**< that was just now */
    unsigned limit_s; /**< when it is given up; 0: never */
};

void btl_vfring_help_init(void);
/** The VF cannot be had or used. @p remedy NULL or "": there is none to name. */
void btl_vfring_help_unusable(const char *device, const char *cause, const char *remedy);
/** Once a node and cause. */
void btl_vfring_help_unreachable(const struct btl_vfring_help_pair *pair);
/** Nothing has told whether the peer's VF is in reach, and for @p seconds no answer came to the first frames. */
void btl_vfring_help_no_contact(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer,
                                unsigned seconds);
void btl_vfring_help_full_frames_lost(const struct btl_vfring_help_here *here,
                                      const struct btl_vfring_help_peer *peer, unsigned mtu_bytes);
/** A process of another job has ended without a goodbye. */
void btl_vfring_help_unsaid(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer,
                            const char *known_by);
/** Somebody would send to a process that has said goodbye. */
void btl_vfring_help_ended(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer);
/** Also if it was said before, but not less than half of the silence ago. */
void btl_vfring_help_silent(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer,
                            const struct btl_vfring_help_silence *silence);
/** The VF was reset, and there is no other one: the job stands still until it is set up anew. */
void btl_vfring_help_rail_reset(const char *vf, const char *cause);
/** What goes from one VF to a peer gets lost; other VFs carry it. */
void btl_vfring_help_lane_aside(const struct btl_vfring_help_here *here, const struct btl_vfring_help_peer *peer);
/** One of several VFs cannot be opened, @p left can. @p remedy as of btl_vfring_help_unusable(). */
void btl_vfring_help_rail_left_out(const char *device, const char *cause, const char *remedy, unsigned left);
/** One of several VFs is set aside, @p left of them work; or it is used again. Not more often than each 10 s. */
void btl_vfring_help_rail_down(const char *vf, const char *cause, unsigned left, bool for_good);
void btl_vfring_help_rail_back(const char *vf);
/** There is no helper (btl_vfring_helper.h). */
void btl_vfring_help_no_helper(const char *cause, const char *error);
/** Progress is called from inside of progress, @p depth times. */
void btl_vfring_help_too_deep(const char *vf, unsigned depth);
/** The job cannot go on. */
void btl_vfring_help_failed(const struct btl_vfring_help_here *here, const char *cause);

#endif /* BTL_VFRING_HELP_H */
