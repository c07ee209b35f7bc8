/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocol is three assignments in a datagram; a library for it would be the larger dependency.
 */
#include "agent/control/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
notify_init(struct notify *n, const char *path)
{
    *n = (struct notify){.fd = -1};
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof n->address.sun_path || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    n->address.sun_family = AF_UNIX;
    memcpy(n->address.sun_path, path, len);
    if (path[0] == '@') {
        n->address.sun_path[0] = '\0';
    }
    n->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void
notify_done(struct notify *n)
{
    if (n->fd >= 0) {
        close(n->fd);
    }
    n->fd = -1;
}

static void
notify_send(const struct notify *n, const char *text)
{
    if (n->fd >= 0) {
        (void)!sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->address,
            n->address_len);
    }
}

void
notify_ready(const struct notify *n)
{
    notify_send(n, "READY=1");
}

void
notify_stopping(const struct notify *n)
{
    notify_send(n, "STOPPING=1");
}

void
notify_status(const struct notify *n, const char *text)
{
    char message[512];
    snprintf(message, sizeof message, "STATUS=%s", text);
    notify_send(n, message);
}
