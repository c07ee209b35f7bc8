/* SPDX-License-Identifier: Apache-2.0
 *
 * Named threads with all signals blocked (main reads signals through a signalfd).
 */
#ifndef TG_BASE_THREAD_H
#define TG_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "agent/base/err.h"

struct thread {
    pthread_t id;
    bool started;
    char name[16]; /* as ps -L and gdb show it */
    void (*run)(void *arg);
    void *arg;
};

/* `t` must stay where it is until joined. */
bool thread_start(struct thread *t, const char *name, void (*run)(void *arg), void *arg,
    struct err *err) must_use;
void thread_join(struct thread *t); /* accepts one that was never started */

#endif
