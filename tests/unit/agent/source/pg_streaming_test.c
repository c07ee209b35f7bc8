/* SPDX-License-Identifier: Apache-2.0
 *
 * Large transactions, taken from a real server while they are open: source, a keeper in the place
 * of the spool, decoder, and a model of the table that must end equal to the table.
 */
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/source/source.h"
#include "decoders/decoder.h"
#include "tests/lib/pg_server.h"
#include "tests/lib/stream_keeper.h"
#include "tests/lib/unit.h"

#define SLOT     "pg_streaming_test"
#define KEYS     60000
#define PATIENCE 30000000

static struct pg_server server;
static bool have_server;
static PGconn *db, *other; /* `other` has the large transaction */

struct run {
    struct source *source;
    struct decoder *decoder;
    struct stream_keeper keeper;
    struct err err;
    uint64_t position; /* of the last COMMIT or MARK */
    unsigned commits, schemas;
    bool present[KEYS];    /* what is committed */
    int pending[KEYS * 2]; /* of the open transaction: key inserted, or -key deleted */
    int pending_len;
};

static int
key_of(const struct tuple *t)
{
    struct reader r;
    assert_int_equal(t->values[0].status, VALUE_BINARY);
    reader_init(&r, t->values[0].bytes);
    int key = (int)reader_u32(&r);
    assert_true(reader_end(&r) && key > 0 && key < KEYS);
    return key;
}

static void
apply(struct run *run)
{
    for (int i = 0; i < run->pending_len; i++) {
        int key = run->pending[i];
        assert_int_equal(run->present[abs(key)], key < 0);
        run->present[abs(key)] = key > 0;
    }
    run->pending_len = 0;
}

static void
emit(void *arg, const struct record *rec)
{
    struct run *run = arg;
    struct change c;
    bool produced = false;
    assert_int_equal(rec->stream, 0);
    if (!decoder_feed(run->decoder, rec, &c, &produced, &run->err)) {
        fail_msg("%s", run->err.text);
    }
    if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK) {
        assert_true(rec->position > run->position);
        run->position = rec->position;
    }
    run->schemas += rec->kind == RECORD_SCHEMA;
    if (!produced) {
        return;
    }
    if (c.kind == CHANGE_INSERT) {
        run->pending[run->pending_len++] = key_of(&c.new);
    } else if (c.kind == CHANGE_DELETE) {
        run->pending[run->pending_len++] = -key_of(&c.old);
    } else if (c.kind == CHANGE_COMMIT) {
        run->commits++;
        apply(run);
    }
}

static void
connect_source(struct run *run, bool streaming)
{
    struct source_params p = {.dsn = server.dsn,
        .slot = SLOT,
        .publication = SLOT,
        .streaming = streaming,
        .timeout_us = 20000000};
    assert_true(source_find("postgresql")->open(&p, &run->source, &run->err));
    /* The walsender of before may need a moment to let go of the slot. */
    for (int i = 0; !source_start(run->source, run->position, &run->err); i++) {
        if (i == 100) {
            fail_msg("%s", run->err.text);
        }
        err_clear(&run->err);
        usleep(50000);
    }
}

static uint64_t
lsn(const char *sql)
{
    uint64_t at = 0;
    assert_true(parse_lsn(pg_get(db, sql), &at));
    return at;
}

static struct run *
begin_run(bool streaming)
{
    struct run *run = calloc(1, sizeof(*run));
    run->keeper = (struct stream_keeper){.emit = emit, .arg = run};
    pg_do(db, "TRUNCATE t, u");
    pg_do(db, "SELECT pg_create_logical_replication_slot('" SLOT "', 'pgoutput')");
    run->position = lsn("SELECT confirmed_flush_lsn FROM pg_replication_slots");
    assert_true(decoder_find("pgoutput")->open(&run->decoder, &run->err));
    connect_source(run, streaming);
    return run;
}

static bool
read_one(struct run *run)
{
    struct record rec;
    bool got = false;
    if (!source_read(run->source, 50, &rec, &got, &run->err)) {
        fail_msg("%s", run->err.text);
    }
    if (got) {
        stream_keeper_take(&run->keeper, &rec);
    }
    return got;
}

static void
read_up_to(struct run *run, uint64_t position)
{
    int64_t until = clock_mono_us(&clock_system) + PATIENCE;
    while (run->position < position) {
        assert_true(clock_mono_us(&clock_system) < until);
        read_one(run);
    }
}

static void
read_all(struct run *run)
{
    /* Something that is not published: its end is told as a position that was reached. */
    uint64_t head = lsn("SELECT pg_current_wal_insert_lsn()");
    pg_do(db, "INSERT INTO u VALUES (1); DELETE FROM u");
    read_up_to(run, head);
}

static void
end_run(struct run *run)
{
    source_free(run->source);
    decoder_free(run->decoder);
    stream_keeper_done(&run->keeper);
    free(run);
    for (int i = 0;
         i < 100 && strcmp(pg_get(db, "SELECT active FROM pg_replication_slots"), "t") == 0; i++) {
        usleep(50000);
    }
    pg_do(db, "SELECT pg_drop_replication_slot('" SLOT "')");
}

/* The table has just the keys of the model. */
static void
assert_equal(const struct run *run)
{
    PGresult *res = PQexec(db, "SELECT a FROM t ORDER BY a");
    int at = 0;
    for (int key = 0; key < KEYS; key++) {
        if (run->present[key]) {
            assert_true(at < PQntuples(res));
            assert_int_equal(strtol(PQgetvalue(res, at++, 0), NULL, 10), key);
        }
    }
    assert_int_equal(at, PQntuples(res));
    PQclear(res);
}

/* Rows enough for some blocks: 64 kB are kept at the server. */
static void
insert(PGconn *conn, int first, int last)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
        "INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(%d, %d) g", first, last);
    pg_do(conn, sql);
}

#define TEST_NEEDS_SERVER                                                                          \
    (void)state;                                                                                   \
    if (!have_server) {                                                                            \
        skip();                                                                                    \
    }

static void
a_large_transaction_comes_while_it_is_open_and_lets_small_ones_pass(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    insert(other, 1000, 4000);
    insert(db, 1, 1);
    insert(other, 4001, 6000);
    insert(db, 2, 2);
    read_all(run);
    assert_true(run->keeper.blocks_seen > 1000);
    assert_true(run->present[1] && run->present[2] && !run->present[1000]);
    pg_do(other, "COMMIT");
    read_all(run);
    assert_true(run->present[1000] && run->present[6000]);
    assert_int_equal(run->keeper.len, 0);
    assert_equal(run);
    end_run(run);
}

static void
two_large_transactions_do_not_mix(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    pg_do(db, "BEGIN");
    for (int i = 0; i < 10; i++) {
        insert(other, 1000 + i * 1000, 1999 + i * 1000);
        insert(db, 21000 + i * 1000, 21999 + i * 1000);
    }
    pg_do(db, "DELETE FROM t WHERE a % 2 = 0; COMMIT");
    read_all(run);
    assert_true(run->present[21001] && !run->present[21002] && !run->present[1001]);
    pg_do(other, "DELETE FROM t WHERE a % 3 = 0");
    pg_do(other, "COMMIT");
    read_all(run);
    assert_equal(run);
    end_run(run);
}

static void
what_savepoints_roll_back_is_void(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    insert(other, 1, 1000);
    pg_do(other, "SAVEPOINT a");
    insert(other, 1001, 2000);
    pg_do(other, "SAVEPOINT b");
    insert(other, 2001, 3000);
    pg_do(other, "RELEASE b");
    insert(other, 3001, 3100);
    read_all(run);
    pg_do(other, "ROLLBACK TO a");
    insert(other, 2001, 2500);
    pg_do(other, "SAVEPOINT c");
    insert(other, 4001, 5000);
    pg_do(other, "RELEASE c");
    pg_do(other, "COMMIT");
    read_all(run);
    assert_true(run->keeper.aborts_seen >= 2);
    assert_false(run->present[1001]);
    assert_true(run->present[2500] && !run->present[2501] && run->present[5000]);
    assert_equal(run);
    end_run(run);
}

/* The server counts a description as sent although only the savepoint that is gone had it, unless
 * it forgets that with the rollback: the rows behind it need one. */
static void
a_description_that_was_rolled_back_comes_again(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    pg_do(other, "SAVEPOINT a");
    insert(other, 1, 1000);
    pg_do(other, "ROLLBACK TO a");
    insert(other, 1001, 2000);
    pg_do(other, "COMMIT");
    read_all(run);
    assert_true(run->present[2000] && !run->present[1]);
    assert_equal(run);
    end_run(run);
}

/* With `seen` blocks in the other shape have come before the rollback; without it the server finds
 * out on its own, while it decodes them. */
static void
roll_another_shape_back(bool seen)
{
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    insert(other, 1, 1000);
    pg_do(other, "SAVEPOINT a; ALTER TABLE t ADD COLUMN c integer DEFAULT 7");
    insert(other, 1001, 2000);
    pg_do(other, "SAVEPOINT b; ALTER TABLE t ADD COLUMN d integer DEFAULT 8; RELEASE b");
    insert(other, 2001, 3000);
    if (seen) {
        read_all(run);
    }
    pg_do(other, "ROLLBACK TO a");
    insert(other, 3001, 4000);
    pg_do(other, "COMMIT");
    insert(db, 5000, 5000);
    read_all(run);
    assert_true(!seen || run->keeper.aborts_seen >= 2);
    assert_true(run->present[1000] && !run->present[1001] && run->present[4000]);
    assert_equal(run);
    end_run(run);
}

static void
another_shape_that_was_rolled_back_does_not_stay(void **state)
{
    TEST_NEEDS_SERVER
    roll_another_shape_back(true);
}

static void
another_shape_that_is_rolled_back_while_it_is_decoded_does_not_stay(void **state)
{
    TEST_NEEDS_SERVER
    roll_another_shape_back(false);
}

static void
another_shape_that_was_committed_stays(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    insert(db, 1, 1);
    pg_do(other, "BEGIN");
    insert(other, 2, 1000);
    pg_do(other, "SAVEPOINT a; ALTER TABLE t ADD COLUMN c integer DEFAULT 7; RELEASE a");
    insert(other, 1001, 2000);
    pg_do(other, "COMMIT");
    insert(db, 2001, 2001);
    read_all(run);
    pg_do(other, "BEGIN; ALTER TABLE t DROP COLUMN c");
    insert(other, 3001, 4000);
    pg_do(other, "ROLLBACK");
    insert(db, 4001, 4001);
    pg_do(db, "ALTER TABLE t DROP COLUMN c");
    insert(db, 4002, 4002);
    read_all(run);
    assert_equal(run);
    end_run(run);
}

static void
a_transaction_that_rolls_back_leaves_nothing(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    insert(other, 1, 3000);
    pg_do(other, "SAVEPOINT a");
    insert(other, 3001, 6000);
    read_all(run);
    assert_true(run->keeper.len > 0);
    pg_do(other, "ROLLBACK");
    read_all(run);
    assert_int_equal(run->keeper.len, 0);
    assert_equal(run);
    end_run(run);
}

/* Everything is confirmed, the slot has advanced as far as it can: the transaction that is open
 * comes again, whole. */
static void
after_a_reconnect_an_open_transaction_comes_again_from_its_begin(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    insert(other, 1000, 3000);
    pg_do(other, "SAVEPOINT a");
    insert(other, 3001, 4000);
    pg_do(other, "ROLLBACK TO a");
    insert(db, 1, 1);
    read_all(run);
    assert_true(run->keeper.len > 0);
    for (int i = 0; i < 3; i++) {
        pg_do(db, "CHECKPOINT");
        read_all(run);
        assert_true(source_confirm(run->source, run->position, true, &run->err));
    }
    insert(other, 5000, 5500);
    read_all(run);
    assert_true(source_confirm(run->source, run->position, true, &run->err));
    source_free(run->source);
    stream_keeper_discard(&run->keeper);
    decoder_reset(run->decoder);

    insert(db, 2, 2);
    connect_source(run, true);
    insert(other, 6000, 9000);
    pg_do(other, "SAVEPOINT b");
    insert(other, 9001, 9500);
    pg_do(other, "ROLLBACK TO b");
    pg_do(other, "COMMIT");
    read_all(run);
    assert_true(run->present[2] && run->present[1000] && run->present[9000]);
    assert_equal(run);
    end_run(run);
}

static void
marks_go_on_while_a_transaction_is_streamed(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    insert(other, 1, 3000);
    uint64_t head = lsn("SELECT pg_current_wal_insert_lsn()");
    read_up_to(run, head);
    assert_int_equal(run->commits, 0);
    assert_true(run->keeper.len > 0);
    pg_do(other, "COMMIT");
    read_all(run);
    assert_equal(run);
    end_run(run);
}

/* Prepared transactions are ordinary ones that come when they are committed. */
static void
a_prepared_transaction_comes_when_it_is_committed(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    insert(other, 1, 3000);
    pg_do(other, "PREPARE TRANSACTION 'large'");
    pg_do(other, "BEGIN; INSERT INTO t VALUES (4000); PREPARE TRANSACTION 'small'");
    pg_do(other, "BEGIN");
    insert(other, 5000, 8000);
    pg_do(other, "PREPARE TRANSACTION 'never'");
    read_all(run);
    assert_false(run->present[1] || run->present[4000]);
    pg_do(db, "COMMIT PREPARED 'small'");
    pg_do(db, "ROLLBACK PREPARED 'never'");
    pg_do(db, "COMMIT PREPARED 'large'");
    read_all(run);
    assert_true(run->present[1] && run->present[4000]);
    assert_int_equal(run->keeper.len, 0);
    assert_equal(run);
    end_run(run);
}

static void
a_transaction_that_a_crash_ends_leaves_nothing(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(true);
    pg_do(other, "BEGIN");
    insert(other, 1, 3000);
    insert(db, 4000, 4000);
    read_all(run);
    assert_true(source_confirm(run->source, run->position, true, &run->err));
    source_free(run->source);
    stream_keeper_discard(&run->keeper);
    decoder_reset(run->decoder);
    PQfinish(db);
    PQfinish(other);
    assert_true(pg_server_crash(&server));
    db = pg_server_connect(&server, NULL);
    other = pg_server_connect(&server, NULL);

    connect_source(run, true);
    insert(db, 1, 3500);
    read_all(run);
    assert_equal(run);
    end_run(run);
}

static void
without_streaming_transactions_come_whole(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run(false);
    pg_do(other, "BEGIN");
    insert(other, 1, 3000);
    insert(db, 5000, 5000);
    read_all(run);
    pg_do(other, "COMMIT");
    read_all(run);
    assert_int_equal(run->keeper.blocks_seen, 0);
    assert_equal(run);
    end_run(run);
}

static int
setup(void **state)
{
    (void)state;
    static const char *const settings[] = {"wal_level=logical", "wal_sender_timeout=1s",
        "logical_decoding_work_mem=64kB", "max_prepared_transactions=5", NULL};
    have_server = pg_server_start(&server, settings);
    if (have_server) {
        db = pg_server_connect(&server, NULL);
        other = pg_server_connect(&server, NULL);
        pg_do(db, "CREATE TABLE t (a integer PRIMARY KEY, b text)");
        pg_do(db, "CREATE TABLE u (a integer PRIMARY KEY)");
        pg_do(db, "CREATE PUBLICATION " SLOT " FOR TABLE t");
    }
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    PQfinish(db);
    PQfinish(other);
    pg_server_stop(&server);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_transaction_comes_while_it_is_open_and_lets_small_ones_pass),
        cmocka_unit_test(two_large_transactions_do_not_mix),
        cmocka_unit_test(what_savepoints_roll_back_is_void),
        cmocka_unit_test(a_description_that_was_rolled_back_comes_again),
        cmocka_unit_test(another_shape_that_was_rolled_back_does_not_stay),
        cmocka_unit_test(another_shape_that_is_rolled_back_while_it_is_decoded_does_not_stay),
        cmocka_unit_test(another_shape_that_was_committed_stays),
        cmocka_unit_test(a_transaction_that_rolls_back_leaves_nothing),
        cmocka_unit_test(after_a_reconnect_an_open_transaction_comes_again_from_its_begin),
        cmocka_unit_test(marks_go_on_while_a_transaction_is_streamed),
        cmocka_unit_test(a_prepared_transaction_comes_when_it_is_committed),
        cmocka_unit_test(a_transaction_that_a_crash_ends_leaves_nothing),
        cmocka_unit_test(without_streaming_transactions_come_whole),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
