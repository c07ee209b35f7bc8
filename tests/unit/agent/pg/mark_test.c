/* SPDX-License-Identifier: Apache-2.0
 *
 * A mark is durable when it is answered, whatever the role's settings: a cutover opens the target
 * on the strength of it.
 */
#include "agent/pg/conn.h"
#include "agent/pg/slot.h"
#include "tests/lib/unit.h"

/* Two structs of this name exist. */
#define pg_server throwaway_server
#include "tests/lib/pg_server.h"
#undef pg_server

static struct throwaway_server server;

static void
it_is_flushed_and_written_whatever_the_role_says(void **state)
{
    (void)state;
    PGconn *conn = pg_server_connect(&server, NULL);
    pg_do(conn, "ALTER ROLE postgres SET synchronous_commit = off;"
                "ALTER ROLE postgres SET default_transaction_read_only = on");
    PQfinish(conn);
    struct pg_options o = {.application_name = "tidegate test"};
    struct err err = ERR_INIT;
    assert_true(pg_connect(server.dsn, &o, &conn, &err));
    assert_string_equal(pg_get(conn, "SHOW synchronous_commit"), "off");
    for (int i = 0; i < 20; i++) {
        uint64_t lsn = 0;
        assert_true(pg_write_mark(conn, "a mark", &lsn, &err));
        assert_true(lsn > 0);
        assert_string_equal(
            pg_get(conn, "SELECT pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()"), "t");
    }
    assert_string_equal(pg_get(conn, "SHOW synchronous_commit"), "off");
    PQfinish(conn);
}

static int
start_server(void **state)
{
    (void)state;
    /* What is not flushed by its commit stays so for a while. */
    static const char *const settings[] = {"wal_writer_delay=10s", "wal_level=logical", NULL};
    return pg_server_start(&server, settings) ? 0 : 1;
}

static int
stop_server(void **state)
{
    (void)state;
    pg_server_stop(&server);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_flushed_and_written_whatever_the_role_says),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
