/* SPDX-License-Identifier: BSD-3-Clause */
/* Every MCA parameter of the component, with its range. */
#include "btl_vfring_params.h"

#include "btl_vfring_lease_socket.h"
#include "wire_format.h"

#include <stdlib.h>
#include <string.h>

/*
 * Open MPI's copies of the strings. It frees them when it deregisters the
 * component's parameters, which it does before it calls btl_finalize: so nobody
 * but btl_vfring_params_keep() looks at them.
 */
static struct {
    char *run_dir;
    char *job;
    char *devices;
    char *soft_faults;
    char *segment;
    char *wait;
    char *lease;
} registered;

struct btl_vfring_params btl_vfring_params;

/* Of each string, Open MPI's copy and ours. */
static const struct {
    char **theirs;
    char **ours;
} strings[] = {
    {&registered.run_dir, &btl_vfring_params.run_dir},
    {&registered.job, &btl_vfring_params.job},
    {&registered.devices, &btl_vfring_params.devices},
    {&registered.soft_faults, &btl_vfring_params.soft_faults},
    {&registered.segment, &btl_vfring_params.segment},
    {&registered.wait, &btl_vfring_params.wait},
    {&registered.lease, &btl_vfring_params.lease},
};
#define NUM_STRINGS (sizeof(strings) / sizeof(strings[0]))

#define SILENCE_WARN_S 30u

static const mca_base_component_t *owner;

/* For tools that compare nodes: ompi_info shows it. */
static unsigned int wire_version = VFRING_WIRE_VERSION;

static void add(const char *name, mca_base_var_type_t type, void *storage, mca_base_var_info_lvl_t level, const char *help)
{
    (void) mca_base_component_var_register(owner, name, help, type, NULL, 0, 0, level, MCA_BASE_VAR_SCOPE_LOCAL, storage);
}

static void add_string(const char *name, char **storage, mca_base_var_info_lvl_t level, const char *help)
{
    add(name, MCA_BASE_VAR_TYPE_STRING, storage, level, help);
}

static void add_uint(const char *name, unsigned int *storage, mca_base_var_info_lvl_t level, const char *help)
{
    add(name, MCA_BASE_VAR_TYPE_UNSIGNED_INT, storage, level, help);
}

static void add_size(const char *name, size_t *storage, mca_base_var_info_lvl_t level, const char *help)
{
    add(name, MCA_BASE_VAR_TYPE_SIZE_T, storage, level, help);
}

static void add_bool(const char *name, bool *storage, mca_base_var_info_lvl_t level, const char *help)
{
    add(name, MCA_BASE_VAR_TYPE_BOOL, storage, level, help);
}

void btl_vfring_params_register(const mca_base_component_t *component)
{
    struct btl_vfring_params *c = &btl_vfring_params;
    const char *env_run_dir = getenv("VFRING_RUN_DIR");

    owner = component;
    /* Open MPI keeps its own copy of the string. */
    registered.run_dir = (char *) (env_run_dir && *env_run_dir ? env_run_dir : VFRING_LEASE_DEFAULT_RUN_DIR);
    add_string("run_dir", &registered.run_dir, OPAL_INFO_LVL_3,
               "Folder with the lease socket of vfringd (default: $VFRING_RUN_DIR, else "
               VFRING_LEASE_DEFAULT_RUN_DIR ")");
    registered.job = NULL;
    add_string("job", &registered.job, OPAL_INFO_LVL_9,
               "Job of vfringd that the process belongs to, where VFRING_JOB does not say: processes that are spawned on other hosts "
               "inherit MCA parameters and not the environment (vfring run sets it)");
    registered.devices = NULL;
    add_string("devices", &registered.devices, OPAL_INFO_LVL_3,
               "Devices to use without vfringd: a comma-separated list of /dev/uiovf<N> "
               "nodes or soft VF files; a process takes the one at its local rank, or "
               "when that is in use the first free one beyond those of its job. With "
               "btl_vfring_rails N it takes N in a row");
    c->rails = 0;
    add_uint("rails", &c->rails, OPAL_INFO_LVL_3,
             "VFs of each process, 1 to 8: what goes to a peer is spread over all of them that reach it, and "
             "goes on while one is left. 0: as many as vfringd gives by its configuration, of btl_vfring_devices one");
    registered.segment = NULL;
    add_string("segment", &registered.segment, OPAL_INFO_LVL_3,
               "Name of what a real VF reaches, 1 to 63 of [A-Za-z0-9._:-]: processes with VFs of two "
               "different names do not try (default: what vfringd says; soft VFs have that of their switch)");
    registered.wait = NULL;
    add_string("wait", &registered.wait, OPAL_INFO_LVL_4,
               "How a process waits for messages: spin polls; event sleeps until its VF interrupts; adaptive "
               "polls for btl_vfring_spin_us first (default: adaptive where the job has more processes on the "
               "node than the node has processors, else spin)");
    registered.lease = NULL;
    add_string("lease", &registered.lease, OPAL_INFO_LVL_4,
               "When a process takes a VF: always; or when it is needed, which it is not where all processes of "
               "the job are on one node and share memory: then spawned and connected processes are not reached "
               "over vfring (default: needed; devices that are named by hand are opened always)");
    c->spin_us = 20;
    add_uint("spin_us", &c->spin_us, OPAL_INFO_LVL_5,
             "Microseconds without a frame before a process sleeps, with btl_vfring_wait adaptive");
    c->mtu_bytes = 0;
    add_uint("mtu", &c->mtu_bytes, OPAL_INFO_LVL_3,
             "Layer-2 payload in bytes, 256 to 9216; 0: what the lease says, or 1500");
    c->tx_entries = 0;
    add_uint("tx_entries", &c->tx_entries, OPAL_INFO_LVL_5,
             "Descriptors of the TX ring, 32 to 4096; 0: chosen by the driver");
    c->rx_entries = 0;
    add_uint("rx_entries", &c->rx_entries, OPAL_INFO_LVL_5,
             "Descriptors of the RX ring, 32 to 4096; 0: chosen by the driver");
    c->slots = 512;
    add_uint("slots", &c->slots, OPAL_INFO_LVL_5,
             "Registered send buffers of one frame each, 16 to 65536");
    c->queue_bytes = (size_t) 16 << 20;
    add_size("queue_bytes", &c->queue_bytes, OPAL_INFO_LVL_5,
             "Memory for messages that wait for one peer before their senders wait, too");
    c->assembly_buffers = 16;
    add_uint("assembly_buffers", &c->assembly_buffers, OPAL_INFO_LVL_5,
             "Buffers in which messages longer than a frame, up to btl_vfring_eager_limit or "
             "btl_vfring_max_send_size, are put together: one for each peer whose message "
             "comes in at the time; who finds none has one allocated for its message");
    c->window = 0;
    add_uint("window", &c->window, OPAL_INFO_LVL_5,
             "Frames in flight to one peer, 2 to 512; 0: 64");
    c->rcache_bytes = (size_t) 4 << 20;
    add_size("rcache_bytes", &c->rcache_bytes, OPAL_INFO_LVL_5,
             "Most bytes of user memory kept registered, so that large messages leave "
             "without a copy; 0: copy everything");
    c->rcache_entries = 256;
    add_uint("rcache_entries", &c->rcache_entries, OPAL_INFO_LVL_5,
             "Most pieces of user memory kept registered, up to 65536; 0: copy everything");
    c->zero_copy_min = 32 * 1024;
    add_size("zero_copy_min", &c->zero_copy_min, OPAL_INFO_LVL_5,
             "Messages below so many bytes are copied instead of registered");
    c->fetch = false;
    add_bool("fetch", &c->fetch, OPAL_INFO_LVL_5,
             "Let receivers fetch large messages (get) instead of having them put: less to wait "
             "for, but a message into a receive that is too short is written past its end");
    c->checksum = false;
    add_bool("checksum", &c->checksum, OPAL_INFO_LVL_5,
             "Protect the payload end to end with CRC32C (headers always are)");
    c->ack_delay_us = 0;
    add_uint("ack_delay", &c->ack_delay_us, OPAL_INFO_LVL_9,
             "How long an acknowledgement may wait for data going the other way, in "
             "microseconds; 0: 100");
    c->rto_min_us = 0;
    add_uint("rto_min", &c->rto_min_us, OPAL_INFO_LVL_9,
             "Shortest retransmission timeout in microseconds; 0: 2000");
    c->silence_warn_s = SILENCE_WARN_S;
    add_uint("silence_warn", &c->silence_warn_s, OPAL_INFO_LVL_4,
             "Say so when a peer has acknowledged nothing for so many seconds, and again "
             "after twice, four times ... as many, hourly at last; 0: 30");
    c->peer_timeout_s = 0;
    add_uint("peer_timeout", &c->peer_timeout_s, OPAL_INFO_LVL_4,
             "Give a peer up that has acknowledged nothing for so many seconds; 0: never. A peer "
             "that computes without calling MPI, or is stopped, does not acknowledge either: "
             "with a limit a valid program may be aborted");
    c->link_timeout_s = 20;
    add_uint("link_timeout", &c->link_timeout_s, OPAL_INFO_LVL_4,
             "End the job when the VF of a process has had no link for so many seconds; 0: never, for "
             "networks whose switches may be started anew under a job");
    c->lease_timeout_s = 30;
    add_uint("lease_timeout", &c->lease_timeout_s, OPAL_INFO_LVL_5,
             "Seconds to wait for vfringd's answer");
    c->helper = true;
    add_bool("helper", &c->helper, OPAL_INFO_LVL_5,
             "Have a thread repeat lost frames, and send what waits, while the program is outside of MPI for "
             "long. Without it that has to wait for the program's next call of MPI");
    c->connectivity_check = true;
    add_bool("connectivity_check", &c->connectivity_check, OPAL_INFO_LVL_5,
             "Send a short and a full-size frame before the first message to a peer, and "
             "say so if only the short one arrives");
    c->connectivity_timeout_s = 10;
    add_uint("connectivity_timeout", &c->connectivity_timeout_s, OPAL_INFO_LVL_5,
             "Seconds after which a full-size frame counts as lost by the path, when a "
             "short one has arrived, and after which a first contact without an answer is "
             "told of where no segment was named");
    registered.soft_faults = NULL;
    add_string("soft_faults", &registered.soft_faults, OPAL_INFO_LVL_9,
               "Faults of the soft wire, for tests: "
               "drop=P,dup=P,reorder=P,corrupt=P,delay=P,flap=P,seed=N,burst=N,delay_frames=N,"
               "flap_ms=N,maxlen=N,reset_after=N,reset_ms=N,rate=N,api=N with P from 0 to 1");
    c->stats = false;
    add_bool("stats", &c->stats, OPAL_INFO_LVL_4,
             "Print the counters of each process at the end");
    (void) mca_base_component_var_register(owner, "wire_version",
                                           "Version of the wire format; all processes of a job "
                                           "must have the same. Cannot be set",
                                           MCA_BASE_VAR_TYPE_UNSIGNED_INT, NULL, 0,
                                           MCA_BASE_VAR_FLAG_DEFAULT_ONLY, OPAL_INFO_LVL_4,
                                           MCA_BASE_VAR_SCOPE_CONSTANT, &wire_version);
}

/* Of the MCA parameter btl; *@p excluded: it names those that are not to be. "": the user has said nothing. */
static const char *btl_list(bool *excluded)
{
    const char *const *value = NULL;
    const int index = mca_base_var_find("opal", "btl", NULL, NULL);

    *excluded = false;
    if (index < 0 || mca_base_var_get_value(index, &value, NULL, NULL) != OPAL_SUCCESS || !value || !*value) {
        return "";
    }
    *excluded = **value == '^';
    return *value + *excluded;
}

static bool list_has(const char *list, const char *name)
{
    const size_t length = strlen(name);

    for (const char *found = strstr(list, name); found; found = strstr(found + 1, name)) {
        if ((found == list || found[-1] == ',') && (found[length] == '\0' || found[length] == ',')) {
            return true;
        }
    }
    return false;
}

bool btl_vfring_params_btl_allowed(const char *name)
{
    bool excluded;
    const char *list = btl_list(&excluded);

    return !*list || list_has(list, name) != excluded;
}

/* Did the user name this component in the MCA parameter btl? */
static bool asked_for(void)
{
    bool excluded;
    const char *list = btl_list(&excluded);

    return !excluded && list_has(list, "vfring");
}

int btl_vfring_params_keep(void)
{
    for (size_t i = 0; i < NUM_STRINGS; i++) {
        const char *theirs = *strings[i].theirs;

        free(*strings[i].ours);
        *strings[i].ours = strdup(theirs ? theirs : "");
        if (!*strings[i].ours) {
            btl_vfring_params_forget();
            return OPAL_ERR_OUT_OF_RESOURCE;
        }
    }
    btl_vfring_params.asked_for = asked_for();
    if (!btl_vfring_params.silence_warn_s) {
        btl_vfring_params.silence_warn_s = SILENCE_WARN_S;
    }
    return OPAL_SUCCESS;
}

void btl_vfring_params_forget(void)
{
    for (size_t i = 0; i < NUM_STRINGS; i++) {
        free(*strings[i].ours);
        *strings[i].ours = NULL;
    }
}
