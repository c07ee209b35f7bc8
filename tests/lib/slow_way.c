/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread: what one side sent is held for the delay, then written to the other. While it holds
 * something it looks at nothing else.
 */
#include "tests/lib/slow_way.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "tests/lib/tmpdir.h"

static void
need(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static void
set_address(struct sockaddr_un *a, const char *dir)
{
    a->sun_family = AF_UNIX;
    int n = snprintf(a->sun_path, sizeof a->sun_path, "%s/.s.PGSQL.5432", dir);
    need(n > 0 && (size_t)n < sizeof a->sun_path, "slow_way: address");
}

/* False when one of the two is gone. */
static bool
pass_on(const struct slow_way *w, int from, int to)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof bytes);
    if (n <= 0) {
        return false;
    }
    clock_system.sleep_us(&clock_system, w->delay_us);
    for (ssize_t at = 0; at < n;) {
        ssize_t put = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (put <= 0) {
            return false;
        }
        at += put;
    }
    return true;
}

/* Until the connection ends; false when told to stop. */
static bool
carry(const struct slow_way *w, int client)
{
    bool told = false, ok = true;
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(server >= 0, "slow_way: socket");
    ok = connect(server, (const struct sockaddr *)&w->there, sizeof w->there) == 0;
    while (ok) {
        struct pollfd fds[] = {{client, POLLIN, 0}, {server, POLLIN, 0}, {w->stop, POLLIN, 0}};
        need(poll(fds, 3, -1) > 0, "slow_way: poll");
        told = fds[2].revents != 0;
        ok = !told && (fds[0].revents == 0 || pass_on(w, client, server)) &&
             (fds[1].revents == 0 || pass_on(w, server, client));
    }
    close(server);
    return !told;
}

static void
run(void *arg)
{
    const struct slow_way *w = arg;
    for (bool go = true; go;) {
        struct pollfd fds[] = {{w->listener, POLLIN, 0}, {w->stop, POLLIN, 0}};
        need(poll(fds, 2, -1) > 0, "slow_way: poll");
        go = fds[1].revents == 0;
        int client = go ? accept4(w->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (client >= 0) {
            go = carry(w, client);
            close(client);
        }
    }
}

void
slow_way_open(struct slow_way *w, const struct pg_server *to, int64_t delay_us)
{
    *w = (struct slow_way){.dir = tmpdir_new(), .delay_us = delay_us};
    set_address(&w->here, w->dir);
    set_address(&w->there, to->dir);
    w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    w->stop = eventfd(0, EFD_CLOEXEC);
    need(w->listener >= 0 && w->stop >= 0, "slow_way: socket");
    need(bind(w->listener, (const struct sockaddr *)&w->here, sizeof w->here) == 0 &&
             listen(w->listener, 8) == 0,
        w->here.sun_path);
    struct err err = ERR_INIT;
    need(thread_start(&w->thread, "slow way", run, w, &err), "slow_way: thread");
}

void
slow_way_close(struct slow_way *w)
{
    if (w->dir == NULL) {
        return;
    }
    need(eventfd_write(w->stop, 1) == 0, "slow_way: stop");
    thread_join(&w->thread);
    close(w->listener);
    close(w->stop);
    tmpdir_remove(w->dir);
    memset(w, 0, sizeof *w);
}
