/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals are blocked before the thread exists, so that there is no moment in which it could take
 * one. The faults a thread raises itself stay open: blocked they would end the process without a
 * report.
 */
#include "agent/base/thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void *
thread_main(void *arg)
{
    struct thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    t->run(t->arg);
    return NULL;
}

static void
set_of_asynchronous_signals(sigset_t *set)
{
    sigfillset(set);
    sigdelset(set, SIGSEGV);
    sigdelset(set, SIGBUS);
    sigdelset(set, SIGFPE);
    sigdelset(set, SIGILL);
    sigdelset(set, SIGABRT);
}

bool
thread_start(struct thread *t, const char *name, void (*run)(void *arg), void *arg, struct err *err)
{
    *t = (struct thread){.run = run, .arg = arg};
    snprintf(t->name, sizeof t->name, "%s", name);
    sigset_t blocked, before;
    set_of_asynchronous_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int rc = pthread_create(&t->id, NULL, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return err_sys(err, ERR_FATAL, rc, "start thread '%s'", name);
    }
    t->started = true;
    return true;
}

void
thread_join(struct thread *t)
{
    if (t->started) {
        pthread_join(t->id, NULL);
        t->started = false;
    }
}
