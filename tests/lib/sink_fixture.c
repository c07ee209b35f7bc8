/* SPDX-License-Identifier: Apache-2.0
 *
 * A closed session still ends on the server some time later; origins and locks are free only then,
 * so every step that needs them waits for that.
 */
#include "tests/lib/sink_fixture.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/parse.h"

struct pg_server server;
PGconn *db;
struct feed feed;
struct sink_params params;

int
fixture_start(void **state)
{
    (void)state;
    if (pg_server_start(&server, NULL)) {
        db = pg_server_connect(&server, NULL);
    }
    return 0;
}

int
fixture_stop(void **state)
{
    (void)state;
    PQfinish(db);
    pg_server_stop(&server);
    return 0;
}

void
fixture_wait_for_sessions(void)
{
    static const char sql[] =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tidegate%'";
    while (strcmp(pg_get(db, sql), "0") != 0) {
        poll(NULL, 0, 2);
    }
}

/* The same tests are run with several connections, too. */
static uint32_t
apply_jobs(void)
{
    const char *jobs = getenv("TIDEGATE_TEST_APPLY_JOBS");
    uint32_t n;
    return jobs && parse_u32(jobs, &n) ? n : 1;
}

int
fixture_setup(void **state)
{
    (void)state;
    feed = (struct feed){.ops = feed.ops};
    params = (struct sink_params){.name = "test",
        .dsn = server.dsn,
        .origin = "tidegate_test",
        .group_transactions = 1,
        .group_bytes = 1 << 20,
        .inflight_bytes = 1 << 18,
        .prepared_statements = 1024,
        .timeout_us = 30000000,
        .apply_jobs = apply_jobs()};
    if (db) {
        pg_do(db, "DROP SCHEMA IF EXISTS a, tidegate CASCADE; CREATE SCHEMA a;"
                  "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin");
    }
    return 0;
}

int
fixture_teardown(void **state)
{
    (void)state;
    feed_close(&feed);
    rows_free();
    if (db) {
        fixture_wait_for_sessions();
    }
    return 0;
}

void
fixture_reopen(uint64_t start)
{
    feed_close(&feed);
    fixture_wait_for_sessions();
    feed_open(&feed, &params, start);
}

void
expect(const char *sql, const char *value)
{
    assert_string_equal(pg_get(db, sql), value);
}
