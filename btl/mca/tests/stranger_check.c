/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stranger_check early|hostile, with two processes: frames of a process that the receiver does not know (yet). Exit
 * status 0 only if all was right. Run by mpi.sh.
 */
#include "btl_calls.h"

#include "wire_crc.h"

#include <malloc.h>

enum { NUM = 300, FRAMES = 20000 };

static mca_btl_vfring_module_t *module;

/* Open MPI has told of the processes of this host in MPI_Init: as if it had not. */
static void forget_other(void)
{
    opal_process_name_t name = opal_proc_local_get()->proc_name;
    opal_proc_t *proc;

    endpoint = find(1 - rank);
    name.vpid = (opal_vpid_t) (1 - rank);
    proc = opal_proc_for_name(name);
    CHECK(!btl->btl_del_procs(btl, 1, &proc, &endpoint));
    CHECK(vfring_wire_num_peers(module->wire) == 0);
}

/* NUM messages to somebody who has never heard of us, and is away meanwhile: more than a window, none is missing. */
static void early(void)
{
    int got;

    if (rank == 0) {
        await_asleep();
        for (int i = 0; i < NUM; i++) {
            MPI_Send(&i, 1, MPI_INT, 1, 1, MPI_COMM_WORLD);
        }
        wake_other();
        await_post(fallen_asleep); /* it has all */
        return;
    }
    forget_other();
    sleep_until_woken();
    for (int i = 0; i < NUM; i++) {
        MPI_Recv(&got, 1, MPI_INT, MPI_ANY_SOURCE, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        CHECK(got == i);
    }
    CHECK(vfring_wire_num_peers(module->wire) == 1 && vfring_wire_stats(module->wire)->rx_unknown_peer == 0);
    CHECK(!sem_post(fallen_asleep));
}

/* --- who knows the key, and belongs to nobody ------------------------------------------ */

struct frame {
    struct vfring_wire_hdr hdr;
    uint64_t payload;
};

/* As from @p id, at a MAC address that no process has; each has another one. */
static struct frame forged(uint32_t id, uint8_t type, uint32_t number)
{
    const struct btl_vfring_modex *ours = &module->endpoints.published;
    struct frame frame = {
        .hdr = {.src_mac = {0x0a, 0xff}, .ethertype = {0x88, 0xb5}, .version = VFRING_WIRE_VERSION, .type = type,
                .payload_bytes = sizeof(frame.payload), .src = id, .key = ours->key, .dst = ours->id, .seq = number,
                .credit = 64},
    };

    memcpy(frame.hdr.src_mac + 2, &number, 4);
    memcpy(frame.hdr.dst_mac, ours->rails[0].mac, 6);
    frame.hdr.crc = vfring_wire_crc_frame(&frame.hdr, vfring_wire_crc_covered(&frame.hdr));
    return frame;
}

static size_t heap_bytes(void)
{
    return mallinfo2().uordblks;
}

/*
 * FRAMES of these ids, or of one: all are counted, none is answered, and nothing is kept: of the heap less than a byte
 * a frame, for other threads of the process take and give back memory meanwhile.
 */
static void flood(const char *who, uint32_t id, bool many_ids, uint8_t type)
{
    const struct vfring_wire_stats *stats = vfring_wire_stats(module->wire);
    const uint64_t unknown = stats->rx_unknown_peer, sent = stats->tx_ack_frames + stats->tx_data_frames;
    const uint32_t peers = vfring_wire_num_peers(module->wire), met = module->endpoints.num_met;
    const size_t peer_bytes = vfring_wire_peer_bytes(module->wire), heap = heap_bytes();

    for (uint32_t i = 0; i < FRAMES; i++) {
        const struct frame frame = forged(many_ids ? id + i : id, type, i);

        vfring_wire_input(module->wire, &frame, sizeof(frame), 1);
    }
    if (stats->rx_unknown_peer - unknown != FRAMES || stats->tx_ack_frames + stats->tx_data_frames != sent
        || vfring_wire_num_peers(module->wire) != peers || module->endpoints.num_met != met
        || vfring_wire_peer_bytes(module->wire) != peer_bytes || heap_bytes() > heap + FRAMES) {
        bad = 1;
        printf("%s: %llu of %d counted, %u peers after %u, %zu bytes of the heap after %zu\n", who,
               (unsigned long long) (stats->rx_unknown_peer - unknown), FRAMES, vfring_wire_num_peers(module->wire),
               peers, heap_bytes(), heap);
    }
}

static void hostile(void)
{
    const uint32_t ours = module->endpoints.published.id;
    int value = rank, got = -1;

    endpoint = find(1 - rank);
    MPI_Barrier(MPI_COMM_WORLD);
    AWAIT(vfring_wire_peer_outstanding(endpoint->peer) == 0);
    flood("ids of no job", ours + 1000, true, VFRING_WIRE_TYPE_DATA);
    flood("an id of the other process", ours - (uint32_t) rank + (uint32_t) (1 - rank), false, VFRING_WIRE_TYPE_DATA);
    flood("our own id", ours, false, VFRING_WIRE_TYPE_DATA);
    flood("acknowledgements", ours + 1000, true, VFRING_WIRE_TYPE_ACK);
    flood("goodbyes", ours - (uint32_t) rank + (uint32_t) (1 - rank), false, VFRING_WIRE_TYPE_BYE);
    MPI_Sendrecv(&value, 1, MPI_INT, 1 - rank, 1, &got, 1, MPI_INT, 1 - rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    CHECK(got == 1 - rank);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    alarm_open();
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    module = btl_vfring_to_module(find_module());
    if (!module) {
        printf("rank %d: no vfring\n", rank);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (!strcmp(what, "early")) {
        early();
    } else if (!strcmp(what, "hostile")) {
        hostile();
    } else {
        bad = 1;
    }
    alarm_unlink();
    printf("stranger_check %s: rank %d: %s\n", what, rank, bad ? "FAILED" : "ok");
    MPI_Finalize();
    return bad;
}
