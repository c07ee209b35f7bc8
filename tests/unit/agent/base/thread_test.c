/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads: name, signal mask, join.
 */
#include <signal.h>
#include <stdio.h>

#include "agent/base/thread.h"
#include "tests/lib/unit.h"

struct seen {
    char name[16];
    sigset_t mask;
    int runs;
};

static void
look(void *arg)
{
    struct seen *s = arg;
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    s->runs++;
}

static struct seen
run_named(const char *name)
{
    struct seen s = {.runs = 0};
    struct thread t;
    struct err e = ERR_INIT;
    assert_true(thread_start(&t, name, look, &s, &e));
    thread_join(&t);
    return s;
}

static void
a_thread_runs_once_under_its_name(void **state)
{
    (void)state;
    struct seen s = run_named("capture");
    assert_int_equal(s.runs, 1);
    assert_string_equal(s.name, "capture");
}

static void
a_long_name_is_cut(void **state)
{
    (void)state;
    struct seen s = run_named("deliver to a far away place");
    assert_string_equal(s.name, "deliver to a fa");
}

static void
signals_are_blocked_in_the_thread_only(void **state)
{
    (void)state;
    static const int blocked[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGPIPE, SIGALRM};
    struct seen s = run_named("a");
    sigset_t ours;
    pthread_sigmask(SIG_SETMASK, NULL, &ours);
    for (size_t i = 0; i < sizeof blocked / sizeof *blocked; i++) {
        assert_true(sigismember(&s.mask, blocked[i]));
        assert_false(sigismember(&ours, blocked[i]));
    }
    assert_false(sigismember(&s.mask, SIGSEGV));
}

static void
join_accepts_what_never_started_or_was_joined(void **state)
{
    (void)state;
    struct thread never = {0}, t;
    struct seen s = {.runs = 0};
    struct err e = ERR_INIT;
    thread_join(&never);
    assert_true(thread_start(&t, "x", look, &s, &e));
    thread_join(&t);
    thread_join(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_runs_once_under_its_name),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(signals_are_blocked_in_the_thread_only),
        cmocka_unit_test(join_accepts_what_never_started_or_was_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
