/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes are vfringd's answer. Checked: what is taken for
 * a lease is one whole, and every refusal has a text.
 */
#include "btl_vfring_lease_protocol.h"

#include <stdlib.h>
#include <string.h>

static void need(int condition)
{
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vfring_lease_error error;
    struct vfring_lease vfs[3];
    int num;
    char *reply = malloc(size ? size : 1); /* just so long: a byte more is seen */

    need(reply != NULL);
    memcpy(reply, data, size);
    memset(&error, 0, sizeof(error));
    memset(vfs, 0xff, sizeof(vfs));
    num = vfring_lease_parse_reply(reply, size, vfs, 3, &error);
    need(num != 0 && num <= 3);
    for (int i = 0; i < num; i++) {
        const struct vfring_lease *lease = &vfs[i];

        need(lease->device[0] == '/' && lease->mtu_bytes >= 576 && lease->mtu_bytes <= 9216);
        need(memchr(lease->device, 0, sizeof(lease->device)) && memchr(lease->id, 0, sizeof(lease->id))
             && memchr(lease->name, 0, sizeof(lease->name)) && memchr(lease->pf, 0, sizeof(lease->pf)));
    }
    if (num < 0) {
        need(memchr(error.text, 0, sizeof(error.text)) && error.code[0] != '\0');
    }
    (void) vfring_lease_parse_reply(reply, size, NULL, 0, &error);
    free(reply);
    return 0;
}
