/* SPDX-License-Identifier: Apache-2.0
 *
 * A signalfd instead of handlers: what a signal does is ordinary code on an ordinary thread.
 */
#include "agent/cli/signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/cli/exits.h"

void
signals_block(struct signals *s)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error of write() */
    sigemptyset(&s->set);
    sigaddset(&s->set, SIGTERM);
    sigaddset(&s->set, SIGINT);
    sigaddset(&s->set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &s->set, NULL);
}

static void
take_signal(struct signals *s, int *seen)
{
    struct signalfd_siginfo info;
    if (read(s->fd, &info, sizeof info) != (ssize_t)sizeof info || info.ssi_signo == SIGHUP) {
        return;
    }
    if (++*seen > 1) {
        static const char text[] = "\ntidegate: second signal, leaving at once\n";
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        _exit(EXIT_FAILED);
    }
    s->on_stop(s->arg);
}

static void
loop(void *arg)
{
    struct signals *s = arg;
    int seen = 0;
    while (!stop_requested(&s->stop)) {
        struct pollfd fds[2] = {
            {.fd = s->fd, .events = POLLIN},
            {.fd = s->stop.event_fd, .events = POLLIN},
        };
        if (poll(fds, 2, -1) > 0 && (fds[0].revents & POLLIN)) {
            take_signal(s, &seen);
        }
    }
}

bool
signals_begin(struct signals *s, void (*on_stop)(void *arg), void *arg, struct err *err)
{
    s->on_stop = on_stop;
    s->arg = arg;
    s->thread = (struct thread){0};
    s->fd = signalfd(-1, &s->set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->fd < 0) {
        return err_sys(err, ERR_FATAL, errno, "signalfd");
    }
    if (!stop_init(&s->stop)) {
        close(s->fd);
        return err_set(err, ERR_FATAL, "no file descriptor left");
    }
    if (!thread_start(&s->thread, "signals", loop, s, err)) {
        stop_done(&s->stop);
        close(s->fd);
        return false;
    }
    return true;
}

void
signals_end(struct signals *s)
{
    stop_request(&s->stop);
    thread_join(&s->thread);
    stop_done(&s->stop);
    close(s->fd);
}
