/* SPDX-License-Identifier: Apache-2.0
 *
 * The note of how far the spool is durable.
 */
#include "agent/pipeline/durable_note.h"
#include "agent/spool/spool.h"
#include "agent/store/store.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

#define SECOND 1000000

static uint64_t
stored(struct store *store)
{
    struct err err = ERR_INIT;
    uint64_t value = 0;
    bool found;
    assert_true(store_get_u64(store, STORE_SPOOL_DURABLE, &value, &found, &err));
    return found ? value : 0;
}

static void
is_written_when_due_or_asked_for(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char *dir = tmpdir_new(), *path = tmpdir_path(dir, "spool");
    struct store *store = NULL;
    struct spool *spool = NULL;
    struct spool_options o = {.path = path, .feed_id = 1};
    struct durable_note n = {0};
    assert_true(store_open(dir, &store, &err) && spool_open(&o, &spool, &err));
    assert_true(spool_set_start(spool, 100, &err));
    assert_true(durable_note_keep(&n, store, spool, 9 * SECOND, false, &err));
    assert_int_equal(stored(store), 100);
    struct record mark = {.kind = RECORD_MARK, .position = 200, .received_us = 1};
    assert_true(spool_append(spool, &mark, &err));
    assert_true(durable_note_keep(&n, store, spool, 99 * SECOND, true, &err));
    assert_int_equal(stored(store), 100); /* not durable yet */
    assert_true(spool_sync(spool, &err));
    assert_true(durable_note_keep(&n, store, spool, 100 * SECOND, false, &err));
    assert_int_equal(stored(store), 100); /* not due yet */
    assert_true(durable_note_keep(&n, store, spool, 100 * SECOND, true, &err));
    assert_int_equal(stored(store), 200);
    spool_close(spool);
    store_close(store);
    free(path);
    tmpdir_remove(dir);
}

static void
nothing_is_done_before_there_is_a_spool(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct durable_note n = {0};
    assert_true(durable_note_keep(&n, NULL, NULL, 0, true, &err));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_written_when_due_or_asked_for),
        cmocka_unit_test(nothing_is_done_before_there_is_a_spool),
    };
    return cmocka_run_group_tests_name("durable note", tests, NULL, NULL);
}
