/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfu_orders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "softvf_host.h"

static const struct {
    const char *line;
    void (*change)(struct softvf *dev, bool up);
    bool up;
} known[] = {
    {"link down", softvf_set_link, false},
    {"link up", softvf_set_link, true},
    {"pf down", softvf_set_pf, false},
    {"pf up", softvf_set_pf, true},
};

static void obey(struct vfu_orders *orders, struct softvf *dev)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].line) == orders->bytes && memcmp(known[i].line, orders->line, orders->bytes) == 0) {
            known[i].change(dev, known[i].up);
            softvf_serve(dev);
            printf("%s\n", known[i].line);
            fflush(stdout);
            return;
        }
    }
    fprintf(stderr, "vfring-vfu: \"%.*s\" is no order: link down, link up, pf down and pf up are\n", (int)orders->bytes, orders->line);
}

bool vfu_orders_read(struct vfu_orders *orders, int fd, struct softvf *dev)
{
    char text[256];
    ssize_t got = read(fd, text, sizeof(text));

    if (got <= 0) {
        return got < 0 && (errno == EINTR || errno == EAGAIN);
    }
    for (ssize_t i = 0; i < got; i++) {
        if (text[i] == '\n') {
            obey(orders, dev);
            orders->bytes = 0;
        } else if (orders->bytes < sizeof(orders->line)) {
            orders->line[orders->bytes++] = text[i];
        }
    }
    return true;
}
