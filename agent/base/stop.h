/* SPDX-License-Identifier: Apache-2.0
 *
 * The wish that a thread should end, as a flag and an eventfd that poll(2) can wait on.
 * Locking: stop_request from any thread or signal handler; the rest from any thread.
 */
#ifndef TG_BASE_STOP_H
#define TG_BASE_STOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct stop {
    atomic_bool requested;
    int event_fd; /* readable for ever once requested */
};

bool stop_init(struct stop *s); /* false only when the process has no descriptor left */
void stop_done(struct stop *s);
void stop_request(struct stop *s);
bool stop_requested(const struct stop *s);
/* Sleeps up to us microseconds; true when the stop came first or was there already. */
bool stop_sleep(const struct stop *s, int64_t us);

#endif
