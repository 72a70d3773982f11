/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * vfring-softvf: makes, shows and removes soft VFs. See docs/soft-vf.md.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "softvf_admin.h"
#include "softvf_internal.h"

static const char usage[] =
    "usage: vfring-softvf create DIR --index N --mac MAC [--mtu N] [--rate MBITS] [--model MODEL]\n"
    "       vfring-softvf show FILE\n"
    "       vfring-softvf destroy FILE\n";

static int fail(const char *what, const char *path, int rc)
{
    const char *why = strerror(-rc);

    if (rc == -EPROTO) {
        why = "not a soft VF of this version; make it anew with create";
    } else if (rc == -EADDRINUSE) {
        why = "another soft VF of the folder has that MAC address";
    } else if (rc == -EILSEQ) {
        why = "the folder's file segment holds no name of a switch: remove it, and make all soft VFs of the folder anew";
    }
    fprintf(stderr, "vfring-softvf: cannot %s %s: %s\n", what, path, why);
    return 1;
}

static int bad(const char *option, const char *value, const char *allowed)
{
    fprintf(stderr, "vfring-softvf: %s %s: must be %s\n", option, value, allowed);
    return 1;
}

static bool parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
    char *end;

    if (*text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    *out = (uint32_t)value;
    return errno == 0 && *end == '\0' && value >= min && value <= max;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    static const char digits[] = "0123456789abcdefABCDEF:";
    unsigned byte[6];
    int used = 0;

    if (strlen(text) != 17 || strspn(text, digits) != 17 ||
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
               &byte[4], &byte[5], &used) != 6 || used != 17) {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        mac[i] = (uint8_t)byte[i];
    }
    return (mac[0] & 1) == 0 && softvf_mac_key(mac) != 0;
}

static int create(int argc, char **argv)
{
    static const struct option options[] = {
        {"index", required_argument, NULL, 'i'},
        {"mac", required_argument, NULL, 'a'},
        {"mtu", required_argument, NULL, 'u'},
        {"rate", required_argument, NULL, 'r'},
        {"model", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    struct softvf_admin_spec spec = {.mtu_bytes = SOFTVF_DEFAULT_MTU_BYTES};
    bool have_index = false;
    bool have_mac = false;
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'i') {
            have_index = parse_number(optarg, 0, SOFTVF_MAX_INDEX, &spec.index);
            if (!have_index) {
                return bad("--index", optarg, "a number from 0 to 1023");
            }
        } else if (option == 'a') {
            have_mac = parse_mac(optarg, spec.mac);
            if (!have_mac) {
                return bad("--mac", optarg, "a unicast address like 02:76:66:00:00:01");
            }
        } else if (option == 'u') {
            if (!parse_number(optarg, SOFTVF_MIN_MTU_BYTES, SOFTVF_MAX_MTU_BYTES,
                              &spec.mtu_bytes)) {
                return bad("--mtu", optarg, "a number of bytes from 68 to 9216");
            }
        } else if (option == 'r') {
            if (!parse_number(optarg, 0, SOFTVF_MAX_RATE_MBITS, &spec.rate_mbits)) {
                return bad("--rate", optarg, "Mbit/s from 1 to 1000000, or 0 for no limit");
            }
        } else if (option == 'm') {
            spec.model = optarg;
            if (softvf_model_number(optarg) == SOFTVF_NUM_MODELS) {
                return bad("--model", optarg, "82576, 82599 or x540");
            }
        } else {
            fprintf(stderr, "vfring-softvf: %s: no such option, or its value is missing\n",
                    argv[optind - 1]);
            return 1;
        }
    }
    if (optind + 1 != argc || !have_index || !have_mac) {
        fputs("vfring-softvf: create needs DIR, --index and --mac\n", stderr);
        return 1;
    }
    int rc = softvf_admin_create(argv[optind], &spec);
    if (rc != 0) {
        char path[64];
        snprintf(path, sizeof(path), "vf%u in %.40s", spec.index, argv[optind]);
        return fail("create", path, rc);
    }
    return 0;
}

/** Losses on the receive side; a multicast frame nobody asked for is none. */
static uint64_t rx_dropped(const struct softvf_header *hdr)
{
    return SOFTVF_GET(&hdr->counters[SOFTVF_RX_NO_DESCRIPTOR]) +
           SOFTVF_GET(&hdr->counters[SOFTVF_RX_DISABLED]) +
           SOFTVF_GET(&hdr->counters[SOFTVF_RX_OVERSIZE]) +
           SOFTVF_GET(&hdr->counters[SOFTVF_RX_DMA_FAULT]) +
           SOFTVF_GET(&hdr->counters[SOFTVF_RX_LOCK_TIMEOUT]);
}

static void print(const struct softvf_header *hdr, const struct softvf_rx *rx, bool open)
{
    const struct softvf_model *model = softvf_model_at(hdr->model);
    const uint64_t octets = (UINT64_C(1) << model->octet_bits) - 1; /* as its registers show them */
    const uint8_t *mac = hdr->mac;

    printf("{\"index\":%u,\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\",\"mtu\":%u,\"segment\":\"%s\",\"model\":\"%s\",",
           hdr->index, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], hdr->mtu_bytes, hdr->segment,
           softvf_model_name(hdr->model));
    printf("\"state\":\"%s\",\"owner_pid\":%u,\"generation\":%" PRIu64 ",", open ? "open" : "free",
           open ? SOFTVF_GET(&hdr->owner_pid) : 0, SOFTVF_GET(&hdr->generation));
    printf("\"counters\":{\"rx_frames\":%u,\"tx_frames\":%u,\"rx_bytes\":%" PRIu64 ",\"tx_bytes\":%" PRIu64 ","
           "\"rx_dropped\":%" PRIu64 "},",
           SOFTVF_GET(&rx->frames), SOFTVF_GET(&hdr->tx_frames), SOFTVF_GET(&rx->octets) & octets,
           SOFTVF_GET(&hdr->tx_octets) & octets, rx_dropped(hdr));
    printf("\"rate_mbits\":%u,", hdr->rate_mbits);
    printf("\"details\":{\"violations\":%" PRIu64, SOFTVF_GET(&hdr->violations));
    for (int i = 0; i < SOFTVF_NUM_COUNTERS; i++) {
        printf(",\"%s\":%" PRIu64, softvf_counter_names[i], SOFTVF_GET(&hdr->counters[i]));
    }
    puts("}}");
}

static int show(const char *path)
{
    static struct softvf_header hdr;
    static struct softvf_rx rx;
    int rc = softvf_admin_read(path, &hdr, &rx);

    if (rc < 0) {
        return fail("show", path, rc);
    }
    print(&hdr, &rx, rc == 1);
    if (fflush(stdout) != 0) {
        return fail("write the state of", path, -errno);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "create") == 0) {
        return create(argc - 1, argv + 1);
    }
    if (argc == 3 && strcmp(argv[1], "show") == 0) {
        return show(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "destroy") == 0) {
        int rc = softvf_admin_destroy(argv[2]);
        return rc == 0 ? 0 : fail("destroy", argv[2], rc);
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    fputs("vfring-softvf: create, show or destroy? See vfring-softvf --help\n", stderr);
    return 1;
}
