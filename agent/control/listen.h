/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets of the control plane: one on the file system that only its owner may use, and,
 * when asked for, one on a loopback port.
 */
#ifndef TG_CONTROL_LISTEN_H
#define TG_CONTROL_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/base/err.h"

/* Which file a socket is, so that the end of an agent removes its own and nobody else's. */
struct listen_file {
    dev_t dev;
    ino_t ino;
};

/* Mode 0600 from the first moment. The file of an agent that died is replaced; ERR_CONFIG when a
 * living one answers there, when the path is no socket, or too long for one. */
bool listen_unix(const char *path, int *fd, struct listen_file *file, struct err *err) must_use;
void listen_unix_remove(const char *path, const struct listen_file *file);

/* "127.0.0.1:7720", "localhost:7720", "[::1]:7720"; ERR_CONFIG for an address that is not loopback.
 */
bool listen_tcp(const char *address, int *fd, struct err *err) must_use;

#endif
