/* SPDX-License-Identifier: BSD-3-Clause */
/* wire_pcap FILE: frames of two wires, one of them lost, as a capture; for dissector.sh. */
#include "wire_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *file;

static void put(const void *data, size_t bytes)
{
    if (fwrite(data, 1, bytes, file) != bytes) {
        perror("wire_pcap");
        exit(1);
    }
}

static void capture(const struct rig_packet *packet)
{
    const uint32_t record[4] = {0, 0, packet->bytes, packet->bytes};

    put(record, sizeof(record));
    put(packet->data, packet->bytes);
}

/* Passes on what @p from has sent, all but frame @p lost (from 1). */
static void pass(struct rig *rig, int from, int to, int lost)
{
    struct rig_packet *packet;

    for (int i = 1; (packet = rig_take(rig, from)); i++) {
        capture(packet);
        if (i != lost) {
            rig_feed(rig, to, packet);
        }
        free(packet);
    }
}

int main(int argc, char **argv)
{
    const uint32_t head[6] = {0xa1b2c3d4u, 2 | 4u << 16, 0, 0, 65535, 1 /* Ethernet */};
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet cut = {.bytes = 40};

    file = argc == 2 ? fopen(argv[1], "wb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: wire_pcap FILE\n");
        return 1;
    }
    put(head, sizeof(head));
    (void) rig_send(rig, 0, 1, 100);
    (void) rig_send(rig, 0, 1, 0);
    (void) rig_send(rig, 0, 1, 24);
    (void) rig_send(rig, 0, 1, 24);
    pass(rig, 0, 1, 2);
    rig_progress(rig, 1);
    pass(rig, 1, 0, 0);
    if (vfring_wire_peer_bye(rig->nodes[1].wire, rig->nodes[1].peers[0])) {
        return 1;
    }
    pass(rig, 1, 0, 1);
    rig_replace(rig, 0, &config);
    vfring_wire_peer_ask(rig->nodes[1].wire, rig->nodes[1].peers[0]);
    pass(rig, 1, 0, 0);
    pass(rig, 0, 1, 0);
    memcpy(cut.data + 12, "\x88\xb5\x02\x01", 4);
    capture(&cut);
    rig_free(rig);
    return fclose(file) ? 1 : 0;
}
