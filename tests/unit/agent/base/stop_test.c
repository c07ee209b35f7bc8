/* SPDX-License-Identifier: Apache-2.0
 *
 * The stop request, seen by flag, by poll and by sleepers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/stop.h"
#include "tests/lib/unit.h"

static struct stop handler_stop;

static bool
readable(const struct stop *s)
{
    struct pollfd p = {.fd = s->event_fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void
nothing_is_requested_at_first(void **state)
{
    (void)state;
    struct stop s;
    assert_true(stop_init(&s));
    assert_false(stop_requested(&s));
    assert_false(readable(&s));
    assert_false(stop_sleep(&s, 0));
    assert_false(stop_sleep(&s, -5));
    assert_true(fcntl(s.event_fd, F_GETFD) & FD_CLOEXEC);
    stop_done(&s);
}

static void
a_request_stays(void **state)
{
    (void)state;
    struct stop s;
    assert_true(stop_init(&s));
    for (int i = 0; i < 3; i++) {
        stop_request(&s);
        assert_true(stop_requested(&s));
        assert_true(readable(&s));
        assert_true(stop_sleep(&s, INT64_MAX));
    }
    stop_done(&s);
    stop_done(&s);
}

static void
sleep_takes_its_time_when_nobody_stops_it(void **state)
{
    (void)state;
    struct stop s;
    assert_true(stop_init(&s));
    int64_t before = clock_mono_us(&clock_system);
    assert_false(stop_sleep(&s, 30000));
    assert_true(clock_mono_us(&clock_system) - before >= 30000);
    stop_done(&s);
}

static void *
request_soon(void *arg)
{
    clock_system.sleep_us(&clock_system, 20000);
    stop_request(arg);
    return NULL;
}

static void
a_request_wakes_a_sleeper(void **state)
{
    (void)state;
    struct stop s;
    pthread_t thread;
    assert_true(stop_init(&s));
    int64_t before = clock_mono_us(&clock_system);
    assert_int_equal(pthread_create(&thread, NULL, request_soon, &s), 0);
    assert_true(stop_sleep(&s, 60 * 1000000LL));
    assert_true(clock_mono_us(&clock_system) - before < 30 * 1000000LL);
    pthread_join(thread, NULL);
    stop_done(&s);
}

static void
on_signal(int sig)
{
    (void)sig;
    stop_request(&handler_stop);
}

static void
a_signal_handler_may_request_and_errno_survives(void **state)
{
    (void)state;
    assert_true(stop_init(&handler_stop));
    signal(SIGUSR1, on_signal);
    errno = ENOTTY;
    raise(SIGUSR1);
    assert_int_equal(errno, ENOTTY);
    assert_true(stop_requested(&handler_stop));
    signal(SIGUSR1, SIG_DFL);
    stop_done(&handler_stop);
}

static void
init_fails_without_descriptors(void **state)
{
    (void)state;
    struct stop s;
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    bool ok = stop_init(&s);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_false(ok);
    stop_done(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_requested_at_first),
        cmocka_unit_test(a_request_stays),
        cmocka_unit_test(sleep_takes_its_time_when_nobody_stops_it),
        cmocka_unit_test(a_request_wakes_a_sleeper),
        cmocka_unit_test(a_signal_handler_may_request_and_errno_survives),
        cmocka_unit_test(init_fails_without_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
