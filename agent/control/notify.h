/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells a service manager what state we are in: the readiness protocol of sd_notify(3), one
 * datagram per message to the socket that $NOTIFY_SOCKET names. Without that variable nothing
 * happens. Never fails: a service manager that does not listen is no reason to stop a migration.
 *
 * Locking: init before the first thread; the rest from any thread.
 */
#ifndef TG_CONTROL_NOTIFY_H
#define TG_CONTROL_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_len;
};

/* path: value of $NOTIFY_SOCKET, may be NULL; "@name" is an abstract socket. */
void notify_init(struct notify *n, const char *path);
void notify_done(struct notify *n);
void notify_ready(const struct notify *n);
void notify_stopping(const struct notify *n);
void notify_status(const struct notify *n, const char *text); /* one line */

#endif
