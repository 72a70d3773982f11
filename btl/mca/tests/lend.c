/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lend RUN_DIR LEASE...: a vfringd in RUN_DIR that does nothing but lend soft VFs: to each process that asks the next LEASE, which is
 * FILE=MTU,FILE=MTU and so on. Whoever asks what it has is told, but while there is a file RUN_DIR/mute; to whatever else it hears it says
 * yes. Ends when it is killed. Run by mpi.sh.
 */
#include "btl_vfring_lease_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_in(const char *run_dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void) snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/lease.sock", run_dir);
    (void) unlink(address.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) || listen(fd, 16)) {
        perror(address.sun_path);
        exit(1);
    }
    return fd;
}

/* Of @p lease, which is taken apart. */
static void write_lease(char *reply, size_t room, int number, char *lease)
{
    size_t used = (size_t) snprintf(reply, room, "{\"v\":1,\"ok\":true,\"lease\":\"l-%d\",\"vfs\":[", number);
    char *rest = NULL;

    for (char *vf = strtok_r(lease, ",", &rest), *first = vf; vf; vf = strtok_r(NULL, ",", &rest)) {
        char *mtu = strchr(vf, '=');

        if (!mtu || used >= room) {
            (void) fprintf(stderr, "lend: a lease is FILE=MTU,FILE=MTU..., and not so long: %s\n", vf);
            exit(2);
        }
        *mtu++ = '\0';
        used += (size_t) snprintf(reply + used, room - used,
                                  "%s{\"kind\":\"soft\",\"name\":\"%s\",\"device\":\"%s\",\"mtu\":%d}",
                                  vf == first ? "" : ",", strrchr(vf, '/') + 1, vf, atoi(mtu));
    }
    (void) snprintf(reply + used, room - used, "]}\n");
}

#define LEASES_MAX 8
static char lent_as[LEASES_MAX][VFRING_LEASE_MAX_REPLY_BYTES];
static int lent;

/* What was lent to who asks; NULL: the request names no lease. */
static const char *shown(const char *request)
{
    const char *id = strstr(request, "\"lease\":\"l-");
    const int number = id ? atoi(id + strlen("\"lease\":\"l-")) : -1;

    return number >= 0 && number < lent ? lent_as[number] : NULL;
}

int main(int argc, char **argv)
{
    const int listener = argc > 2 ? listen_in(argv[1]) : -1;
    char mute[128];

    if (listener < 0) {
        (void) fprintf(stderr, "usage: lend RUN_DIR FILE=MTU,FILE=MTU...\n");
        return 2;
    }
    (void) snprintf(mute, sizeof(mute), "%.80s/mute", argv[1]);
    for (;;) {
        static char request[VFRING_LEASE_MAX_REQUEST_BYTES + 1], reply[VFRING_LEASE_MAX_REPLY_BYTES];
        const int fd = accept(listener, NULL, NULL);
        size_t have = 0;
        ssize_t got = 1;

        while (got > 0 && have < sizeof(request) - 1 && !memchr(request, '\n', have)) {
            got = read(fd, request + have, sizeof(request) - 1 - have);
            have += got > 0 ? (size_t) got : 0;
        }
        request[have] = '\0';
        if (strstr(request, "\"op\":\"show\"") && shown(request) && access(mute, F_OK)) {
            (void) snprintf(reply, sizeof(reply), "%s", shown(request));
        } else if (!strstr(request, "\"op\":\"lease\"")) {
            (void) snprintf(reply, sizeof(reply), "{\"v\":1,\"ok\":true}\n");
        } else if (lent + 2 < argc && lent < LEASES_MAX) {
            write_lease(reply, sizeof(reply), lent, argv[2 + lent]);
            memcpy(lent_as[lent++], reply, sizeof(reply));
        } else {
            (void) snprintf(reply, sizeof(reply), "{\"v\":1,\"ok\":false,\"code\":\"VFRING_ERR_NO_FREE_VF\",\"message\":\"all are "
                                                  "lent\",\"remedy\":\"name more\"}\n");
        }
        (void) send(fd, reply, strlen(reply), MSG_NOSIGNAL);
        (void) close(fd);
    }
}
