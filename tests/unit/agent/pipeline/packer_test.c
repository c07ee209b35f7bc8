/* SPDX-License-Identifier: Apache-2.0
 *
 * When segments are packed, and that the thread does it and stops.
 */
#include <stdio.h>

#include "agent/base/clock.h"
#include "agent/pipeline/packer.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

static void
what_is_packed_follows_from_the_configuration_and_the_room(void **state)
{
    (void)state;
    assert_false(packer_decide(COMPRESSION_NONE, false).pack);
    assert_false(packer_decide(COMPRESSION_NONE, true).pack);
    assert_false(packer_decide(COMPRESSION_PRESSURE, false).pack);
    assert_true(packer_decide(COMPRESSION_PRESSURE, true).pack);
    assert_true(packer_decide(COMPRESSION_ZSTD, false).pack);
    assert_true(packer_decide(COMPRESSION_ZSTD, true).pack);
    assert_true(packer_decide(COMPRESSION_ZSTD, true).pause_us <
                packer_decide(COMPRESSION_ZSTD, false).pause_us);
}

static void
without_compression_there_is_no_thread(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct packer *p;
    const struct packer_options o = {.compression = COMPRESSION_NONE};
    assert_true(packer_start(&o, &p, &err));
    assert_null(p);
    packer_free(p);
}

static bool
always(void *arg)
{
    (void)arg;
    return true;
}

/* Segments of compressible records, some of them sealed. */
static struct spool *
filled(const char *dir)
{
    struct err err = ERR_INIT;
    struct spool *s;
    char bytes[2000];
    const struct spool_options o = {
        .path = dir, .feed_id = 1, .segment_size = 20000, .block_size = 4000};
    memset(bytes, 'x', sizeof(bytes));
    assert_true(spool_open(&o, &s, &err));
    for (unsigned i = 0; i < 100; i++) {
        const struct record recs[] = {
            {.kind = RECORD_BEGIN, .position = 100 + 10 * i, .received_us = 1},
            {.kind = RECORD_DATA,
                .position = 101 + 10 * i,
                .received_us = 1,
                .payload = slice_of(bytes, sizeof(bytes))},
            {.kind = RECORD_COMMIT, .position = 105 + 10 * i, .received_us = 1},
        };
        for (size_t k = 0; k < 3; k++) {
            assert_true(spool_append(s, &recs[k], &err));
        }
    }
    assert_true(spool_sync(s, &err));
    return s;
}

static void
the_thread_packs_and_stops(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct stop stop;
    struct packer *p;
    struct spool_stats st = {0};
    char *dir = tmpdir_new();
    struct spool *s = filled(dir);
    assert_true(stop_init(&stop));
    const struct packer_options o = {
        .spool = s, .compression = COMPRESSION_PRESSURE, .pressing = always, .stop = &stop};
    assert_true(packer_start(&o, &p, &err));
    for (int i = 0; i < 1000 && st.packed_segments < 3; i++) {
        clock_system.sleep_us(&clock_system, 10000);
        spool_stats(s, &st);
    }
    stop_request(&stop);
    packer_free(p);
    assert_true(st.packed_segments >= 3);
    assert_true(st.saved_bytes > 0);
    stop_done(&stop);
    spool_close(s);
    tmpdir_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_follows_from_the_configuration_and_the_room),
        cmocka_unit_test(without_compression_there_is_no_thread),
        cmocka_unit_test(the_thread_packs_and_stops),
    };
    return cmocka_run_group_tests_name("packer", tests, NULL, NULL);
}
