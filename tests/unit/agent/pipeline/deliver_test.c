/* SPDX-License-Identifier: Apache-2.0
 *
 * The deliver thread with a real spool, a decoder that takes a record for the change itself, and a
 * sink that remembers what it was given: order, resumption from the sink's own word, the table
 * filter, and the end at a change that cannot be applied.
 */
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pipeline/deliver.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/unit.h"

/* --- decoder: payload is one byte, the table's id
 * ------------------------------------------------- */

static struct relation relations[256];

static bool
plain_feed(struct decoder *d, const struct record *rec, struct change *out, bool *produced,
    struct err *err)
{
    (void)d;
    (void)err;
    static const enum change_kind kinds[] = {[RECORD_BEGIN] = CHANGE_BEGIN,
        [RECORD_DATA] = CHANGE_INSERT,
        [RECORD_COMMIT] = CHANGE_COMMIT,
        [RECORD_DISCARD] = CHANGE_DISCARD,
        [RECORD_MARK] = CHANGE_MARK};
    *produced = rec->kind != RECORD_SCHEMA;
    *out = (struct change){.kind = kinds[rec->kind], .position = {.commit = rec->position}};
    if (rec->kind == RECORD_DATA) {
        out->relation = &relations[rec->payload.data[0]];
    }
    return true;
}

static void
plain_nothing(struct decoder *d)
{
    (void)d;
}

static bool plain_open(struct decoder **out, struct err *err);

static const struct decoder_ops plain_ops = {.name = "plain",
    .summary = "test",
    .open = plain_open,
    .feed = plain_feed,
    .reset = plain_nothing,
    .free = plain_nothing};
static struct decoder plain = {.ops = &plain_ops};

static bool
plain_open(struct decoder **out, struct err *err)
{
    (void)err;
    *out = &plain;
    return true;
}

/* --- sink: keeps what was committed, as text
 * ------------------------------------------------------ */

struct memory_sink {
    struct sink base;
    char committed[2048]; /* "a b c |" one group a transaction */
    char open[512];
    uint64_t position; /* survives a reconnect, as an origin does */
    atomic_uint opens;
    int break_at_row;  /* the nth row over all sessions ends the connection; 0 never */
    int fail_at_row;   /* the nth row cannot be applied */
    uint32_t refused;  /* rows of this table cannot be applied */
    atomic_bool alone; /* as the session was opened: each row alone */
    int rows;
    uint64_t transactions;
};
static struct memory_sink memory;
static const struct sink_ops memory_ops;

static bool
memory_open(const struct sink_params *p, uint64_t start, struct sink **out, uint64_t *resume,
    struct err *err)
{
    (void)err;
    atomic_fetch_add(&memory.opens, 1);
    memory.alone = p->row_by_row;
    memory.base.ops = &memory_ops;
    memory.open[0] = 0;
    if (memory.position < start) {
        memory.position = start;
    }
    *resume = memory.position;
    *out = &memory.base;
    return true;
}

static bool
memory_row(const struct change *c, struct err *err)
{
    memory.rows++;
    if (memory.rows == memory.break_at_row) {
        return err_set(err, ERR_RECONNECT, "scripted break");
    }
    if (memory.rows == memory.fail_at_row || c->relation->id == memory.refused) {
        return err_set(
            err, ERR_DATA, "scripted refusal of %s", memory.alone ? "one row" : "some row");
    }
    size_t n = strlen(memory.open);
    snprintf(memory.open + n, sizeof(memory.open) - n, "%u ", c->relation->id);
    return true;
}

static bool
memory_apply(struct sink *s, const struct change *c, struct err *err)
{
    (void)s;
    switch (c->kind) {
    case CHANGE_BEGIN:
    case CHANGE_DISCARD:
        memory.open[0] = 0;
        return true;
    case CHANGE_COMMIT: {
        size_t n = strlen(memory.committed);
        snprintf(memory.committed + n, sizeof(memory.committed) - n, "%s|", memory.open);
        memory.position = c->position.commit;
        memory.transactions++;
        return true;
    }
    case CHANGE_INSERT:
        return memory_row(c, err);
    case CHANGE_MARK:
        memory.position = c->position.commit;
        return true;
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
    case CHANGE_MESSAGE:
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
        return true;
    }
    return true;
}

static bool
memory_flush(struct sink *s, struct err *err)
{
    (void)s;
    (void)err;
    return true;
}

static bool
memory_progress(struct sink_progress *out)
{
    *out = (struct sink_progress){.applied = memory.position,
        .durable = memory.position,
        .transactions = memory.transactions};
    return true;
}

static bool
memory_poll(struct sink *s, int timeout_ms, struct sink_progress *out, struct err *err)
{
    (void)s;
    (void)timeout_ms;
    (void)err;
    return memory_progress(out);
}

static bool
memory_sync(struct sink *s, struct sink_progress *out, struct err *err)
{
    (void)s;
    (void)err;
    return memory_progress(out);
}

static int
memory_fd(const struct sink *s)
{
    (void)s;
    return -1;
}

static void
memory_free(struct sink *s)
{
    (void)s;
}

static const struct sink_ops memory_ops = {.name = "memory",
    .summary = "test",
    .open = memory_open,
    .apply = memory_apply,
    .flush = memory_flush,
    .poll = memory_poll,
    .sync = memory_sync,
    .fd = memory_fd,
    .free = memory_free};

/* --- the stage
 * ------------------------------------------------------------------------------------ */

static char *dir;
static struct stop stop;
static struct spool *spool;
static struct table_sync sync_rule;
static struct deliver *deliver;
static const struct clock *test_clock;

static int64_t received_ago_us; /* how long ago what is appended was received */

static void
append(enum record_kind kind, uint64_t position, uint8_t table)
{
    struct err err = ERR_INIT;
    struct record rec = {.kind = kind,
        .position = position,
        .payload = slice_of(&table, 1),
        .received_us = clock_wall_us(&clock_system) - received_ago_us};
    assert_true(spool_append(spool, &rec, &err));
    assert_true(spool_flush(spool, &err));
}

/* A transaction of one row; its commit record stands 5 below its end. */
static void
transaction(uint64_t end, uint8_t table)
{
    append(RECORD_BEGIN, end - 5, 0);
    append(RECORD_DATA, end - 6, table);
    append(RECORD_COMMIT, end, 0);
}

static void
start(void)
{
    struct err err = ERR_INIT;
    struct delivery_options steps = {.sink = &memory_ops,
        .params = {.name = "memory"},
        .decoder = &plain_ops,
        .spool = spool,
        .sync = &sync_rule,
        .start = 100,
        .retry_max_us = 10000,
        .clock = test_clock};
    struct deliver_options o = {.steps = steps, .stop = &stop};
    assert_true(deliver_start(&o, &deliver, &err));
}

static void
wait_applied(uint64_t position)
{
    struct deliver_state s;
    for (int i = 0; i < 2000; i++) {
        deliver_state(deliver, &s);
        if (s.progress.applied >= position || s.failed) {
            return;
        }
        usleep(2000);
    }
    fail_msg("position %llu was not reached", (unsigned long long)position);
}

static void
finish(void)
{
    stop_request(&stop);
    deliver_free(deliver);
    spool_close(spool);
}

static void
transactions_arrive_in_order_and_once(void **state)
{
    (void)state;
    transaction(110, 1);
    start();
    transaction(120, 2);
    transaction(130, 3);
    wait_applied(130);
    assert_int_equal(deliver_durable(deliver), 130);
    finish();
    assert_string_equal(memory.committed, "1 |2 |3 |");
}

static void
a_reconnect_resumes_from_the_sinks_own_word(void **state)
{
    (void)state;
    memory.break_at_row = 3;
    for (uint8_t i = 1; i <= 5; i++) {
        transaction(100 + i * 10U, i);
    }
    start();
    wait_applied(150);
    finish();
    assert_int_equal(atomic_load(&memory.opens), 2);
    assert_string_equal(memory.committed, "1 |2 |3 |4 |5 |");
}

static void
a_change_that_cannot_be_applied_ends_the_sink_and_is_not_skipped(void **state)
{
    (void)state;
    memory.refused = 2;
    for (uint8_t i = 1; i <= 3; i++) {
        transaction(100 + i * 10U, i);
    }
    start();
    wait_applied(150);
    struct deliver_state s;
    deliver_state(deliver, &s);
    assert_true(s.failed);
    assert_int_equal(s.state, SINK_FAILED);
    assert_string_equal(s.error.text, "scripted refusal of one row");
    finish();
    assert_int_equal(atomic_load(&memory.opens), 2);
    assert_string_equal(memory.committed, "1 |");
    assert_int_equal(memory.position, 110);
}

static void
a_refusal_that_does_not_come_again_row_by_row_is_none(void **state)
{
    (void)state;
    memory.fail_at_row = 2;
    for (uint8_t i = 1; i <= 3; i++) {
        transaction(100 + i * 10U, i);
    }
    start();
    wait_applied(130);
    finish();
    assert_int_equal(atomic_load(&memory.opens), 2);
    assert_true(memory.alone);
    assert_string_equal(memory.committed, "1 |2 |3 |");
}

static atomic_int_fast64_t ahead_us;

static int64_t
ahead_mono(const struct clock *c)
{
    (void)c;
    return clock_mono_us(&clock_system) + atomic_load(&ahead_us);
}

static int64_t
ahead_wall(const struct clock *c)
{
    (void)c;
    return clock_wall_us(&clock_system);
}

static void
after_a_while_rows_are_joined_again(void **state)
{
    (void)state;
    static const struct clock ahead = {.mono_us = ahead_mono, .wall_us = ahead_wall};
    atomic_store(&ahead_us, 0);
    test_clock = &ahead;
    memory.fail_at_row = 1;
    transaction(110, 1);
    start();
    wait_applied(110);
    assert_int_equal(atomic_load(&memory.opens), 2);
    assert_true(memory.alone);
    atomic_store(&ahead_us, 61000000);
    transaction(120, 2);
    for (int i = 0; i < 1000 && atomic_load(&memory.opens) < 3; i++) {
        usleep(2000);
    }
    transaction(130, 3);
    wait_applied(130);
    finish();
    assert_int_equal(atomic_load(&memory.opens), 3);
    assert_false(memory.alone);
    assert_string_equal(memory.committed, "1 |2 |3 |");
}

static void
what_a_tables_copy_has_already_is_left_out(void **state)
{
    (void)state;
    const struct table_sync_item items[] = {{.oid = 1, .sync = 100}, {.oid = 2, .sync = 125}};
    table_sync_done(&sync_rule);
    table_sync_init(&sync_rule, items, 2);
    transaction(110, 1);
    transaction(120, 2);
    transaction(130, 2);
    transaction(140, 9);
    start();
    wait_applied(140);
    finish();
    assert_string_equal(memory.committed, "1 ||2 |9 |");
}

static void
a_discarded_transaction_leaves_no_trace(void **state)
{
    (void)state;
    append(RECORD_BEGIN, 105, 0);
    append(RECORD_DATA, 104, 1);
    append(RECORD_DISCARD, 0, 0);
    transaction(110, 1);
    start();
    wait_applied(110);
    finish();
    assert_string_equal(memory.committed, "1 |");
}

static void
a_pause_holds_between_transactions_and_resumes(void **state)
{
    (void)state;
    transaction(110, 1);
    start();
    wait_applied(110);
    deliver_pause(deliver, true);
    struct deliver_state s = {0};
    for (int i = 0; i < 1000 && s.state != SINK_PAUSED; i++) {
        usleep(2000);
        deliver_state(deliver, &s);
    }
    assert_int_equal(s.state, SINK_PAUSED);
    transaction(120, 2);
    usleep(50000);
    deliver_state(deliver, &s);
    assert_int_equal(s.progress.applied, 110);
    deliver_pause(deliver, false);
    wait_applied(120);
    finish();
    assert_string_equal(memory.committed, "1 |2 |");
}

static void
a_change_after_a_quiet_hour_is_not_an_hour_late(void **state)
{
    (void)state;
    received_ago_us = 3600000000;
    transaction(110, 1);
    received_ago_us = 0;
    start();
    wait_applied(110);
    usleep(300000); /* the thread has looked once more and found nothing */
    deliver_pause(deliver, true);
    struct deliver_state s = {0};
    for (int i = 0; i < 1000 && s.state != SINK_PAUSED; i++) {
        usleep(2000);
        deliver_state(deliver, &s);
    }
    transaction(120, 2);
    for (int i = 0; i < 1000 && s.behind_bytes == 0; i++) {
        usleep(2000);
        deliver_state(deliver, &s);
    }
    assert_true(s.behind_bytes > 0);
    assert_true(s.lag_seconds < 60);
    finish();
}

static void
quiet(const char *line, size_t len, void *arg)
{
    (void)line;
    (void)len;
    (void)arg;
}

static int
setup(void **state)
{
    (void)state;
    log_set_sink(quiet, NULL);
    for (uint32_t i = 0; i < 256; i++) {
        relations[i].id = i;
    }
    memory = (struct memory_sink){0};
    test_clock = &clock_system;
    dir = tmpdir_new();
    table_sync_init(&sync_rule, NULL, 0);
    struct err err = ERR_INIT;
    struct spool_options o = {.path = dir, .feed_id = 1, .clock = &clock_system};
    if (!stop_init(&stop) || !spool_open(&o, &spool, &err) || !spool_set_start(spool, 100, &err)) {
        return -1;
    }
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    stop_done(&stop);
    table_sync_done(&sync_rule);
    tmpdir_remove(dir);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(transactions_arrive_in_order_and_once),
        CASE(a_reconnect_resumes_from_the_sinks_own_word),
        CASE(a_change_that_cannot_be_applied_ends_the_sink_and_is_not_skipped),
        CASE(a_refusal_that_does_not_come_again_row_by_row_is_none),
        CASE(after_a_while_rows_are_joined_again),
        CASE(what_a_tables_copy_has_already_is_left_out),
        CASE(a_discarded_transaction_leaves_no_trace),
        CASE(a_pause_holds_between_transactions_and_resumes),
        CASE(a_change_after_a_quiet_hour_is_not_an_hour_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
