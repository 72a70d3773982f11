/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * vf_smoke PATH [MTU [SECONDS]]: opens one VF, sends broadcasts, checks that
 * the VF has counted and finished them, and closes it. With SECONDS it goes on
 * sending now and then for that long, and prints each change of health.
 *
 * Exit status 0: the VF works as far as one alone can show it.
 */
#include <errno.h>
#include <unistd.h>

#include "test.h"

#define FRAMES 2000u
#define BATCH 16u

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* Whatever happens to the VF meanwhile must not end this process. */
static void watch(struct station *station, unsigned seconds)
{
    int health = 0;

    for (unsigned i = 0; i < seconds * 100; i++) {
        struct vfring_rx_frame frames[8];
        uint32_t seq;
        int now;

        (void) station_post(station, broadcast, i, 60, 1, &seq);
        vfring_vf_tx_doorbell(station->vf);
        (void) vfring_vf_tx_done(station->vf);
        vfring_vf_rx_release(station->vf, vfring_vf_rx_poll(station->vf, frames, 8));
        now = vfring_vf_check(station->vf);
        if (now != health) {
            printf("%s: health: %s\n", station->info.name, now == 0 ? "well" : strerror(-now));
            fflush(stdout);
            health = now;
        }
        usleep(10000);
    }
}

int main(int argc, char **argv)
{
    struct vfring_vf_counters before;
    struct vfring_vf_counters after;
    struct vfring_rx_frame frames[32];
    struct station station;
    uint32_t seq = 0;
    uint32_t received = 0;
    unsigned tries;

    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: vf_smoke PATH [MTU [SECONDS]]\n");
        return 64;
    }
    station_open_path(&station, &(struct vfring_vf_params){
                                    .path = argv[1],
                                    .mtu_bytes = argc > 2 ? (uint32_t) strtoul(argv[2], NULL, 10) : 0,
                                });
    printf("%s: %s, MAC %02x:%02x:%02x:%02x:%02x:%02x, MTU %u, rings %u/%u, NUMA node %d, %s, %zu bytes "
           "registered\n", station.info.name, station.info.family, station.info.mac[0],
           station.info.mac[1], station.info.mac[2], station.info.mac[3], station.info.mac[4],
           station.info.mac[5], station.info.mtu_bytes, station.info.tx_entries,
           station.info.rx_entries, station.info.numa_node, station.info.soft ? "soft" : "real",
           vfring_vf_dma_bytes(station.vf));
    CHECK_EQ(vfring_vf_check(station.vf), 0);
    station_print_counters(&station, "before");
    vfring_vf_counters(station.vf, &before);

    for (uint32_t i = 1; i <= FRAMES; i++) {
        uint32_t bytes = 60 + i % (station.info.mtu_bytes - 45);

        int ret;

        while ((ret = station_post(&station, broadcast, i, bytes, 1 + i % 4, &seq)) == -EAGAIN) {
            vfring_vf_tx_doorbell(station.vf);
        }
        CHECK_EQ(ret, 0);
        if (i % BATCH == 0) {
            vfring_vf_tx_doorbell(station.vf);
        }
        unsigned got = vfring_vf_rx_poll(station.vf, frames, 32);
        vfring_vf_rx_release(station.vf, got);
        received += got;
    }
    vfring_vf_tx_doorbell(station.vf);
    for (tries = 0; vfring_vf_tx_done(station.vf) != seq && tries < 2000; tries++) {
        usleep(1000);
    }
    CHECK_EQ(vfring_vf_tx_done(station.vf), FRAMES);

    /* Silicon adds to its statistics a little later. */
    for (tries = 0; tries < 2000; tries++) {
        vfring_vf_counters(station.vf, &after);
        if (after.tx_frames - before.tx_frames >= FRAMES) {
            break;
        }
        usleep(1000);
    }
    station_print_counters(&station, "after");
    CHECK_EQ(after.tx_frames - before.tx_frames, FRAMES);
    CHECK_EQ(vfring_vf_check(station.vf), 0);
    printf("%s: %u broadcasts sent, %u frames received meanwhile\n", station.info.name, FRAMES,
           received);
    fflush(stdout);
    if (argc > 3) {
        watch(&station, (unsigned) strtoul(argv[3], NULL, 10));
    }
    station_close(&station);
    printf("closed\n");
    return 0;
}
