/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any parts of messages, from three peers, into a pool of two
 * buffers. A record is: peer and flags, tag, three bytes of what is left, two of
 * length; bit 7 of the first byte makes `left` what has to come next, bit 6 makes
 * it the first part.
 *
 * Checked: no access outside buffer or payload (of just its size), a message
 * that is complete has the bytes that came, what is malformed leaves nothing.
 */
#include "btl_vfring_assembly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PEERS 3u
#define MAX_BYTES 512u

static void need(int condition)
{
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btl_vfring_assembly *peers[PEERS] = {NULL};
    uint8_t sent[PEERS][MAX_BYTES];
    uint32_t num_sent[PEERS] = {0};
    struct btl_vfring_assemblies pool;

    need(!btl_vfring_assemblies_create(&pool, 2, MAX_BYTES));
    for (; size >= 7; data += 7, size -= 7) {
        const uint32_t who = (data[0] & 63) % PEERS;
        const uint32_t bytes = (data[5] | (uint32_t) data[6] << 8) % (MAX_BYTES + 40);
        uint32_t left = data[2] | (uint32_t) data[3] << 8 | (uint32_t) data[4] << 16;
        uint32_t kind = data[0] & 64 ? BTL_VFRING_MSG_FIRST : BTL_VFRING_MSG_MORE;
        uint8_t *payload = malloc(bytes ? bytes : 1), tag = data[1];
        int rc;

        need(payload != NULL);
        for (uint32_t i = 0; i < bytes; i++) {
            payload[i] = (uint8_t) (data[1] + i);
        }
        if (data[0] & 128 && peers[who]) {
            left = peers[who]->bytes - peers[who]->filled;
            tag = peers[who]->tag;
            kind = BTL_VFRING_MSG_MORE;
        }
        if (!peers[who]) {
            num_sent[who] = 0;
        }
        rc = btl_vfring_assembly_add(&pool, &peers[who], kind | left << BTL_VFRING_MSG_LEFT_SHIFT, tag,
                                     payload, bytes);
        if (rc >= 0) {
            memcpy(sent[who] + num_sent[who], payload, bytes);
            num_sent[who] += bytes;
            need(peers[who] && peers[who]->filled == num_sent[who]);
        } else {
            need(rc == -EPROTO && !peers[who]);
        }
        if (rc == 1) {
            need(num_sent[who] == peers[who]->bytes
                 && !memcmp(peers[who]->data, sent[who], num_sent[who]));
            btl_vfring_assembly_drop(&pool, &peers[who]);
        }
        free(payload);
    }
    for (uint32_t i = 0; i < PEERS; i++) {
        btl_vfring_assembly_drop(&pool, &peers[i]);
    }
    btl_vfring_assemblies_destroy(&pool);
    return 0;
}
