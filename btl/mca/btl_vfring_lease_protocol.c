/* SPDX-License-Identifier: BSD-3-Clause */
/* The lease protocol: each request and each reply is one line of JSON. */
#include "config.h"

#include "btl_vfring_lease_protocol.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

/* --- errors ------------------------------------------------------------------------- */

int vfring_lease_fail(struct vfring_lease_error *error, int err, const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    (void) snprintf(error->code, sizeof(error->code), "%s", code);
    error->remedy[0] = '\0';
    return err;
}

void vfring_lease_remedy(struct vfring_lease_error *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(error->remedy, sizeof(error->remedy), format, args);
    va_end(args);
}

void vfring_lease_other_release(struct vfring_lease_error *error)
{
    vfring_lease_remedy(error, "install vfringd and the BTL of one release: this BTL is of vfring %s, and vfringd of what "
                               "'vfringd --version' says; after an upgrade start vfringd anew (systemctl restart vfringd)",
                        VFRING_VERSION);
}

static bool copy_field(char *to, size_t room, const char *from)
{
    return (size_t) snprintf(to, room, "%s", from) < room;
}

/* --- requests ----------------------------------------------------------------------- */

/* @p request is taken over; NULL: there was no memory for it. */
static int write_line(json_t *request, char line[VFRING_LEASE_MAX_REQUEST_BYTES], struct vfring_lease_error *error)
{
    const size_t room = VFRING_LEASE_MAX_REQUEST_BYTES;
    const size_t length = request ? json_dumpb(request, line, room - 1, JSON_COMPACT) : 0;

    json_decref(request);
    if (length == 0 || length >= room) {
        return vfring_lease_fail(error, -ENOMEM, "VFRING_ERR_SYSTEM", "the lease request cannot be written: %s",
                                 length ? "it is too long" : "no memory");
    }
    line[length] = '\n';
    return (int) length + 1;
}

int vfring_lease_write_lease(const struct vfring_lease_request *request, const struct vfring_lease_except *except,
                             const char *instead_of, bool most, char line[VFRING_LEASE_MAX_REQUEST_BYTES],
                             struct vfring_lease_error *error)
{
    char job[VFRING_LEASE_MAX_JOB_BYTES + 1];
    json_t *message, *names;

    (void) snprintf(job, sizeof(job), "%s", request->job && *request->job ? request->job : "none");
    for (char *c = job; *c; c++) {
        if (!isalnum((unsigned char) *c) && !strchr("._@:+-", *c)) {
            *c = '_';
        }
    }
    names = except ? json_array() : NULL;
    for (unsigned i = 0; names && i < except->num; i++) {
        (void) json_array_append_new(names, json_string(except->name[i]));
    }
    message = json_pack("{s:i, s:s, s:i, s:s, s:i, s:i, s:O*, s:s*}", "v", 1, "op", "lease", "count",
                        (int) (request->count ? request->count : 1), "job", job, "rank", (int) request->rank,
                        "ranks", (int) request->ranks, "except", names, "instead_of", instead_of);
    json_decref(names);
    if (message && most) {
        (void) json_object_set_new(message, "most", json_integer((json_int_t) request->most));
        if (request->local_ranks) {
            (void) json_object_set_new(message, "local_ranks", json_integer((json_int_t) request->local_ranks));
        }
    }
    return write_line(message, line, error);
}

int vfring_lease_write_show(const char *id, char line[VFRING_LEASE_MAX_REQUEST_BYTES], struct vfring_lease_error *error)
{
    return write_line(json_pack("{s:i, s:s, s:s}", "v", 1, "op", "show", "lease", id), line, error);
}

/* @p now: the VF is at work still, or set aside. */
static json_t *vf_report(const struct vfring_lease_vf_report *vf, bool now)
{
    json_t *report = json_pack("{s:s, s:I, s:I}", "name", vf->name, "retransmitted", (json_int_t) vf->retransmitted_frames,
                               "asides", (json_int_t) vf->asides);
    char why[sizeof(vf->why)];

    (void) copy_field(why, sizeof(why), vf->why);
    for (char *c = why; *c; c++) {
        *c = *c < ' ' || *c > '~' ? '?' : *c;
    }
    if (report && *why) {
        (void) json_object_set_new(report, "why", json_string(why));
    }
    if (report && now) {
        (void) json_object_set_new(report, "aside", json_boolean(vf->aside));
    }
    return report;
}

/* NULL: it cannot be made. */
static json_t *report_of(const struct vfring_lease_report *report, bool now)
{
    json_t *told = json_pack("{s:I, s:I}", "retransmitted", (json_int_t) report->retransmitted_frames,
                             "fallbacks", (json_int_t) report->fallbacks);
    json_t *vfs = told && report->num_vfs ? json_array() : NULL;

    for (uint32_t i = 0; vfs && i < report->num_vfs; i++) {
        (void) json_array_append_new(vfs, vf_report(&report->vf[i], now));
    }
    if (vfs) {
        (void) json_object_set_new(told, "vfs", vfs);
    }
    return told;
}

int vfring_lease_write_release(const char *id, const struct vfring_lease_report *report,
                               char line[VFRING_LEASE_MAX_REQUEST_BYTES], struct vfring_lease_error *error)
{
    json_t *message = json_pack("{s:i, s:s, s:s}", "v", 1, "op", "release", "lease", id);

    if (message && report) {
        /* If it cannot be made, the lease is given back without. */
        (void) json_object_set_new(message, "report", report_of(report, false));
    }
    return write_line(message, line, error);
}

int vfring_lease_write_report(const char *id, const struct vfring_lease_report *report,
                              char line[VFRING_LEASE_MAX_REQUEST_BYTES], struct vfring_lease_error *error)
{
    return write_line(json_pack("{s:i, s:s, s:s, s:o*}", "v", 1, "op", "report", "lease", id, "report",
                                report_of(report, true)), line, error);
}

int vfring_lease_write_vf(const uint8_t mac[6], char line[VFRING_LEASE_MAX_REQUEST_BYTES],
                          struct vfring_lease_error *error)
{
    char text[18];

    (void) snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    return write_line(json_pack("{s:i, s:s, s:s}", "v", 1, "op", "vf", "mac", text), line, error);
}

/* --- replies ------------------------------------------------------------------------ */

static int not_ours(struct vfring_lease_error *error, const char *what)
{
    vfring_lease_fail(error, 0, "VFRING_ERR_PROTOCOL", "vfringd's answer is not understood: %s", what);
    vfring_lease_other_release(error);
    return -EPROTO;
}

static int parse_refusal(json_t *root, struct vfring_lease_error *error)
{
    const char *code, *message, *cure;

    if (json_unpack(root, "{s:s, s:s, s:s}", "code", &code, "message", &message, "remedy", &cure)) {
        return not_ours(error, "an error without code, message and remedy");
    }
    (void) snprintf(error->code, sizeof(error->code), "%s", code);
    (void) snprintf(error->text, sizeof(error->text), "%s", message);
    (void) snprintf(error->remedy, sizeof(error->remedy), "%s", cure);
    return -EREMOTE;
}

bool vfring_segment_valid(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    const size_t length = strlen(name);

    return length > 0 && length < sizeof(((struct vfring_lease *) 0)->segment)
        && strspn(name, allowed) == length;
}

static int parse_vf(const char *id, json_t *vf, struct vfring_lease *lease, struct vfring_lease_error *error)
{
    const char *kind, *name, *device, *pf = "", *segment = "", *backend = "";
    int mtu, vlan = 0;

    if (json_unpack(vf, "{s:s, s:s, s:s, s:i}", "kind", &kind, "name", &name, "device", &device,
                    "mtu", &mtu)) {
        return not_ours(error, "a VF without kind, name, device and mtu");
    }
    (void) json_unpack(vf, "{s?s}", "pf", &pf);
    /* A daemon of before did not say; what it says in another form is no answer of this protocol. */
    if (json_unpack(vf, "{s?s, s?i, s?s}", "segment", &segment, "vlan", &vlan, "backend", &backend)) {
        return not_ours(error, "a VF with a segment, vlan or backend of another type");
    }
    if (*backend && strcmp(backend, "uio_vf") && strcmp(backend, "vfio")) {
        return not_ours(error, "a VF of an unknown backend");
    }
    if (vlan < 0 || vlan > 4094 || (*segment && !vfring_segment_valid(segment))) {
        return not_ours(error, "a segment or vlan is out of range");
    }
    if (mtu < 576 || mtu > 9216 || device[0] != '/'
        || (strcmp(kind, "sriov") && strcmp(kind, "soft"))
        || !copy_field(lease->id, sizeof(lease->id), id)
        || !copy_field(lease->name, sizeof(lease->name), name)
        || !copy_field(lease->device, sizeof(lease->device), device)
        || !copy_field(lease->pf, sizeof(lease->pf), pf)
        || !copy_field(lease->segment, sizeof(lease->segment), segment)) {
        return not_ours(error, "a field is out of range");
    }
    lease->mtu_bytes = (uint32_t) mtu;
    lease->soft = !strcmp(kind, "soft");
    lease->vfio = !strcmp(backend, "vfio");
    lease->device_fd = lease->container_fd = -1;
    lease->vlan = (uint32_t) vlan;
    return 0;
}

/* Where the VFs of a lease go. */
struct vfs {
    struct vfring_lease *vf;
    size_t room;
};

static int parse_lease(json_t *root, void *to, struct vfring_lease_error *error)
{
    const struct vfs *vfs = to;
    const char *id;
    json_t *list, *vf;
    size_t i;

    if (json_unpack(root, "{s:s, s:o}", "lease", &id, "vfs", &list) || !json_array_size(list)) {
        return not_ours(error, "a lease without its VFs");
    }
    if (json_array_size(list) > vfs->room) {
        return not_ours(error, "a lease of more VFs than were asked for");
    }
    json_array_foreach(list, i, vf) {
        const int rc = parse_vf(id, vf, &vfs->vf[i], error);

        if (rc) {
            return rc;
        }
    }
    return (int) json_array_size(list);
}

/* What an answer is taken for: fills *@p to from an "ok". 0, or a negative errno with @p error filled. */
typedef int (*answer_parser)(json_t *root, void *to, struct vfring_lease_error *error);

static int parse_answer(const char *reply, size_t bytes, answer_parser parse, void *to,
                        struct vfring_lease_error *error)
{
    json_error_t json_error;
    json_t *root = json_loadb(reply, bytes, JSON_REJECT_DUPLICATES, &json_error);
    int version, ok, rc;

    if (!root) {
        return not_ours(error, json_error.text);
    }
    if (json_unpack(root, "{s:i, s:b}", "v", &version, "ok", &ok) || version != 1) {
        rc = not_ours(error, "no version 1 reply");
    } else if (!ok) {
        rc = parse_refusal(root, error);
    } else {
        rc = parse ? parse(root, to, error) : 0;
    }
    json_decref(root);
    return rc;
}

static int parse_back(json_t *root, void *to, struct vfring_lease_error *error)
{
    json_int_t back_ms = -1;

    if (json_unpack(root, "{s?I}", "back_ms", &back_ms)) {
        return not_ours(error, "back_ms is no number");
    }
    *(int64_t *) to = back_ms >= 0 ? (int64_t) back_ms : -1;
    return 0;
}

int vfring_lease_parse_reply(const char *reply, size_t bytes, struct vfring_lease *vfs, unsigned room,
                             struct vfring_lease_error *error)
{
    struct vfs to = {.vf = vfs, .room = room};

    return parse_answer(reply, bytes, vfs ? parse_lease : NULL, &to, error);
}

int vfring_lease_parse_back(const char *reply, size_t bytes, int64_t *back_ms, struct vfring_lease_error *error)
{
    return parse_answer(reply, bytes, parse_back, back_ms, error);
}
