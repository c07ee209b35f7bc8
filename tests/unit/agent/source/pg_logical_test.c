/* SPDX-License-Identifier: Apache-2.0
 *
 * What the source tells a real server: nothing is confirmed that confirm() was not called for,
 * however far behind the slot's position reading begins.
 */
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/source/source.h"
#include "tests/lib/pg_server.h"
#include "tests/lib/unit.h"

static struct pg_server server;
static bool have_server;
static PGconn *db;

#define SLOT "pg_logical_test"
#define CONFIRMED                                                                                  \
    "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '" SLOT "'"

static struct source *
open_source(void)
{
    struct source_params p = {
        .dsn = server.dsn, .slot = SLOT, .publication = SLOT, .timeout_us = 20000000};
    struct source *s = NULL;
    struct err err = ERR_INIT;
    assert_true(source_find("postgresql")->open(&p, &s, &err));
    return s;
}

/* Long enough for the server to ask for a sign of life and to get it. */
static void
read_for(struct source *s, int64_t us)
{
    int64_t until = clock_mono_us(&clock_system) + us;
    while (clock_mono_us(&clock_system) < until) {
        struct record rec;
        struct err err = ERR_INIT;
        bool got = false;
        assert_true(source_read(s, 50, &rec, &got, &err));
    }
}

static void
where_reading_begins_is_not_confirmed(void **state)
{
    (void)state;
    if (!have_server) {
        skip();
    }
    char before[32];
    snprintf(before, sizeof before, "%s", pg_get(db, CONFIRMED));
    pg_do(db, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");
    uint64_t ahead = 0;
    assert_true(parse_lsn(pg_get(db, "SELECT pg_current_wal_lsn()"), &ahead));
    struct source *s = open_source();
    struct err err = ERR_INIT;
    assert_true(source_start(s, ahead, &err));
    read_for(s, 2500000);
    assert_string_equal(pg_get(db, CONFIRMED), before);

    assert_true(source_confirm(s, ahead, true, &err));
    read_for(s, 500000);
    assert_string_not_equal(pg_get(db, CONFIRMED), before);
    source_free(s);
}

static void
a_slot_confirmed_beyond_our_end_is_a_gap_and_refused(void **state)
{
    (void)state;
    if (!have_server) {
        skip();
    }
    uint64_t confirmed = 0;
    assert_true(parse_lsn(pg_get(db, CONFIRMED), &confirmed));
    struct source *s = open_source();
    struct err err = ERR_INIT;
    assert_false(source_start(s, confirmed - 8, &err));
    assert_int_equal(err.class, ERR_FATAL);
    assert_non_null(strstr(err.text, "somebody else has read from it"));
    source_free(s);
}

static int
setup(void **state)
{
    (void)state;
    static const char *const settings[] = {"wal_level=logical", "wal_sender_timeout=1s", NULL};
    have_server = pg_server_start(&server, settings);
    if (have_server) {
        db = pg_server_connect(&server, NULL);
        pg_do(db, "CREATE TABLE t (a int primary key)");
        pg_do(db, "CREATE PUBLICATION " SLOT " FOR TABLE t");
        pg_do(db, "SELECT pg_create_logical_replication_slot('" SLOT "', 'pgoutput')");
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
        cmocka_unit_test(where_reading_begins_is_not_confirmed),
        cmocka_unit_test(a_slot_confirmed_beyond_our_end_is_a_gap_and_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
