/* SPDX-License-Identifier: Apache-2.0
 *
 * The wish of the terminal or of a service manager that a command should end, as a call on a thread
 * of its own: SIGTERM and SIGINT call `on_stop` once; a second one ends the process at once, which
 * loses nothing, because every stage survives that at any moment. SIGHUP is ignored: neither a
 * terminal that went away nor a reload ends a migration.
 */
#ifndef TG_CLI_SIGNALS_H
#define TG_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/base/thread.h"

struct signals {
    void (*on_stop)(void *arg);
    void *arg;
    sigset_t set;
    struct stop stop; /* ends the thread */
    struct thread thread;
    int fd;
};

/* Blocks the signals for this thread and all that it starts: call it before the first one. */
void signals_block(struct signals *s);
/* Starts the thread; `s` stays where it is until signals_end. */
bool signals_begin(
    struct signals *s, void (*on_stop)(void *arg), void *arg, struct err *err) must_use;
void signals_end(struct signals *s);

#endif
