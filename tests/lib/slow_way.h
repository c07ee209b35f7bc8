/* SPDX-License-Identifier: Apache-2.0
 *
 * A long way to a test server: a socket of its own whose connections, one after the other, are
 * passed on to the server's, each packet a while later. For small amounts of data.
 */
#ifndef TG_TESTS_LIB_SLOW_WAY_H
#define TG_TESTS_LIB_SLOW_WAY_H

#include <stdint.h>
#include <sys/un.h>

#include "agent/base/thread.h"
#include "tests/lib/pg_server.h"

struct slow_way {
    char *dir; /* the host to connect to, port 5432 */
    int64_t delay_us;
    struct sockaddr_un here, there;
    int listener, stop; /* `stop`: an eventfd */
    struct thread thread;
};

/* `delay_us`: in each direction. Aborts the program when it cannot be made. */
void slow_way_open(struct slow_way *w, const struct pg_server *to, int64_t delay_us);
void slow_way_close(struct slow_way *w); /* accepts an all-zero one */

#endif
