/* SPDX-License-Identifier: Apache-2.0
 *
 * Naps come to a busy stream and to no other.
 */
#include "agent/pg/pace.h"
#include "tests/lib/unit.h"

/* Messages at a steady distance, each of them read at once; returns the naps that were asked for.
 */
static unsigned
naps_at(int64_t distance_us, unsigned messages)
{
    struct pace p = {0};
    unsigned naps = 0;
    int64_t now = 5000000, due = now;
    while (messages > 0) {
        while (due <= now && messages > 0) {
            pace_count(&p);
            due += distance_us;
            messages--;
        }
        int64_t nap = pace_nap_us(&p, now);
        naps += nap > 0;
        now = now + nap > due ? now + nap : due;
    }
    return naps;
}

static void
single_commits_never_wait(void **state)
{
    (void)state;
    assert_int_equal(naps_at(2000, 10000), 0); /* 500 a second */
    assert_int_equal(naps_at(100, 10000), 0);  /* 10,000 a second */
}

static void
a_busy_stream_is_read_once_a_nap(void **state)
{
    (void)state;
    unsigned naps = naps_at(5, 200000); /* 200,000 a second, for one second */
    assert_in_range(naps, 800, 1100);
}

static void
the_end_of_a_burst_is_not_waited_for(void **state)
{
    (void)state;
    struct pace p = {0};
    (void)pace_nap_us(&p, 1000000);
    for (int i = 0; i < 1000; i++) {
        pace_count(&p);
    }
    assert_int_equal(pace_nap_us(&p, 1002500), PACE_NAP_US);
    assert_int_equal(pace_nap_us(&p, 1003500), 0); /* nothing came meanwhile */
}

static void
a_short_answer_in_an_idle_stream_is_not_a_burst(void **state)
{
    (void)state;
    struct pace p = {0};
    for (int i = 0; i < 30; i++) {
        pace_count(&p); /* one transaction of thirty rows */
    }
    assert_int_equal(pace_nap_us(&p, 9000000), 0);
    assert_int_equal(pace_nap_us(&p, 9000100), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_commits_never_wait),
        cmocka_unit_test(a_busy_stream_is_read_once_a_nap),
        cmocka_unit_test(the_end_of_a_burst_is_not_waited_for),
        cmocka_unit_test(a_short_answer_in_an_idle_stream_is_not_a_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
