/* SPDX-License-Identifier: Apache-2.0
 *
 * Naps come to a busy stream and to no other.
 */
#include "agent/pg/nap.h"
#include "tests/lib/unit.h"

enum { SMALL = 100 };

/* Messages at a steady distance, each of them read at once; returns the naps that were asked for.
 */
static unsigned
naps_at(enum nap_way way, int64_t distance_us, unsigned messages)
{
    struct nap p;
    nap_init(&p, way);
    unsigned naps = 0;
    int64_t now = 5000000, due = now;
    while (messages > 0) {
        while (due <= now && messages > 0) {
            nap_count(&p, SMALL);
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
    assert_int_equal(naps_at(NAP_NETWORK, 2000, 10000), 0); /* 500 a second */
    assert_int_equal(naps_at(NAP_NETWORK, 100, 10000), 0);  /* 10,000 a second */
    assert_int_equal(naps_at(NAP_LOOPBACK, 100, 10000), 0);
}

static void
a_busy_stream_is_read_once_a_nap(void **state)
{
    (void)state;
    unsigned naps = naps_at(NAP_NETWORK, 5, 200000); /* 200,000 a second, for one second */
    assert_in_range(naps, 800, 1100);
    assert_in_range(naps_at(NAP_LOOPBACK, 5, 200000), 200, 260);
}

/* A sender with a message of so many bytes ready each `distance_us`, as long as the socket has room
 * for it, and a reader that naps: returns how many it sends a millisecond, and the naps. */
static unsigned
sent_over_unix(int64_t distance_us, size_t bytes, unsigned *naps)
{
    struct nap p;
    nap_init(&p, NAP_UNIX);
    uint64_t room = NAP_UNIX_ROOM, charge = 512 + bytes + bytes / 2;
    const int64_t begin = 5000000, end = begin + 1000000;
    unsigned sent = 0;
    int64_t now = begin, due = begin;
    *naps = 0;
    while (now < end) {
        uint64_t used = 0;
        while (due <= now && used + charge <= room) {
            used += charge;
            due += distance_us;
            sent++;
            nap_count(&p, bytes);
        }
        due = due < now ? now : due; /* it stood still */
        int64_t nap = nap_us(&p, now);
        *naps += nap > 0;
        now = now + nap > due ? now + nap : due;
    }
    return sent / 1000;
}

static void
a_unix_socket_is_read_before_it_is_full(void **state)
{
    (void)state;
    static const struct {
        int64_t distance_us;
        size_t bytes;
    } streams[] = {{2, 100}, {5, 100}, {20, 100}, {5, 1000}, {20, 8000}, {40, 40000}};
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        unsigned naps;
        unsigned full = (unsigned)(1000 / streams[i].distance_us);
        assert_in_range(sent_over_unix(streams[i].distance_us, streams[i].bytes, &naps),
            full - full / 50, full);
        assert_true(naps >= 900);
    }
}

/* Not once a row, but as seldom as the room allows. */
static void
small_rows_over_a_unix_socket_gather_for_longer(void **state)
{
    (void)state;
    unsigned naps;
    sent_over_unix(5, 100, &naps);
    assert_in_range(naps, 2000, 4500); /* of 200,000 rows */
}

static void
the_end_of_a_burst_is_not_waited_for(void **state)
{
    (void)state;
    struct nap p;
    nap_init(&p, NAP_NETWORK);
    (void)nap_us(&p, 1000000);
    for (int i = 0; i < 1000; i++) {
        nap_count(&p, SMALL);
    }
    assert_int_equal(nap_us(&p, 1002500), NAP_US);
    assert_int_equal(nap_us(&p, 1003500), 0); /* nothing came meanwhile */
}

static void
a_short_answer_in_an_idle_stream_is_not_a_burst(void **state)
{
    (void)state;
    struct nap p;
    nap_init(&p, NAP_NETWORK);
    for (int i = 0; i < 30; i++) {
        nap_count(&p, SMALL); /* one transaction of thirty rows */
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
        cmocka_unit_test(small_rows_over_a_unix_socket_gather_for_longer),
        cmocka_unit_test(the_end_of_a_burst_is_not_waited_for),
        cmocka_unit_test(a_short_answer_in_an_idle_stream_is_not_a_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
