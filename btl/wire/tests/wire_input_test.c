/* SPDX-License-Identifier: BSD-3-Clause */
/* The way in: nothing malformed, foreign, repeated or out of step is delivered. */
#include "check.h"
#include "wire_rig.h"

#include <stdlib.h>

/* One DATA frame from node 0 to node 1, taken off the wire. */
static struct rig_packet *data_packet(struct rig *rig, uint32_t bytes)
{
    (void) rig_send(rig, 0, 1, bytes);
    return rig_take(rig, 0);
}

static uint64_t all_dropped(const struct vfring_wire_stats *s)
{
    return s->rx_malformed + s->rx_bad_crc + s->rx_foreign + s->rx_unknown_peer + s->rx_bad_ack
           + s->rx_beyond_window + s->rx_duplicates + s->rx_early_dropped;
}

/*
 * Feeds @p packet to node 1: it must move the counter at @p offset in the
 * statistics by one, no other drop counter, and deliver nothing.
 */
static void check_dropped_at(struct rig *rig, const struct rig_packet *packet, size_t offset,
                             int line)
{
    const struct vfring_wire_stats before = *rig_stats(rig, 1);
    const uint32_t delivered = rig->nodes[1].num_delivered;
    const struct vfring_wire_stats *after = rig_stats(rig, 1);
    uint64_t old_count, new_count;

    rig_feed(rig, 1, packet);
    memcpy(&old_count, (const char *) &before + offset, sizeof(old_count));
    memcpy(&new_count, (const char *) after + offset, sizeof(new_count));
    if (new_count != old_count + 1 || all_dropped(after) != all_dropped(&before) + 1
        || rig->nodes[1].num_delivered != delivered) {
        (void) fprintf(stderr, "line %d: wrong counter, or delivered\n", line);
        check_failures++;
    }
}

#define CHECK_DROPPED(rig, packet, counter) \
    check_dropped_at(rig, packet, offsetof(struct vfring_wire_stats, counter), __LINE__)

static void test_malformed(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *good = data_packet(rig, 100), bad;
    struct vfring_wire_hdr *hdr = rig_hdr(&bad);

    /* Each time a good frame with one thing wrong, and a checksum that fits. */
    for (uint32_t bytes = 0; bytes < VFRING_WIRE_HDR_BYTES; bytes++) {
        bad = *good;
        bad.bytes = bytes;
        CHECK_DROPPED(rig, &bad, rx_malformed);
    }
    bad = *good;
    hdr->version = VFRING_WIRE_VERSION + 1;
    rig_seal(&bad);
    CHECK_DROPPED(rig, &bad, rx_malformed);
    for (unsigned type = 0; type < 256; type++) {
        if (type != VFRING_WIRE_TYPE_DATA) { /* an ACK has no payload: malformed too */
            bad = *good;
            hdr->type = (uint8_t) type;
            rig_seal(&bad);
            CHECK_DROPPED(rig, &bad, rx_malformed);
        }
    }
    for (unsigned flag = VFRING_WIRE_FLAGS + 1; flag < 256; flag <<= 1) {
        bad = *good;
        hdr->flags |= (uint8_t) flag;
        rig_seal(&bad);
        CHECK_DROPPED(rig, &bad, rx_malformed);
    }
    bad = *good;
    hdr->reserved = 0x8000;
    rig_seal(&bad);
    CHECK_DROPPED(rig, &bad, rx_malformed);
    for (unsigned more = 1; more < 0x10000 - 100; more *= 2) {
        bad = *good;
        hdr->payload_bytes = (uint16_t) (100 + more); /* longer than the frame */
        hdr->flags = 0;
        rig_seal(&bad);
        CHECK_DROPPED(rig, &bad, rx_malformed);
    }
    for (unsigned length = 1; length <= 100; length++) { /* of an ACK's payload: whole words, a window at most */
        if (length % 8 || length > 8 * VFRING_WIRE_ACK_MAX_WORDS) {
            bad = *good;
            hdr->type = VFRING_WIRE_TYPE_ACK;
            hdr->payload_bytes = (uint16_t) length;
            rig_seal(&bad);
            CHECK_DROPPED(rig, &bad, rx_malformed);
        }
    }
    CHECK_INT(rig->nodes[1].num_delivered, 0);
    rig_feed(rig, 1, good);
    CHECK_INT(rig->nodes[1].num_delivered, 1);
    free(good);
    rig_free(rig);
}

static void test_bad_crc(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *good = data_packet(rig, 100), bad;
    const size_t first = offsetof(struct vfring_wire_hdr, version);
    struct vfring_wire_stats before;

    /* Any one bit from the version to the end of the payload. */
    for (size_t bit = 8 * first; bit < 8 * (VFRING_WIRE_HDR_BYTES + 100); bit++) {
        bad = *good;
        bad.data[bit / 8] ^= (uint8_t) (1u << (bit % 8));
        before = *rig_stats(rig, 1);
        rig_feed(rig, 1, &bad);
        CHECK_INT(all_dropped(rig_stats(rig, 1)), all_dropped(&before) + 1);
    }
    CHECK_INT(rig->nodes[1].num_delivered, 0);
    CHECK(rig_stats(rig, 1)->rx_bad_crc > 1000);
    bad = *good;
    rig_hdr(&bad)->crc ^= 1;
    CHECK_DROPPED(rig, &bad, rx_bad_crc);
    bad = *good;
    bad.data[VFRING_WIRE_HDR_BYTES + 99] ^= 0x10;
    CHECK_DROPPED(rig, &bad, rx_bad_crc);
    free(good);
    rig_free(rig);
}

/* Without a payload checksum the header and the payload's head are protected, the rest is not. */
static void test_header_crc_alone(void)
{
    struct vfring_wire_config config = rig_config();
    struct rig_packet *packet;
    struct rig *rig;

    config.crc_payload = false;
    rig = rig_make(2, &config);
    packet = data_packet(rig, 100);
    CHECK_INT(rig_hdr(packet)->flags, 0);
    rig_hdr(packet)->seq ^= 1;
    CHECK_DROPPED(rig, packet, rx_bad_crc);
    rig_hdr(packet)->seq ^= 1;
    for (uint32_t i = 0; i < VFRING_WIRE_CRC_PREFIX_BYTES; i++) {
        packet->data[VFRING_WIRE_HDR_BYTES + i] ^= 0x80;
        CHECK_DROPPED(rig, packet, rx_bad_crc);
        packet->data[VFRING_WIRE_HDR_BYTES + i] ^= 0x80;
    }
    packet->data[VFRING_WIRE_HDR_BYTES + VFRING_WIRE_CRC_PREFIX_BYTES] ^= 1;
    rig_feed(rig, 1, packet);
    CHECK_INT(rig->nodes[1].num_delivered, 1);
    free(packet);
    rig_free(rig);
}

static void test_foreign(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *good = data_packet(rig, 8), bad;
    struct vfring_wire_hdr *hdr = rig_hdr(&bad);

    bad = *good;
    hdr->ethertype[0] = 0x08; /* IPv4 */
    hdr->ethertype[1] = 0x00;
    CHECK_DROPPED(rig, &bad, rx_foreign);
    bad = *good;
    hdr->ethertype[1] = 0xB6;
    CHECK_DROPPED(rig, &bad, rx_foreign);
    bad = *good;
    hdr->key ^= 0x80000000u;
    rig_seal(&bad);
    CHECK_DROPPED(rig, &bad, rx_foreign);
    bad = *good;
    hdr->dst ^= 2; /* another process at our VF */
    rig_seal(&bad);
    CHECK_DROPPED(rig, &bad, rx_foreign);
    bad = *good;
    hdr->src_mac[5] ^= 1; /* damage, and not to be taken for another peer of that id */
    CHECK_DROPPED(rig, &bad, rx_bad_crc);
    CHECK_INT(rig->nodes[1].num_unknown, 0);
    rig_seal(&bad); /* the right id and key, from another port */
    CHECK_DROPPED(rig, &bad, rx_unknown_peer);
    bad = *good;
    hdr->src = 77;
    rig_seal(&bad);
    CHECK_DROPPED(rig, &bad, rx_unknown_peer);
    CHECK_INT(rig->nodes[1].num_unknown, 2);
    free(good);
    rig_free(rig);
}

static void test_unknown_peer_is_added(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make_strangers(2, &config);

    rig_introduce(rig, 0, 1);
    (void) rig_send(rig, 0, 1, 8);
    (void) rig_pass(rig, 0); /* refused: it stays unacknowledged */
    CHECK_INT(rig->nodes[1].num_delivered, 0);
    CHECK_INT(rig_stats(rig, 1)->rx_unknown_peer, 1);
    rig->nodes[1].add_unknown = true;
    rig_settle(rig); /* the timeout repeats it */
    CHECK_INT(rig->nodes[1].num_delivered, 1);
    CHECK_INT(rig->nodes[0].num_completed, 1);
    CHECK_INT(rig->nodes[1].num_unknown, 2); /* asked once for each frame until it is known */
    rig_free(rig);
}

static void test_once_and_in_window(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *first = data_packet(rig, 8), *second = data_packet(rig, 8), far;

    rig_feed(rig, 1, second);
    CHECK_DROPPED(rig, second, rx_duplicates); /* beyond a hole */
    rig_feed(rig, 1, first);
    CHECK_DROPPED(rig, first, rx_duplicates); /* before rcv_next */
    CHECK_DROPPED(rig, second, rx_duplicates);
    CHECK_INT(rig->nodes[1].num_delivered, 2);
    for (uint32_t ahead = 0; ahead < 3; ahead++) {
        far = *first;
        rig_hdr(&far)->seq = 2 + VFRING_WIRE_WINDOW + ahead;
        rig_seal(&far);
        CHECK_DROPPED(rig, &far, rx_beyond_window);
    }
    rig_hdr(&far)->seq = 2 + VFRING_WIRE_WINDOW - 1; /* the last the window holds */
    rig_seal(&far);
    rig_feed(rig, 1, &far); /* kept until its turn */
    CHECK_DROPPED(rig, &far, rx_duplicates);
    CHECK_INT(rig->nodes[1].num_delivered, 2);
    free(first);
    free(second);
    rig_free(rig);
}

/* A peer that confirms what we never sent is out of step: nothing of it counts. */
static void test_bad_ack(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *packet;

    (void) rig_send(rig, 1, 0, 8);
    (void) rig_drop(rig, 1);
    packet = data_packet(rig, 8);
    rig_hdr(packet)->ack = 2; /* node 1 has sent one */
    rig_seal(packet);
    CHECK_DROPPED(rig, packet, rx_bad_ack);
    rig_hdr(packet)->ack = 0x80000000u;
    rig_seal(packet);
    rig_feed(rig, 1, packet); /* neither before nor behind: must do no harm */
    rig_hdr(packet)->ack = 0;
    rig_hdr(packet)->type = VFRING_WIRE_TYPE_ACK;
    rig_hdr(packet)->payload_bytes = 8 * VFRING_WIRE_ACK_MAX_WORDS;
    packet->bytes = VFRING_WIRE_CONTROL_BYTES;
    memset(rig_hdr(packet) + 1, 0xff, 8 * VFRING_WIRE_ACK_MAX_WORDS); /* bits of frames that were never sent */
    rig_seal(packet);
    rig_feed(rig, 1, packet);
    CHECK_INT(rig->nodes[1].num_completed, 0);
    free(packet);
    rig_settle(rig);
    CHECK_INT(rig->nodes[1].num_completed, 1);
    rig_free(rig);
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ull);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/*
 * Random bytes, and good frames with some random bytes in them and a checksum
 * that fits: the wire must take any of it without harm. Each buffer is as
 * long as the frame, so that a sanitizer sees the slightest overread.
 */
static void test_fuzz(void)
{
    const struct vfring_wire_config config = rig_config();
    struct rig *rig = rig_make(2, &config);
    struct rig_packet *good = data_packet(rig, 40), bad;
    uint64_t seed = 1;

    for (int i = 0; i < 8; i++) { /* something in flight that an ack could touch */
        (void) rig_send(rig, 1, 0, 8);
    }
    for (int i = 0; i < 200000; i++) {
        const uint32_t bytes = (uint32_t) (random_next(&seed) % 130);
        void *data;

        bad = *good;
        bad.bytes = bytes;
        if (i % 4 == 0) {
            for (uint32_t b = 0; b < bytes; b++) {
                bad.data[b] = (uint8_t) random_next(&seed);
            }
        } else {
            for (int n = (int) (random_next(&seed) % 4); n >= 0; n--) {
                bad.data[14 + random_next(&seed) % 90] = (uint8_t) random_next(&seed);
            }
            if (i % 4 == 2 && rig_hdr(&bad)->payload_bytes <= RIG_MAX_PAYLOAD) {
                rig_hdr(&bad)->key = rig_key(1);
                rig_hdr(&bad)->dst = 1;
                rig_seal(&bad);
            }
        }
        data = malloc(bytes ? bytes : 1);
        if (!data) {
            CHECK(!"memory for the test itself");
            break;
        }
        memcpy(data, bad.data, bytes);
        vfring_wire_input(rig->nodes[1].wire, data, bytes, rig->now_ns);
        free(data);
        if (i % 16 == 0) {
            rig->now_ns += RIG_US;
            rig_progress(rig, 1);
            (void) rig_drop(rig, 1);
        }
    }
    /* Of each kind there was some, and no frame was counted twice or not at all. */
    const struct vfring_wire_stats *s = rig_stats(rig, 1);

    CHECK(s->rx_malformed && s->rx_foreign && s->rx_bad_crc && s->rx_unknown_peer && s->rx_bad_ack);
    uint64_t counted = all_dropped(s) + s->rx_data_frames + s->rx_ack_frames;

    /* What waits for its turn in the end is all that is not among them. */
    CHECK(counted <= 200000 && counted + VFRING_WIRE_WINDOW >= 200000);
    CHECK_INT(rig->nodes[1].num_delivered, s->rx_data_frames);
    free(good);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        {"malformed", test_malformed},
        {"bad crc", test_bad_crc},
        {"header crc alone", test_header_crc_alone},
        {"foreign", test_foreign},
        {"unknown peer is added", test_unknown_peer_is_added},
        {"once, and within the window", test_once_and_in_window},
        {"bad ack", test_bad_ack},
        {"fuzz", test_fuzz},
        {NULL, NULL},
    };

    return check_main(tests, argc, argv);
}
