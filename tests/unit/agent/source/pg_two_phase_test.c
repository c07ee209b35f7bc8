/* SPDX-License-Identifier: Apache-2.0
 *
 * Prepared transactions from a real server, as the changes that they become.
 */
#include <stdio.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/source/source.h"
#include "decoders/decoder.h"
#include "tests/lib/pg_server.h"
#include "tests/lib/stream_keeper.h"
#include "tests/lib/unit.h"

#define SLOT     "pg_two_phase_test"
#define PATIENCE 30000000

static struct pg_server server;
static bool have_server;
static PGconn *db;

struct run {
    struct source *source;
    struct decoder *decoder;
    struct stream_keeper keeper;
    struct err err;
    _Atomic uint64_t from;
    uint64_t position, begun;
    char told[4000]; /* "begin(g) 1 prepare(g)" ...; rows of a kind come once: "1.." */
    int last_row;
};

static void
tell(struct run *run, const char *what, const char *gid)
{
    size_t len = strlen(run->told);
    snprintf(run->told + len, sizeof run->told - len, "%s%s%s%s%s", len ? " " : "", what,
        gid ? "(" : "", gid ? gid : "", gid ? ")" : "");
}

static void
tell_row(struct run *run, const struct change *c)
{
    struct reader r;
    char text[16];
    reader_init(&r, c->new.values[0].bytes);
    int row = (int)reader_u32(&r);
    if (row != run->last_row + 1) {
        snprintf(text, sizeof text, "%d", row);
        tell(run, text, NULL);
    }
    run->last_row = row;
}

static void
check_position(struct run *run, const struct record *rec)
{
    if (rec->kind == RECORD_BEGIN) {
        run->begun = rec->position;
        assert_true(rec->position >= run->position);
    } else if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK) {
        assert_true(rec->position > run->position);
        assert_true(rec->kind == RECORD_MARK || rec->position > run->begun);
        run->position = rec->position;
    }
}

static void
emit(void *arg, const struct record *rec)
{
    struct run *run = arg;
    struct change c;
    bool produced = false;
    check_position(run, rec);
    if (!decoder_feed(run->decoder, rec, &c, &produced, &run->err)) {
        fail_msg("%s", run->err.text);
    }
    if (produced && c.kind == CHANGE_INSERT) {
        tell_row(run, &c);
    } else if (produced && c.kind != CHANGE_MARK) {
        run->last_row = -5;
        tell(run, change_kind_name(c.kind), c.gid);
    }
}

static void
start_source(struct run *run)
{
    struct source_params p = {.dsn = server.dsn,
        .slot = SLOT,
        .publication = SLOT,
        .streaming = true,
        .two_phase_from = &run->from,
        .timeout_us = 20000000};
    assert_true(source_find("postgresql")->open(&p, &run->source, &run->err));
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
begin_run(void)
{
    struct run *run = calloc(1, sizeof(*run));
    run->keeper = (struct stream_keeper){.emit = emit, .arg = run};
    run->last_row = -5;
    pg_do(db, "TRUNCATE t");
    pg_do(db, "SELECT pg_create_logical_replication_slot('" SLOT "', 'pgoutput')");
    run->position = lsn("SELECT confirmed_flush_lsn FROM pg_replication_slots");
    assert_true(decoder_find("pgoutput")->open(&run->decoder, &run->err));
    return run;
}

static bool
read_one(struct run *run)
{
    struct record rec;
    bool got = false;
    if (!source_read(run->source, 50, &rec, &got, &run->err)) {
        return false;
    }
    if (got) {
        stream_keeper_take(&run->keeper, &rec);
    }
    return true;
}

static void
read_all(struct run *run)
{
    uint64_t head = lsn("SELECT pg_current_wal_insert_lsn()");
    pg_do(db, "INSERT INTO u VALUES (1); DELETE FROM u");
    int64_t until = clock_mono_us(&clock_system) + PATIENCE;
    while (run->position < head) {
        assert_true(clock_mono_us(&clock_system) < until);
        if (!read_one(run)) {
            fail_msg("%s", run->err.text);
        }
    }
}

static void
stop_source(struct run *run)
{
    source_free(run->source);
    run->source = NULL;
    stream_keeper_discard(&run->keeper);
    decoder_reset(run->decoder);
}

static void
end_run(struct run *run)
{
    stop_source(run);
    decoder_free(run->decoder);
    stream_keeper_done(&run->keeper);
    free(run);
    for (int i = 0;
         i < 100 && strcmp(pg_get(db, "SELECT active FROM pg_replication_slots"), "t") == 0; i++) {
        usleep(50000);
    }
    pg_do(db, "SELECT pg_drop_replication_slot('" SLOT "')");
}

static void
insert(int first, int last)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
        "INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(%d, %d) g", first, last);
    pg_do(db, sql);
}

#define TEST_NEEDS_SERVER                                                                          \
    (void)state;                                                                                   \
    if (!have_server || PQserverVersion(db) < 150000) {                                            \
        skip();                                                                                    \
    }

static void
prepare_and_outcome_come_when_they_happen(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run();
    run->from = run->position;
    start_source(run);
    pg_do(db, "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'a'");
    pg_do(db, "BEGIN; INSERT INTO t VALUES (3); PREPARE TRANSACTION 'b'");
    pg_do(db, "INSERT INTO t VALUES (5)");
    read_all(run);
    assert_string_equal(run->told, "begin(a) 1 prepare(a) begin(b) 3 prepare(b) begin 5 commit");
    run->told[0] = 0;
    pg_do(db, "ROLLBACK PREPARED 'b'");
    pg_do(db, "COMMIT PREPARED 'a'");
    read_all(run);
    assert_string_equal(run->told, "begin(b) rollback prepared(b) begin(a) commit prepared(a)");
    end_run(run);
}

static void
a_large_one_is_streamed_and_then_prepared(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run();
    run->from = run->position;
    start_source(run);
    pg_do(db, "BEGIN");
    insert(1, 2000);
    pg_do(db, "SAVEPOINT s");
    insert(5001, 6000);
    pg_do(db, "ROLLBACK TO s");
    pg_do(db, "PREPARE TRANSACTION 'large'");
    read_all(run);
    assert_true(run->keeper.blocks_seen > 1000);
    assert_string_equal(run->told, "begin(large) 1 prepare(large)");
    assert_int_equal(run->keeper.len, 0);
    run->told[0] = 0;
    pg_do(db, "COMMIT PREPARED 'large'");
    read_all(run);
    assert_string_equal(run->told, "begin(large) commit prepared(large)");
    end_run(run);
}

static void
a_reconnect_between_prepare_and_outcome_does_not_repeat_it(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run();
    run->from = run->position;
    start_source(run);
    pg_do(db, "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'a'");
    read_all(run);
    assert_true(source_confirm(run->source, run->position, true, &run->err));
    stop_source(run);
    run->told[0] = 0;
    start_source(run);
    pg_do(db, "COMMIT PREPARED 'a'");
    read_all(run);
    assert_string_equal(run->told, "begin(a) commit prepared(a)");
    end_run(run);
}

/* The source ends the session by itself; what was prepared before comes whole with its commit, as
 * an ordinary transaction, and behind the positions that were told. */
static void
what_was_prepared_before_the_switch_comes_with_its_commit(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run();
    start_source(run);
    pg_do(db, "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'early'");
    pg_do(db, "BEGIN; INSERT INTO t VALUES (3); PREPARE TRANSACTION 'never'");
    pg_do(db, "BEGIN");
    insert(1001, 3000);
    pg_do(db, "PREPARE TRANSACTION 'large'");
    pg_do(db, "INSERT INTO t VALUES (5)");
    read_all(run);
    assert_string_equal(run->told, "begin 5 commit");
    run->from = run->position;
    bool ok = read_one(run);
    assert_false(ok);
    assert_int_equal(run->err.class, ERR_RECONNECT);
    err_clear(&run->err);
    stop_source(run);
    run->told[0] = 0;

    start_source(run);
    pg_do(db, "BEGIN; INSERT INTO t VALUES (7); PREPARE TRANSACTION 'then'");
    pg_do(db, "ROLLBACK PREPARED 'never'");
    pg_do(db, "COMMIT PREPARED 'early'");
    pg_do(db, "COMMIT PREPARED 'large'");
    pg_do(db, "COMMIT PREPARED 'then'");
    read_all(run);
    assert_string_equal(run->told,
        "begin(then) 7 prepare(then) begin(never) rollback prepared(never)"
        " begin(early) 1 commit(early) begin(large) 1001 commit(large)"
        " begin(then) commit prepared(then)");
    end_run(run);
}

/* Behind a late one, just told, nothing may be skipped: the commit that belongs to it least. */
static void
a_late_one_comes_again_whole_when_it_was_cut_off(void **state)
{
    TEST_NEEDS_SERVER
    struct run *run = begin_run();
    start_source(run);
    pg_do(db, "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'early'");
    read_all(run);
    stop_source(run);
    run->from = run->position;
    uint64_t before = run->position;
    for (int i = 0; i < 2; i++) {
        start_source(run);
        if (i == 0) {
            pg_do(db, "COMMIT PREPARED 'early'");
        }
        read_all(run);
        assert_string_equal(run->told, "begin(early) 1 commit(early)");
        stop_source(run);
        run->told[0] = 0;
        run->position = before;
    }
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
    pg_server_stop(&server);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_and_outcome_come_when_they_happen),
        cmocka_unit_test(a_large_one_is_streamed_and_then_prepared),
        cmocka_unit_test(a_reconnect_between_prepare_and_outcome_does_not_repeat_it),
        cmocka_unit_test(what_was_prepared_before_the_switch_comes_with_its_commit),
        cmocka_unit_test(a_late_one_comes_again_whole_when_it_was_cut_off),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
