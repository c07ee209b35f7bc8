/* SPDX-License-Identifier: Apache-2.0
 *
 * The flag answers stop_requested cheaply, the eventfd wakes sleepers. Nobody reads the eventfd,
 * which is why it stays readable. The flag is set first: whoever is woken sees it.
 */
#include "agent/base/stop.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/base/clock.h"

#define SLICE_US 3600000000LL /* poll's timeout is an int of milliseconds: sleep in pieces */

bool
stop_init(struct stop *s)
{
    atomic_init(&s->requested, false);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->event_fd >= 0;
}

void
stop_done(struct stop *s)
{
    if (s->event_fd >= 0) {
        close(s->event_fd);
    }
    s->event_fd = -1;
}

void
stop_request(struct stop *s)
{
    int saved = errno; /* may run in a signal handler */
    atomic_store(&s->requested, true);
    uint64_t one = 1;
    ssize_t n = write(s->event_fd, &one, sizeof one);
    (void)n; /* fails only when the counter is full, and then it is readable */
    errno = saved;
}

bool
stop_requested(const struct stop *s)
{
    return atomic_load(&s->requested);
}

bool
stop_sleep(const struct stop *s, int64_t us)
{
    int64_t now = clock_mono_us(&clock_system);
    int64_t until = us > INT64_MAX - now ? INT64_MAX : now + us;
    while (!stop_requested(s) && now < until) {
        int64_t left = until - now < SLICE_US ? until - now : SLICE_US;
        struct timespec ts = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
        struct pollfd p = {.fd = s->event_fd, .events = POLLIN};
        (void)ppoll(&p, 1, &ts, NULL);
        now = clock_mono_us(&clock_system);
    }
    return stop_requested(s);
}
