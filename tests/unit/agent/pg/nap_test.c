/* SPDX-License-Identifier: Apache-2.0
 *
 * Naps come to a busy stream and to no other.
 */
#include "agent/pg/nap.h"
#include "tests/lib/unit.h"

/* Messages at a steady distance, each of them read at once; returns the naps that were asked for.
 */
static unsigned
naps_at(bool unix_socket, int64_t distance_us, unsigned messages)
{
    struct nap p;
    nap_init(&p, unix_socket);
    unsigned naps = 0;
    int64_t now = 5000000, due = now;
    while (messages > 0) {
        while (due <= now && messages > 0) {
            nap_count(&p);
            due += distance_us;
            messages--;
        }
        int64_t nap = nap_us(&p, now);
        naps += nap > 0;
        now = now + nap > due ? now + nap : due;
    }
    return naps;
}

static void
single_commits_never_wait(void **state)
{
    (void)state;
    assert_int_equal(naps_at(false, 2000, 10000), 0); /* 500 a second */
    assert_int_equal(naps_at(false, 100, 10000), 0);  /* 10,000 a second */
}

static void
a_busy_stream_is_read_once_a_nap(void **state)
{
    (void)state;
    unsigned naps = naps_at(false, 5, 200000); /* 200,000 a second, for one second */
    assert_in_range(naps, 800, 1100);
}

/* At 200,000 messages a second, more of them than a Unix socket holds would come in a nap of TCP's.
 */
static void
a_unix_socket_is_read_before_it_is_full(void **state)
{
    (void)state;
    unsigned naps = naps_at(true, 5, 200000);
    assert_in_range(naps, 4000, 11000);
    assert_true(200000 / naps < 100);
}

static void
the_end_of_a_burst_is_not_waited_for(void **state)
{
    (void)state;
    struct nap p;
    nap_init(&p, false);
    (void)nap_us(&p, 1000000);
    for (int i = 0; i < 1000; i++) {
        nap_count(&p);
    }
    assert_int_equal(nap_us(&p, 1002500), NAP_TCP_US);
    assert_int_equal(nap_us(&p, 1003500), 0); /* nothing came meanwhile */
}

static void
a_short_answer_in_an_idle_stream_is_not_a_burst(void **state)
{
    (void)state;
    struct nap p;
    nap_init(&p, false);
    for (int i = 0; i < 30; i++) {
        nap_count(&p); /* one transaction of thirty rows */
    }
    assert_int_equal(nap_us(&p, 9000000), 0);
    assert_int_equal(nap_us(&p, 9000100), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_commits_never_wait),
        cmocka_unit_test(a_busy_stream_is_read_once_a_nap),
        cmocka_unit_test(a_unix_socket_is_read_before_it_is_full),
        cmocka_unit_test(the_end_of_a_burst_is_not_waited_for),
        cmocka_unit_test(a_short_answer_in_an_idle_stream_is_not_a_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
