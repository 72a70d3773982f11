/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What families share.
 *
 * Intel 82576EB datasheet, 4.5 (initialization), 7.10 (virtualization); the 82599's
 * has the same handshake in 7.10.
 */
#include "family.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "error.h"
#include "wait.h"

/* How long a PF may be in reset; a link change on it takes well under this. */
#define RESET_LIMIT_US (1000u * 1000u)
/* After a queue was disabled, and for the PF to answer RESET: as Linux's drivers. */
#define SETTLE_US (10u * 1000u)
#define QUEUE_LIMIT_US (10u * 1000u)
#define LINK_LIMIT_US (3000u * 1000u)

/* The first answer may have been overwritten by a ping of the PF. */
#define REQUEST_ATTEMPTS 2

int vfring_family_run(struct vfring_vf *vf, const vfring_family_step *steps, size_t num_steps,
                      struct vfring_vf_error *error)
{
    int ret = 0;

    for (size_t i = 0; i < num_steps && ret == 0; i++) {
        ret = steps[i](vf, error);
    }
    return ret;
}

/* A model that is instant has finished when the register access returns. */
void vfring_family_settle(const struct vfring_vf *vf)
{
    if (!vf->device.instant) {
        vfring_sleep_us(SETTLE_US);
    }
}

int vfring_family_fail_gone(const struct vfring_vf *vf, struct vfring_vf_error *error)
{
    vfring_vf_error_set(error, -ENODEV, "VF %s does not answer on the bus: it was removed, or the PF "
                        "took its VFs away", vf->device.name);
    return vfring_vf_error_remedy(error, "the administrator creates and binds the VFs again (vfring "
                                         "provision, or vfringd)");
}

int vfring_family_fail_pf(const struct vfring_vf *vf, int err, const char *what,
                          struct vfring_vf_error *error)
{
    if (err == -ENODEV) {
        return vfring_family_fail_gone(vf, error);
    }
    vfring_vf_error_set(error, err, "VF %s: %s: the PF is down or resetting, or its driver is not %s",
                        vf->device.name, what, vf->family->pf_driver);
    return vfring_vf_error_remedy(error, "the administrator runs, with PF the network interface of the "
                                         "physical function: ip link set PF up; then start again");
}

/* RSTI while the PF resets, RSTD once it is done. */
static int wait_reset(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    const uint32_t resetting = VFRING_MBX_RSTI | VFRING_MBX_RSTD;
    const uint32_t limit_us = vf->at_once ? VFRING_AT_ONCE_US : RESET_LIMIT_US;
    struct vfring_wait wait = vfring_wait_start(limit_us);

    do {
        uint32_t value = vfring_mailbox_poll(&vf->mailbox);

        if (value == VFRING_MMIO_GONE) {
            return vfring_family_fail_gone(vf, error);
        }
        if (!(value & resetting)) {
            vf->mailbox.shadow = 0;
            return 0;
        }
        vf->mailbox.shadow &= ~VFRING_MBX_RSTD;
    } while (vfring_wait_more(&wait));
    return vfring_family_fail_pf(vf, -ENETDOWN, vf->at_once ? "the PF is in reset" : "the PF has been in reset for 1 s", error);
}

/* RST alone: the function's other bits are the PF's. */
int vfring_family_reset(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    vfring_family_write(vf, vf->family->regs.ctrl, VFRING_CTRL_RST);
    vfring_family_flush(vf);
    vf->mailbox.holds = false; /* what was agreed is forgotten */
    return wait_reset(vf, error);
}

int vfring_family_ask_pf(struct vfring_vf *vf, uint32_t *words, unsigned num_words, unsigned num_reply)
{
    uint32_t request[VFRING_MAILBOX_WORDS];
    int ret = -ETIMEDOUT;

    memcpy(request, words, num_words * sizeof(*words));
    for (unsigned i = 0; i < (vf->at_once ? 1 : REQUEST_ATTEMPTS) && ret == -ETIMEDOUT; i++) {
        memcpy(words, request, num_words * sizeof(*words));
        ret = vfring_mailbox_request(&vf->mailbox, words, num_words, num_reply);
    }
    return ret;
}

static bool mac_usable(const uint8_t mac[6])
{
    static const uint8_t zero[6];

    return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero)) != 0;
}

/* A random one, locally administered (IEEE 802, 8.4). */
static int make_mac(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    if (getrandom(vf->mac, sizeof(vf->mac), 0) != (ssize_t) sizeof(vf->mac)) {
        vfring_vf_error_set(error, -EIO, "VF %s: the PF gave no MAC address and there are no random "
                            "numbers to make one", vf->device.name);
        return vfring_vf_error_remedy(error, "the administrator sets it: ip link set PF vf N mac MAC");
    }
    vf->mac[0] = (uint8_t) ((vf->mac[0] & 0xfcu) | 0x02u);
    return 0;
}

int vfring_family_hello(struct vfring_vf *vf, unsigned num_reply, struct vfring_vf_error *error)
{
    uint32_t words[4] = { VFRING_MSG_RESET };
    int ret = vfring_family_ask_pf(vf, words, 1, num_reply);

    if (ret != 0) {
        return vfring_family_fail_pf(vf, ret, "the PF does not answer the mailbox", error);
    }
    vfring_family_settle(vf);
    if (words[0] & VFRING_MSG_ACK) {
        uint8_t given[6];

        memcpy(given, &words[1], sizeof(given));
        if (mac_usable(given)) {
            memcpy(vf->mac, given, sizeof(given));
            return 0;
        }
    }
    /* Whoever had an address goes on with it: others know it. */
    if (!mac_usable(vf->mac)) {
        ret = make_mac(vf, error);
        if (ret != 0) {
            return ret;
        }
    }
    memset(words, 0, sizeof(words));
    words[0] = VFRING_MSG_SET_MAC_ADDR;
    memcpy(&words[1], vf->mac, sizeof(vf->mac));
    ret = vfring_family_ask_pf(vf, words, 3, 1);
    if (ret != 0) {
        return vfring_family_fail_pf(vf, ret, "the PF does not answer SET_MAC_ADDR", error);
    }
    if (!(words[0] & VFRING_MSG_ACK)) {
        vfring_vf_error_set(error, -EADDRNOTAVAIL, "VF %s has no MAC address: the PF gave none and "
                            "refused the one made here", vf->device.name);
        return vfring_vf_error_remedy(error, "the administrator sets it: ip link set PF vf N mac MAC");
    }
    return 0;
}

int vfring_family_demand(struct vfring_vf *vf, uint32_t *words, unsigned num_words, unsigned num_reply, const char *what,
                         struct vfring_vf_error *error)
{
    int ret = vfring_family_ask_pf(vf, words, num_words, num_reply);

    if (ret == 0 && !(words[0] & VFRING_MSG_ACK)) {
        if (words[0] & VFRING_MSG_CTS) {
            return -EACCES;
        }
        ret = -ENETRESET;
    }
    return ret == 0 ? 0 : vfring_family_fail_pf(vf, ret, what, error);
}

int vfring_family_wait_queue(struct vfring_vf *vf, uint32_t reg, const char *what, struct vfring_vf_error *error)
{
    struct vfring_wait wait = vfring_wait_start(QUEUE_LIMIT_US);

    do {
        uint32_t value = vfring_family_read(vf, reg);

        if (value == VFRING_MMIO_GONE) {
            return vfring_family_fail_gone(vf, error);
        }
        if (value & VFRING_XDCTL_ENABLE) {
            return 0;
        }
    } while (vfring_wait_more(&wait));
    vfring_vf_error_set(error, -EIO, "VF %s: its %s queue does not start", vf->device.name, what);
    return vfring_vf_error_remedy(error, "start again; if it stays so, the administrator resets the "
                                         "VF by binding it anew");
}

int vfring_family_wait_link(struct vfring_vf *vf, struct vfring_vf_error *error)
{
    struct vfring_wait wait = vfring_wait_start(vf->at_once ? 0 : LINK_LIMIT_US);

    do {
        int ret = vf->family->link(vf);

        if (ret == 0) {
            return 0;
        }
        if (ret == -ENODEV) {
            return vfring_family_fail_gone(vf, error);
        }
    } while (vfring_wait_more(&wait));
    vfring_vf_error_set(error, -ENETDOWN, "VF %s has no link after %u s", vf->device.name,
                        vf->at_once ? 0 : LINK_LIMIT_US / 1000000u);
    return vfring_vf_error_remedy(error, "%s", vf->device.no_link_remedy != NULL ?
                                  vf->device.no_link_remedy :
                                  "check cable and switch port of the PF; the administrator runs, with "
                                  "PF its network interface: ip link set PF up");
}

bool vfring_family_was_reset(struct vfring_vf *vf)
{
    uint32_t word;

    if (vfring_mailbox_poll(&vf->mailbox) & (VFRING_MBX_RSTI | VFRING_MBX_RSTD)) {
        vf->reset_seen = true;
    }
    /* The PF pings with CTS while the VF is configured. */
    if (vfring_mailbox_take(&vf->mailbox, &word) && !(word & VFRING_MSG_CTS)) {
        vf->reset_seen = true;
    }
    return vf->reset_seen;
}

/* Whether the function was reset by others, as its registers show it: the queues are off. */
static bool queues_are_off(struct vfring_vf *vf)
{
    return !vf->stopped && !(vfring_family_read(vf, vf->family->regs.rxdctl) & VFRING_XDCTL_ENABLE);
}

int vfring_family_check(struct vfring_vf *vf)
{
    int link = vf->family->link(vf);

    if (link == -ENODEV && vf->device.resets_untold) {
        /* In the middle of a reset it answers with ones as well. If it is gone, the device's status says so. */
        vf->reset_seen = true;
        return -ENETDOWN;
    }
    if (link == -ENODEV) {
        return link;
    }
    if (vf->device.resets_untold && queues_are_off(vf)) {
        vf->reset_seen = true;
    }
    return vfring_family_was_reset(vf) ? -ENETRESET : link;
}
