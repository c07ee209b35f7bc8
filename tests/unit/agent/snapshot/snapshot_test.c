/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole copy between two servers that are named by TIDEGATE_TEST_SOURCE and
 * TIDEGATE_TEST_TARGET (the latter an empty database); without them the test is skipped. More:
 * TIDEGATE_TEST_DIR keeps the state between calls, TIDEGATE_TEST_JOBS, _INDEX_JOBS, _SPLIT (bytes),
 * _EXCLUDE (one pattern), _DEFER, _STEPS (letters of: r run, v validate, f finish, a after the
 * cutover).
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/pg/catalog.h"
#include "agent/pg/conn.h"
#include "agent/pg/repl.h"
#include "agent/snapshot/snapshot.h"
#include "agent/store/store.h"

static const char *
env_or(const char *name, const char *otherwise)
{
    const char *v = getenv(name);
    return v && *v ? v : otherwise;
}

static void
check(bool ok, const struct err *err)
{
    if (!ok) {
        fail_msg(
            "%s [%s] %s HINT: %s", err->text, err->sqlstate, err_class_name(err->class), err->hint);
    }
}

static void
report(const char *line, void *arg)
{
    (void)arg;
    print_message("report: %s\n", line);
}

static void
imported(void *arg)
{
    PQfinish(*(PGconn **)arg);
    *(PGconn **)arg = NULL;
}

static void
fill_store(struct store *store, const char *source, const struct table_filter *filter)
{
    struct err err = ERR_INIT;
    struct table_row *rows = NULL;
    size_t n = 0;
    check(store_tables(store, &rows, &n, &err), &err);
    x_free(rows);
    if (n) {
        return;
    }
    PGconn *conn;
    struct pg_options o = {.application_name = "tidegate test"};
    struct pg_tables tables;
    check(pg_connect(source, &o, &conn, &err), &err);
    check(pg_tables_read(conn, filter, &tables, &err), &err);
    for (size_t i = 0; i < tables.len; i++) {
        if (tables.items[i].kind == 'r') {
            struct table_row row = {.oid = tables.items[i].oid, .bytes = tables.items[i].bytes};
            snprintf(row.schema, sizeof(row.schema), "%s", tables.items[i].schema);
            snprintf(row.name, sizeof(row.name), "%s", tables.items[i].name);
            check(store_table_put(store, &row, &err), &err);
        }
    }
    pg_tables_free(&tables);
    PQfinish(conn);
}

static void
run(struct snapshot *s, const char *source)
{
    struct err err = ERR_INIT;
    bool needs = false;
    struct pg_new_slot slot;
    PGconn *conn = NULL;
    check(snapshot_needs_copy(s, &needs, &err), &err);
    if (needs) {
        struct pg_options o = {.application_name = "tidegate test", .replication = true};
        char name[64];
        snprintf(name, sizeof(name), "tidegate_test_%d", (int)getpid());
        check(pg_connect(source, &o, &conn, &err), &err);
        check(pg_create_slot(conn, name, true, &slot, &err), &err);
    }
    bool ok = snapshot_run(
        s, needs ? slot.snapshot : NULL, needs ? slot.consistent_point : 0, imported, &conn, &err);
    PQfinish(conn);
    check(ok, &err);
    struct snapshot_progress p;
    snapshot_progress(s, &p);
    print_message("tables %u/%u rows %llu bytes %llu/%llu indexes %u/%u step %s\n", p.tables_done,
        p.tables_total, (unsigned long long)p.rows, (unsigned long long)p.bytes,
        (unsigned long long)p.bytes_total, p.indexes_done, p.indexes_total, p.step);
}

static struct stop stop;

static void
on_alarm(int signal)
{
    (void)signal;
    stop_request(&stop);
}

static void
copies_a_database(void **state)
{
    (void)state;
    const char *source = getenv("TIDEGATE_TEST_SOURCE"), *target = getenv("TIDEGATE_TEST_TARGET");
    if (!source || !target) {
        skip();
    }
    char made[] = "/tmp/tidegate-snapshot-XXXXXX";
    const char *dir = env_or("TIDEGATE_TEST_DIR", NULL);
    const char *exclude[] = {env_or("TIDEGATE_TEST_EXCLUDE", "")};
    struct table_filter filter = {.exclude = exclude, .exclude_len = *exclude[0] ? 1 : 0};
    uint64_t split = 1 << 30;
    struct store *store;
    struct snapshot *s;
    struct err err = ERR_INIT;
    uint32_t jobs = 4, index_jobs = 2, failed;
    assert_true(parse_u32(env_or("TIDEGATE_TEST_JOBS", "4"), &jobs));
    assert_true(parse_u32(env_or("TIDEGATE_TEST_INDEX_JOBS", "2"), &index_jobs));
    assert_true(parse_u64(env_or("TIDEGATE_TEST_SPLIT", "1073741824"), 0, UINT64_MAX, &split));
    dir = dir ? dir : mkdtemp(made);
    assert_true(stop_init(&stop));
    uint32_t stop_after = 0;
    assert_true(parse_u32(env_or("TIDEGATE_TEST_STOP", "0"), &stop_after));
    signal(SIGALRM, on_alarm);
    alarm(stop_after);
    check(store_open(dir, &store, &err), &err);
    fill_store(store, source, &filter);
    struct snapshot_options o = {.name = "test",
        .source_dsn = source,
        .target_dsn = target,
        .dir = dir,
        .filter = filter,
        .store = store,
        .jobs = (int)jobs,
        .index_jobs = (int)index_jobs,
        .split_above = split,
        .copy_schema = true,
        .owner = true,
        .grants = true,
        .defer_firing = getenv("TIDEGATE_TEST_DEFER") != NULL,
        .stop = &stop,
        .clock = &clock_system};
    check(snapshot_open(&o, &s, &err), &err);
    for (const char *step = env_or("TIDEGATE_TEST_STEPS", "rvfa"); *step; step++) {
        int64_t from = clock_mono_us(&clock_system);
        if (*step == 'r') {
            run(s, source);
        } else if (*step == 'v') {
            check(snapshot_validate(s, &stop, report, NULL, &failed, &err), &err);
            print_message("validation: %u failed\n", failed);
        } else if (*step == 'f') {
            check(snapshot_finish(s, &err), &err);
        } else {
            check(snapshot_after_cutover(s, report, NULL, &err), &err);
        }
        print_message(
            "step %c: %lld ms\n", *step, (long long)(clock_mono_us(&clock_system) - from) / 1000);
    }
    snapshot_free(s);
    store_close(store);
    stop_done(&stop);
}

int
main(void)
{
    log_configure(LOG_INFO, LOG_TEXT);
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies_a_database)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
