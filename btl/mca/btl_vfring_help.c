/* SPDX-License-Identifier: BSD-3-Clause */
/* What a user is told, and how. The texts are in help-mca-btl-vfring.txt. */
#include "btl_vfring.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char help_file[] = "help-mca-btl-vfring.txt";

void btl_vfring_help_init(void)
{
    (void) opal_show_help_add_dir(VFRING_HELP_DIR);
}

/*
 * Is this process the first of its node to say so? A hundred ranks have one
 * cause in common as a rule: texts count as the same if they differ in digits
 * only. The mark is a file in the job's own folder, which ends with the job. After
 * @p again_s, if that is not 0, the text may be said again.
 */
static bool first_on_node(const char *dir, const char *text, unsigned again_s)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    char path[512];
    struct stat st;
    int fd;

    for (; *text; text++) {
        if (!isdigit((unsigned char) *text)) {
            hash = (hash ^ (unsigned char) *text) * 16777619u;
        }
    }
    if (!dir
        || (size_t) snprintf(path, sizeof(path), "%s/vfring-said-%08x", dir, hash) >= sizeof(path)) {
        return true;
    }
    fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void) close(fd);
        return true;
    }
    if (errno != EEXIST) {
        return true;
    }
    if (!again_s || stat(path, &st) || time(NULL) - st.st_mtime < (time_t) again_s) {
        return false;
    }
    (void) utimensat(AT_FDCWD, path, NULL, 0); /* now it is said again */
    return true;
}

static void print(const char *text)
{
    (void) fputs(text, stderr);
    (void) fflush(stderr);
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
    if (text && first_on_node(opal_process_info.job_session_dir, text, 0)) {
        print(text);
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
    if (text && first_on_node(opal_process_info.job_session_dir, text, again_s ? again_s : 1)) {
        print(text);
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
    if (text && first_on_node(opal_process_info.job_session_dir, what, 0)) {
        print(text);
    }
    free(text);
}

static const char *host(void)
{
    return opal_process_info.nodename ? opal_process_info.nodename : "this host";
}

void btl_vfring_help_unusable(const char *device, const char *text, const char *cure)
{
    say("unusable", host(), device, text,
                   cure && *cure ? cure : "see the kernel log and vfringd's log");
}

static const char *host_of_proc(const opal_proc_t *proc)
{
#if VFRING_OMPI_MAJOR >= 5
    const char *name = proc ? opal_get_proc_hostname(proc) : NULL;
#else
    const char *name = proc ? proc->proc_hostname : NULL;
#endif

    return name ? name : "unknown host";
}

static const char *host_of(const mca_btl_vfring_endpoint_t *endpoint)
{
    return host_of_proc(endpoint->proc);
}

static const char *vf_state(mca_btl_vfring_module_t *module)
{
    switch (vfring_vf_check(module->vf)) {
    case 0:
        return "up";
    case -ENETDOWN:
        return vfring_vf_cause(module->vf) ? "held by the kernel" : "down: the VF has no link";
    case -ENETRESET:
        return vfring_vf_cause(module->vf) ? "lost: it was reset" : "lost: the PF was reset or went down";
    default:
        return "lost: the device is gone";
    }
}

static bool is_shared_memory(const char *name)
{
    return !strcmp(name, "sm") || !strcmp(name, "vader") || !strcmp(name, "smcuda");
}

/* The other transports that may reach @p proc, best first: one of them carries what we do not. */
static void other_transports(const opal_proc_t *proc, char *text, size_t room)
{
    mca_btl_base_selected_module_t *module;
    size_t used = 0;

    text[0] = '\0';
    OPAL_LIST_FOREACH(module, &mca_btl_base_modules_initialized, mca_btl_base_selected_module_t)
    {
        const char *name = module->btl_component->btl_version.mca_component_name;

        if (module->btl_component == &mca_btl_vfring_component.super || !strcmp(name, "self")
            || strstr(text, name)
            || (is_shared_memory(name) && !OPAL_PROC_ON_LOCAL_NODE(proc->proc_flags))) {
            continue;
        }
        if (used + strlen(name) + 3 > room) {
            return;
        }
        used += (size_t) snprintf(text + used, room - used, "%s%s", used ? ", " : "", name);
    }
    if (!used) {
        (void) snprintf(text, room, "nothing: the job names no other one");
    }
}

/* "VF vf0 (soft), segment soft-…, VLAN none, MTU 1500" */
static void describe(const struct btl_vfring_modex *modex, char *text, size_t room)
{
    char vlan[16] = "none";

    if (modex->vlan) {
        (void) snprintf(vlan, sizeof(vlan), "%u", modex->vlan);
    }
    (void) snprintf(text, room, "VF %s (%s), segment %s, VLAN %s, MTU %u", modex->vf,
                    modex->kind == BTL_VFRING_KIND_SOFT ? "soft" : "real",
                    modex->segment[0] ? modex->segment : "not named", vlan, modex->mtu_bytes);
}

#define REMEDY_VERSION "install one version of vfring on all nodes of the job"

void btl_vfring_help_unreachable(const mca_btl_vfring_module_t *module, const opal_proc_t *proc,
                                 const struct btl_vfring_modex *theirs, enum btl_vfring_pairing why)
{
    static const struct {
        const char *cause, *remedy;
    } texts[] = {
        [BTL_VFRING_PAIR_NO_VF] = {"it has no VF",
                                   "see what the processes of its node said at their start, and the log of "
                                   "vfringd there"},
        [BTL_VFRING_PAIR_OTHER_VERSION] = {"it runs another version of vfring", REMEDY_VERSION},
        [BTL_VFRING_PAIR_MALFORMED] = {"what it tells of its VF is damaged", REMEDY_VERSION},
        [BTL_VFRING_PAIR_OTHER_KIND] = {"a soft VF and a real one do not reach each other",
                                        "give all processes VFs of one kind (provider: in vfringd's configuration)"},
        [BTL_VFRING_PAIR_OTHER_SEGMENT] = {"the VFs are on different segments",
                                           "place the job on nodes of one segment; of real VFs see segment: in vfringd's "
                                           "configuration, soft VFs reach those of their own folder"},
        [BTL_VFRING_PAIR_OTHER_VLAN] = {"the VFs are in different VLANs",
                                        "give the PFs of the job one vlan: in vfringd's configuration"},
        [BTL_VFRING_PAIR_OTHER_MTU] = {"the VFs have different MTUs",
                                       "give all PFs of the job one mtu: in vfringd's configuration, or set the MCA "
                                       "parameter btl_vfring_mtu for the whole job"},
    };
    static bool told[sizeof(texts) / sizeof(texts[0])]; /* by this process */
    char ours[256], other[256], transports[128];

    if (told[why]) {
        return;
    }
    told[why] = true;
    describe(&module->published, ours, sizeof(ours));
    if (why == BTL_VFRING_PAIR_NO_VF || why == BTL_VFRING_PAIR_MALFORMED) {
        (void) snprintf(other, sizeof(other), "VF not known");
    } else if (why == BTL_VFRING_PAIR_OTHER_VERSION) {
        (void) snprintf(other, sizeof(other), "VF not known; modex version %u, wire version %u, where this process has %u and %u",
                        theirs->version, theirs->wire, BTL_VFRING_MODEX_VERSION, VFRING_WIRE_VERSION);
    } else {
        describe(theirs, other, sizeof(other));
    }
    other_transports(proc, transports, sizeof(transports));
    say_once(texts[why].cause, "unreachable", (unsigned) opal_proc_local_get()->proc_name.vpid, host(), ours,
             (unsigned) proc->proc_name.vpid,
             proc->proc_name.jobid == opal_proc_local_get()->proc_name.jobid ? "" : " of another job",
             host_of_proc(proc), other, texts[why].cause, transports, texts[why].remedy);
}

void btl_vfring_help_no_contact(mca_btl_vfring_module_t *module, const mca_btl_vfring_endpoint_t *endpoint)
{
    say_once("no-contact", "no-contact", host(), module->info.name, vf_state(module),
             (unsigned) endpoint->name.vpid, host_of(endpoint),
             mca_btl_vfring_component.connectivity_timeout_s);
}

void btl_vfring_help_full_frames_lost(mca_btl_vfring_module_t *module,
                                      const mca_btl_vfring_endpoint_t *endpoint)
{
    say("full-frames-lost", host(), module->info.name, vf_state(module),
        (unsigned) endpoint->name.vpid, host_of(endpoint), module->info.mtu_bytes);
}

void btl_vfring_help_silent(mca_btl_vfring_module_t *module,
                            const mca_btl_vfring_endpoint_t *endpoint,
                            const struct vfring_wire_silence *silence)
{
    const unsigned silent_s = (unsigned) (silence->silent_ns / 1000000000u);
    const unsigned limit_s = mca_btl_vfring_component.peer_timeout_s;
    char vf[64], heard[128] = "nothing; it is asked again each second", limit[64] = "none (btl_vfring_peer_timeout)";

    if (silence->heard_ns != UINT64_MAX) {
        (void) snprintf(heard, sizeof(heard), "a frame %u s ago%s", (unsigned) (silence->heard_ns / 1000000000u),
                        silence->alive ? ": it lives, but what is sent to it gets lost"
                                       : ", nothing since; it is asked again each second");
    }
    if (limit_s) {
        (void) snprintf(limit, sizeof(limit), "%u s (btl_vfring_peer_timeout)", limit_s);
    }
    btl_vfring_endpoint_vf(endpoint, vf, sizeof(vf));
    /* The other processes of this node tell of the same silence about now, and of twice as long a one then. */
    say_again(silent_s / 2, "peer-silent", host(), module->info.name, vf_state(module), (unsigned) endpoint->name.vpid,
              host_of(endpoint), vf, silent_s, heard, limit);
}

void btl_vfring_report_failure(mca_btl_vfring_module_t *module,
                               const mca_btl_vfring_endpoint_t *endpoint, const char *cause)
{
    char text[512], vf[64];

    if (endpoint) {
        btl_vfring_endpoint_vf(endpoint, vf, sizeof(vf));
        (void) snprintf(text, sizeof(text), "rank %u on %s (VF %s) is lost: %s",
                        (unsigned) endpoint->name.vpid, host_of(endpoint), vf, cause);
    } else {
        (void) snprintf(text, sizeof(text), "%s", cause);
    }
    say("failed", host(), module->info.name, vf_state(module), text);
    if (module->error_cb) {
        btl_vfring_unlock(module);
        module->error_cb(&module->super, MCA_BTL_ERROR_FLAGS_FATAL,
                         endpoint ? endpoint->proc : NULL, text);
        btl_vfring_lock(module);
    }
}

void btl_vfring_print_stats(const mca_btl_vfring_module_t *module)
{
    const struct vfring_wire_stats *s = vfring_wire_stats(module->wire);
    const struct btl_vfring_rdma_stats *r = &module->rdma_stats;
    const struct vfring_reg_stats none = {0};
    const struct vfring_reg_stats *c = module->reg_cache
                                           ? vfring_reg_cache_stats(module->reg_cache)
                                           : &none;

    opal_output(0,
                "btl:vfring:stats vf=%s tx_frames=%llu tx_bytes=%llu rx_frames=%llu rx_bytes=%llu "
                "acks_sent=%llu acks_received=%llu fast_retransmits=%llu timeout_retransmits=%llu "
                "duplicates=%llu malformed=%llu bad_crc=%llu foreign=%llu window_stalls=%llu "
                "ring_stalls=%llu registered_bytes=%llu puts=%llu gets=%llu bytes_placed=%llu "
                "bytes_copied=%llu pieces_copied=%llu rejected=%llu reg_hits=%llu reg_misses=%llu "
                "reg_evictions=%llu reg_invalidations=%llu reg_peak_bytes=%llu doorbells=%llu "
                "assembled=%llu assembly_overflows=%llu queued=%llu",
                module->info.name, (unsigned long long) s->tx_data_frames,
                (unsigned long long) s->tx_payload_bytes, (unsigned long long) s->rx_data_frames,
                (unsigned long long) s->rx_payload_bytes, (unsigned long long) s->tx_ack_frames,
                (unsigned long long) s->rx_ack_frames,
                (unsigned long long) s->tx_fast_retransmits,
                (unsigned long long) s->tx_timeout_retransmits,
                (unsigned long long) s->rx_duplicates, (unsigned long long) s->rx_malformed,
                (unsigned long long) s->rx_bad_crc, (unsigned long long) s->rx_foreign,
                (unsigned long long) s->window_stalls, (unsigned long long) s->ring_stalls,
                (unsigned long long) vfring_vf_dma_bytes(module->vf), (unsigned long long) r->puts,
                (unsigned long long) r->gets, (unsigned long long) r->bytes_placed,
                (unsigned long long) r->bytes_copied, (unsigned long long) r->pieces_copied,
                (unsigned long long) r->rejected, (unsigned long long) c->hits,
                (unsigned long long) c->misses, (unsigned long long) c->evictions,
                (unsigned long long) c->invalidations, (unsigned long long) c->peak_bytes,
                (unsigned long long) vfring_vf_tx_doorbells(module->vf),
                (unsigned long long) module->assemblies.messages,
                (unsigned long long) module->assemblies.overflows,
                (unsigned long long) module->tx_queued);
}
