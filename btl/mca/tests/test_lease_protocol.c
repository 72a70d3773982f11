/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Replies of the lease protocol, good, strange and damaged.
 */
#include <errno.h>

#include "config.h"

#include "btl_vfring_lease_protocol.h"
#include "check.h"
#include "played_daemon.h"

static const char good[] = GOOD_REPLY;

/* The reply for a VF with these members besides the necessary ones. */
static int parse_vf(const char *members, struct vfring_lease *lease, struct vfring_lease_error *error)
{
    char reply[512];
    const int bytes = snprintf(reply, sizeof(reply),
                               "{\"v\":1,\"ok\":true,\"lease\":\"l-1\",\"vfs\":[{\"kind\":\"sriov\",\"name\":\"a\","
                               "\"device\":\"/dev/uiovf0\",\"mtu\":1500%s}]}",
                               members);

    memset(lease, 0, sizeof(*lease));
    return vfring_lease_parse_reply(reply, (size_t) bytes, lease, 1, error);
}

static void segment_and_vlan(void)
{
    static const char *const bad[] = {
        ",\"segment\":7", ",\"segment\":\"two words\"", ",\"segment\":\"caf\u00e9\"", ",\"vlan\":-1",
        ",\"vlan\":4095", ",\"vlan\":\"7\"",
        ",\"segment\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", /* 64 */
    };
    struct vfring_lease lease;
    struct vfring_lease_error error;

    CHECK(1 == parse_vf(",\"segment\":\"fabric-A_1.x:2\",\"vlan\":4094", &lease, &error));
    CHECK(!strcmp(lease.segment, "fabric-A_1.x:2") && lease.vlan == 4094);
    CHECK(1 == parse_vf(",\"segment\":\"\",\"vlan\":0", &lease, &error));
    CHECK(!lease.segment[0] && lease.vlan == 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(parse_vf(bad[i], &lease, &error) == -EPROTO);
        CHECK(!strcmp(error.code, "VFRING_ERR_PROTOCOL"));
    }
}

static void strange_replies_are_refused(void)
{
    static const char *const strange[] = {
        "", "null", "[]", "{}", "\"v\"", "{\"v\":1}", "{\"v\":2,\"ok\":true}", "{\"v\":1,\"ok\":\"yes\"}",
        "{\"v\":1,\"ok\":true,\"ok\":true}",
        "{\"v\":1,\"ok\":false}", "{\"v\":1,\"ok\":false,\"code\":7,\"message\":\"m\",\"remedy\":\"r\"}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[]}", "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":{}}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[7]}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"n\",\"device\":\"d\",\"mtu\":1500}]}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"odd\",\"name\":\"n\",\"device\":\"/d\",\"mtu\":1500}]}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"n\",\"device\":\"/d\",\"mtu\":99999}]}",
        "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"n\",\"device\":\"/d\",\"mtu\":-1}]}",
    };
    struct vfring_lease lease;
    struct vfring_lease_error error;

    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        if (vfring_lease_parse_reply(strange[i], strlen(strange[i]), &lease, 1, &error) != -EPROTO) {
            fprintf(stderr, "taken for a reply: %s\n", strange[i]);
            exit(1);
        }
        CHECK_HAS(error.remedy, "one release: this BTL is of vfring " VFRING_VERSION);
    }
}

static void long_names_are_refused(void)
{
    char reply[1024], name[200];
    struct vfring_lease lease;
    struct vfring_lease_error error;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void) snprintf(reply, sizeof(reply),
                    "{\"v\":1,\"ok\":true,\"lease\":\"l\",\"vfs\":[{\"kind\":\"soft\",\"name\":\"%s\","
                    "\"device\":\"/d\",\"mtu\":1500}]}", name);
    CHECK(vfring_lease_parse_reply(reply, strlen(reply), &lease, 1, &error) == -EPROTO);
}

/* Any prefix and any one-byte change of a good reply is a lease or an error, never a crash. */
static void damaged_replies_are_harmless(void)
{
    char reply[sizeof(good)];
    struct vfring_lease lease;
    struct vfring_lease_error error;

    for (size_t length = 0; length < sizeof(good) - 1; length++) {
        CHECK(vfring_lease_parse_reply(good, length, &lease, 1, &error) == -EPROTO);
    }
    for (size_t at = 0; at < sizeof(good) - 1; at++) {
        for (unsigned value = 0; value < 256; value += 5) {
            int rc;

            memcpy(reply, good, sizeof(good));
            reply[at] = (char) value;
            rc = vfring_lease_parse_reply(reply, sizeof(good) - 1, &lease, 1, &error);
            CHECK(rc == 1 || rc == -EPROTO || rc == -EREMOTE);
            CHECK(rc < 0 || (lease.device[0] == '/' && lease.mtu_bytes <= 9216));
        }
    }
}

int main(void)
{
    segment_and_vlan();
    strange_replies_are_refused();
    long_names_are_refused();
    damaged_replies_are_harmless();
    return 0;
}
