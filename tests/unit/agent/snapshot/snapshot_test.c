/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole copy, between two databases of a throw-away server. What arrives is compared with what
 * was there: the schema as pg_dump writes it, every row of every table, sequences and large
 * objects.
 *
 * TIDEGATE_TEST_SOURCE and TIDEGATE_TEST_TARGET (an empty database) name two databases for a trial
 * by hand, which is skipped otherwise; TIDEGATE_TEST_DIR keeps its state, so that it can be killed
 * and called again; TIDEGATE_TEST_SPLIT and TIDEGATE_TEST_JOBS are its options.
 */
#include <stdio.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/pg/catalog.h"
#include "agent/pg/conn.h"
#include "agent/pg/repl.h"
#include "agent/snapshot/pgtools.h"
#include "agent/snapshot/snapshot.h"
#include "agent/store/store.h"
#include "tests/lib/unit.h"

/* Two structs of this name exist; nothing here needs both. */
#define pg_server throwaway_server
#include "tests/lib/pg_server.h"
#undef pg_server

#define EVERYTHING "tests/unit/agent/snapshot/everything.sql"

static struct throwaway_server server;

/* One migration from database "source" to database "target". */
struct trial {
    char source[256], target[256], dir[64];
    const char *exclude[1];
    struct snapshot_options o;
    struct store *store;
    struct snapshot *snapshot;
    struct stop stop;
    char reported[4096];
    uint32_t failed;
};

/* --- means ---------------------------------------------------------------------------------- */

static void
check(bool ok, const struct err *err)
{
    if (!ok) {
        fail_msg(
            "%s [%s] %s HINT: %s", err->text, err->sqlstate, err_class_name(err->class), err->hint);
    }
}

static PGconn *
connect_to(const char *dsn)
{
    struct err err = ERR_INIT;
    struct pg_options o = {.application_name = "tidegate test"};
    PGconn *conn = NULL;
    check(pg_connect(dsn, &o, &conn, &err), &err);
    return conn;
}

static void
run_on(const char *dsn, const char *sql)
{
    PGconn *conn = connect_to(dsn);
    pg_do(conn, "SET search_path = public");
    pg_do(conn, sql);
    PQfinish(conn);
}

/* A value of the target or source, in a new string. */
static char *
value_on(const char *dsn, const char *sql)
{
    PGconn *conn = connect_to(dsn);
    pg_do(conn, "SET search_path = public");
    char *out = x_strdup(pg_get(conn, sql));
    PQfinish(conn);
    return out;
}

static void
assert_value(const char *dsn, const char *sql, const char *want)
{
    char *got = value_on(dsn, sql);
    assert_string_equal(got, want);
    x_free(got);
}

static char *
read_text(const char *path)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;) {
        buf_bytes(&b, piece, n);
    }
    fclose(f);
    char *out = x_strdup(buf_cstr(&b));
    buf_done(&b);
    return out;
}

static void
fill_store(struct trial *t)
{
    struct err err = ERR_INIT;
    PGconn *conn = connect_to(t->source);
    struct pg_tables tables;
    check(pg_tables_read(conn, &t->o.filter, &tables, &err), &err);
    for (size_t i = 0; i < tables.len; i++) {
        if (tables.items[i].kind == 'r') {
            struct table_row row = {.oid = tables.items[i].oid, .bytes = tables.items[i].bytes};
            snprintf(row.schema, sizeof(row.schema), "%s", tables.items[i].schema);
            snprintf(row.name, sizeof(row.name), "%s", tables.items[i].name);
            check(store_table_put(t->store, &row, &err), &err);
        }
    }
    pg_tables_free(&tables);
    PQfinish(conn);
}

static void
open_snapshot(struct trial *t)
{
    struct err err = ERR_INIT;
    check(store_open(t->dir, &t->store, &err), &err);
    t->o.store = t->store;
    t->o.source_dsn = t->source;
    t->o.target_dsn = t->target;
    t->o.dir = t->dir;
    t->o.stop = &t->stop;
    check(snapshot_open(&t->o, &t->snapshot, &err), &err);
}

static void
close_snapshot(struct trial *t)
{
    snapshot_free(t->snapshot);
    store_close(t->store);
    t->snapshot = NULL;
    t->store = NULL;
}

static const struct snapshot_options defaults = {.name = "test",
    .jobs = 3,
    .index_jobs = 2,
    .split_above = 1,
    .analyze = true,
    .copy_schema = true,
    .owner = true,
    .grants = true,
    .clock = &clock_system};

/* Fresh databases; `sql` is run on the source. */
static struct trial *
begin_with(const char *sql, const char *exclude)
{
    struct trial *t = x_zalloc(sizeof(*t));
    PGconn *conn = connect_to(server.dsn);
    pg_do(conn, "DROP DATABASE IF EXISTS source WITH (FORCE)");
    pg_do(conn, "DROP DATABASE IF EXISTS target WITH (FORCE)");
    pg_do(conn, "DROP ROLE IF EXISTS tidegate_alice, tidegate_bob");
    pg_do(conn, "CREATE DATABASE source TEMPLATE template0");
    pg_do(conn, "CREATE DATABASE target TEMPLATE template0");
    PQfinish(conn);
    /* The last keyword counts. */
    snprintf(t->source, sizeof(t->source), "%s dbname=source", server.dsn);
    snprintf(t->target, sizeof(t->target), "%s dbname=target", server.dsn);
    snprintf(t->dir, sizeof(t->dir), "/tmp/tidegate-snapshot-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    assert_true(stop_init(&t->stop));
    run_on(t->source, sql);
    t->o = defaults;
    t->exclude[0] = exclude;
    t->o.filter = (struct table_filter){.exclude = t->exclude, .exclude_len = exclude ? 1 : 0};
    open_snapshot(t);
    fill_store(t);
    return t;
}

static struct trial *
begin(const char *sql)
{
    return begin_with(sql, NULL);
}

static void
end(struct trial *t)
{
    close_snapshot(t);
    stop_done(&t->stop);
    static const char *const files[] = {
        "schema.dump", "state.db", "state.db-wal", "state.db-shm", "lock", "state.lock"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *path = x_printf("%s/%s", t->dir, files[i]);
        unlink(path);
        x_free(path);
    }
    rmdir(t->dir);
    x_free(t);
}

/* As after a restart of the agent. */
static void
restart(struct trial *t)
{
    close_snapshot(t);
    open_snapshot(t);
}

static void
imported(void *arg)
{
    PQfinish(*(PGconn **)arg);
    *(PGconn **)arg = NULL;
}

static bool
try_run(struct trial *t, struct err *err)
{
    bool needs = false;
    struct pg_new_slot slot;
    struct err ignored = ERR_INIT;
    PGconn *conn = NULL;
    check(snapshot_needs_copy(t->snapshot, &needs, &ignored), &ignored);
    if (needs) {
        struct pg_options o = {.application_name = "tidegate test", .replication = true};
        check(pg_connect(t->source, &o, &conn, &ignored), &ignored);
        check(pg_create_slot(conn, "tidegate_test", "pgoutput", true, &slot, &ignored), &ignored);
    }
    bool ok = snapshot_run(t->snapshot, needs ? slot.snapshot : NULL,
        needs ? slot.consistent_point : 0, imported, &conn, err);
    PQfinish(conn);
    return ok;
}

static void
run(struct trial *t)
{
    struct err err = ERR_INIT;
    check(try_run(t, &err), &err);
}

static void
report(const char *line, void *arg)
{
    struct trial *t = arg;
    size_t n = strlen(t->reported);
    snprintf(t->reported + n, sizeof(t->reported) - n, "%s\n", line);
}

static void
validate(struct trial *t)
{
    struct err err = ERR_INIT;
    check(snapshot_validate(t->snapshot, &t->stop, report, t, &t->failed, &err), &err);
}

static void
finish(struct trial *t)
{
    struct err err = ERR_INIT;
    bool again;
    check(snapshot_finish(t->snapshot, &again, &err), &err);
}

static void
after_cutover(struct trial *t)
{
    struct err err = ERR_INIT;
    check(snapshot_after_cutover(t->snapshot, report, t, &err), &err);
}

/* As if the agent had died in the middle of every copy. */
#define CUT_COPIES                                                                                 \
    "INSERT INTO tidegate.ledger SELECT migration, replace(item, 'copied', 'start') FROM"          \
    " tidegate.ledger WHERE item LIKE 'copied %' ON CONFLICT DO NOTHING;"                          \
    "DELETE FROM tidegate.ledger WHERE item LIKE 'copied %';"

static void
reset_state(struct trial *t, enum table_state state)
{
    struct err err = ERR_INIT;
    struct table_row *rows;
    size_t n;
    check(store_tables(t->store, &rows, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        rows[i].state = state;
        rows[i].sync = 0;
        check(store_table_put(t->store, &rows[i], &err), &err);
    }
    x_free(rows);
}

/* --- comparing ------------------------------------------------------------------------------ */

static char *
dump_schema(const char *dsn)
{
    char *pg_dump, *pg_restore, *out, *at;
    struct err err = ERR_INIT;
    check(pgtools_find(150000, &pg_dump, &pg_restore, &err), &err);
    const char *const args[] = {
        "-d", dsn, "--schema-only", "--no-publications", "-N", "tidegate", NULL};
    check(pgtools_read(pg_dump, args, NULL, &out, &err), &err);
    /* The one line that is different each time. */
    while ((at = strstr(out, "restrict ")) != NULL) {
        size_t n = strcspn(at, "\n");
        memset(at, '-', n);
    }
    x_free(pg_dump);
    x_free(pg_restore);
    return out;
}

static void
assert_same_schema(const struct trial *t)
{
    char *a = dump_schema(t->source), *b = dump_schema(t->target);
    if (strcmp(a, b) != 0) {
        size_t i = 0, line = 0;
        for (; a[i] == b[i]; i++) {
            line = a[i] == '\n' ? i + 1 : line;
        }
        fail_msg("schemas differ:\n< %.200s\n> %.200s", a + line, b + line);
    }
    x_free(a);
    x_free(b);
}

/* A fingerprint of each relation and large object; rows as text, in any order. */
static const char fingerprints[] =
    "SELECT string_agg(name || ' ' || coalesce(print, '-'), E'\\n' ORDER BY name) FROM ("
    " SELECT c.oid::regclass::text AS name, (xpath('//p/text()', query_to_xml(format("
    "  'SELECT count(*) || '' '' || coalesce(md5(string_agg(t::text, ''|'' ORDER BY t::text)), "
    "'''')"
    "  AS p FROM ONLY %s t', c.oid::regclass), false, true, '')))[1]::text AS print"
    " FROM pg_class c WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated)"
    "  AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|tidegate)'"
    " UNION ALL SELECT c.oid::regclass::text, (xpath('//p/text()', query_to_xml(format("
    "  'SELECT last_value || '' '' || is_called AS p FROM %s', c.oid::regclass), false, true, '')))"
    "  [1]::text FROM pg_class c WHERE c.relkind = 'S'"
    " UNION ALL SELECT 'lo ' || oid, concat_ws(' ', lomowner::regrole, lomacl,"
    "  obj_description(oid, 'pg_largeobject'), md5(lo_get(oid))) FROM pg_largeobject_metadata) x";

static void
assert_same_data(const struct trial *t)
{
    char *a = value_on(t->source, fingerprints), *b = value_on(t->target, fingerprints);
    assert_string_equal(a, b);
    x_free(a);
    x_free(b);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void
one_of_everything_arrives_equal(void **state)
{
    (void)state;
    char *sql = read_text(EVERYTHING);
    struct trial *t = begin(sql);
    run(t);
    assert_same_data(t);
    validate(t);
    finish(t);
    after_cutover(t);
    assert_same_schema(t);
    assert_same_data(t);
    assert_int_equal(t->failed, 0);
    assert_string_equal(t->reported, "");
    end(t);
    x_free(sql);
}

static void
counters_and_store_say_that_all_is_ready(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int);"
                            "INSERT INTO a SELECT generate_series(1, 1000)");
    struct err err = ERR_INIT;
    struct snapshot_progress p;
    struct table_row *rows;
    size_t n;
    bool needs = false;
    check(snapshot_needs_copy(t->snapshot, &needs, &err), &err);
    assert_true(needs);
    run(t);
    snapshot_progress(t->snapshot, &p);
    assert_int_equal(p.tables_total, 2);
    assert_int_equal(p.tables_done, 2);
    assert_int_equal(p.rows, 1000);
    assert_int_equal(p.bytes, p.bytes_total);
    assert_string_equal(p.step, "done");
    assert_true(snapshot_is_settled(t->snapshot));
    check(store_tables(t->store, &rows, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(rows[i].state, TABLE_READY);
        assert_true(rows[i].sync > 0);
    }
    x_free(rows);
    check(snapshot_needs_copy(t->snapshot, &needs, &err), &err);
    assert_false(needs);
    end(t);
}

static void
a_second_run_changes_nothing(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY, t text);"
                            "INSERT INTO a SELECT i, 'x' FROM generate_series(1, 1000) i");
    static const char done[] = "SELECT string_agg(item || done_at, ' ' ORDER BY item)"
                               " FROM tidegate.ledger";
    run(t);
    char *before = value_on(t->target, done);
    restart(t);
    run(t);
    assert_value(t->target, done, before);
    assert_same_data(t);
    x_free(before);
    end(t);
}

static void
a_store_that_was_behind_believes_the_ledger(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY);"
                            "INSERT INTO a SELECT generate_series(1, 100)");
    struct err err = ERR_INIT;
    struct table_row *rows;
    size_t n;
    bool needs = true;
    run(t);
    check(store_tables(t->store, &rows, &n, &err), &err);
    uint64_t sync = rows[0].sync;
    x_free(rows);
    reset_state(t, TABLE_COPYING);
    check(snapshot_needs_copy(t->snapshot, &needs, &err), &err);
    assert_false(needs);
    run(t);
    check(store_tables(t->store, &rows, &n, &err), &err);
    assert_int_equal(rows[0].sync, sync);
    x_free(rows);
    assert_same_data(t);
    end(t);
}

static void
a_table_whose_copy_was_cut_is_emptied_and_copied_again(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY);"
                            "INSERT INTO a SELECT generate_series(1, 1000)");
    run(t);
    reset_state(t, TABLE_COPYING);
    run_on(t->target, CUT_COPIES "DELETE FROM a WHERE id > 500;"
                                 " INSERT INTO a VALUES (5000)");
    restart(t);
    run(t);
    assert_same_data(t);
    end(t);
}

static void
rows_of_somebody_else_are_not_removed(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)");
    struct err err = ERR_INIT;
    run_on(t->target, "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (2)");
    t->o.copy_schema = false;
    restart(t);
    assert_false(try_run(t, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_non_null(strstr(err.text, "'public.a'"));
    assert_value(t->target, "SELECT id FROM a", "2");
    end(t);
}

static void
tables_that_are_there_already_are_filled(void **state)
{
    (void)state;
    /* Another order of columns, and a foreign key that would refuse a TRUNCATE. */
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY, t text, n int);"
                            "CREATE TABLE b (a int REFERENCES a);"
                            "INSERT INTO a SELECT i, 't' || i, i FROM generate_series(1, 100) i;"
                            "INSERT INTO b SELECT generate_series(1, 100)");
    run_on(t->target,
        "CREATE TABLE a (n bigint, t varchar, id int PRIMARY KEY, more int DEFAULT 7);"
        "CREATE TABLE b (a int REFERENCES a)");
    t->o.copy_schema = false;
    restart(t);
    run(t);
    assert_value(t->target,
        "SELECT count(*) || ' ' || sum(n) || ' ' || min(t) || ' ' || sum(more)"
        " FROM a JOIN b ON b.a = a.id",
        "100 5050 t1 700");
    reset_state(t, TABLE_PENDING);
    run_on(t->target, CUT_COPIES);
    run(t);
    assert_value(t->target, "SELECT count(*) FROM a JOIN b ON b.a = a.id", "100");
    end(t);
}

static void
a_missing_column_is_named(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY, missing text)");
    struct err err = ERR_INIT;
    run_on(t->target, "CREATE TABLE a (id int PRIMARY KEY)");
    t->o.copy_schema = false;
    restart(t);
    assert_false(try_run(t, &err));
    assert_int_equal(err.class, ERR_DATA);
    assert_non_null(strstr(err.text, "'missing'"));
    end(t);
}

static void
a_trigger_that_would_fire_is_refused(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)");
    struct err err = ERR_INIT;
    run_on(t->target,
        "CREATE TABLE a (id int PRIMARY KEY); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER always BEFORE INSERT ON a FOR EACH ROW"
        " EXECUTE FUNCTION f(); ALTER TABLE a ENABLE ALWAYS TRIGGER always");
    t->o.copy_schema = false;
    restart(t);
    assert_false(try_run(t, &err));
    assert_non_null(strstr(err.text, "'always'"));
    end(t);
}

static void
what_depends_on_an_excluded_table_stays_behind(void **state)
{
    (void)state;
    struct trial *t = begin_with(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE gone (id int PRIMARY KEY);"
        "CREATE TABLE b (id int REFERENCES gone, a int REFERENCES a);"
        "CREATE VIEW v AS SELECT * FROM gone; CREATE VIEW w AS SELECT * FROM v;"
        "COMMENT ON CONSTRAINT b_id_fkey ON b IS 'x'; CREATE VIEW stays AS SELECT * FROM a",
        "public.gone");
    run(t);
    validate(t);
    finish(t);
    assert_value(t->target,
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'",
        "a b stays");
    assert_value(t->target,
        "SELECT string_agg(conname, ' ') FROM pg_constraint WHERE contype = 'f'", "b_a_fkey");
    end(t);
}

static void
foreign_keys_are_validated_afterwards(void **state)
{
    (void)state;
    static const char valid[] = "SELECT convalidated FROM pg_constraint WHERE conname = 'b_a_fkey'";
    struct trial *t = begin("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1);"
                            "CREATE TABLE b (a int REFERENCES a); INSERT INTO b VALUES (1)");
    run(t);
    assert_false(snapshot_is_settled(t->snapshot));
    assert_value(t->target, valid, "f");
    validate(t);
    assert_value(t->target, valid, "t");
    assert_int_equal(t->failed, 0);
    end(t);
}

static void
a_foreign_key_that_does_not_hold_is_named_and_left(void **state)
{
    (void)state;
    struct trial *t =
        begin("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a);"
              "CREATE TABLE c (a int REFERENCES a) PARTITION BY LIST (a);"
              "CREATE TABLE c1 PARTITION OF c DEFAULT;"
              "SET session_replication_role = replica;"
              "INSERT INTO b VALUES (5); INSERT INTO c VALUES (6)");
    run(t);
    validate(t);
    assert_int_equal(t->failed, 2);
    assert_non_null(strstr(t->reported, "b_a_fkey"));
    assert_non_null(strstr(t->reported, "c_a_fkey"));
    assert_same_data(t);
    end(t);
}

static void
what_fires_on_replicated_rows_waits_for_the_end(void **state)
{
    (void)state;
    static const char names[] = "SELECT coalesce(string_agg(tgname, ' ' ORDER BY tgname), '')"
                                " FROM pg_trigger WHERE NOT tgisinternal";
    struct trial *t = begin(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER usual BEFORE INSERT ON a FOR EACH ROW EXECUTE"
        " FUNCTION f(); CREATE TRIGGER always BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();"
        " ALTER TABLE a ENABLE ALWAYS TRIGGER always");
    run(t);
    assert_value(t->target, names, "usual");
    finish(t);
    assert_value(t->target, names, "always usual");
    assert_same_schema(t);
    end(t);
}

static void
deferred_keys_and_triggers_wait_for_the_end(void **state)
{
    (void)state;
    static const char count[] = "SELECT count(*) FROM pg_trigger WHERE tgrelid IN"
                                " ('a'::regclass, 'b'::regclass)";
    struct trial *t = begin(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a); CREATE FUNCTION "
        "f()"
        " RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER usual BEFORE"
        " INSERT ON a FOR EACH ROW EXECUTE FUNCTION f(); COMMENT ON TRIGGER usual ON a IS 'x'");
    t->o.defer_firing = true;
    restart(t);
    run(t);
    validate(t);
    assert_value(t->target, count, "0");
    restart(t);
    finish(t);
    after_cutover(t);
    assert_same_schema(t);
    end(t);
}

static void
a_name_that_is_taken_is_said_and_nothing_is_left(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE first (id int); CREATE TABLE second (id int)");
    struct err err = ERR_INIT;
    run_on(t->target, "CREATE TABLE second (a int)");
    assert_false(try_run(t, &err));
    assert_int_equal(err.class, ERR_DATA);
    assert_non_null(strstr(err.text, "TABLE 'public.second'"));
    assert_non_null(strstr(err.hint, "schema.copy"));
    assert_value(t->target, "SELECT to_regclass('first')", "NULL");
    run_on(t->target, "DROP TABLE second");
    run(t);
    assert_same_schema(t);
    end(t);
}

static void
owners_and_privileges_can_be_left_out(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE ROLE tidegate_alice; CREATE TABLE a (id int);"
                            "ALTER TABLE a OWNER TO tidegate_alice; CREATE TABLE b (id int);"
                            "GRANT SELECT ON b TO tidegate_alice");
    t->o.owner = t->o.grants = false;
    restart(t);
    run(t);
    assert_value(t->target,
        "SELECT string_agg(tableowner, ' ') FROM pg_tables"
        " WHERE schemaname = 'public'",
        "postgres postgres");
    assert_value(t->target, "SELECT relacl FROM pg_class WHERE oid = 'b'::regclass", "NULL");
    end(t);
}

static void
sequences_end_where_the_source_is(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE SEQUENCE s; SELECT setval('s', 41)");
    run(t);
    assert_value(t->target, "SELECT nextval('s')", "42");
    run_on(t->source, "SELECT setval('s', 99, false)");
    finish(t);
    assert_value(t->target, "SELECT nextval('s')", "99");
    end(t);
}

static void
an_identity_changed_for_the_run_is_set_back(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int); ALTER TABLE a REPLICA IDENTITY FULL");
    struct err err = ERR_INIT;
    struct table_row *rows;
    size_t n;
    check(store_tables(t->store, &rows, &n, &err), &err);
    rows[0].identity_changed = true;
    check(store_table_put(t->store, &rows[0], &err), &err);
    x_free(rows);
    run(t);
    assert_value(t->target, "SELECT relreplident FROM pg_class WHERE oid = 'a'::regclass", "d");
    end(t);
}

static void
a_snapshot_that_is_gone_asks_for_a_new_one(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int)");
    struct err err = ERR_INIT;
    assert_false(snapshot_run(t->snapshot, "00000003-0000001B-1", 1, NULL, NULL, &err));
    assert_int_equal(err.class, ERR_RECONNECT);
    end(t);
}

static void
a_stop_ends_the_run(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int)");
    struct err err = ERR_INIT;
    stop_request(&t->stop);
    assert_false(try_run(t, &err));
    assert_int_equal(err.class, ERR_CANCELLED);
    end(t);
}

static void
a_paused_copy_waits(void **state)
{
    (void)state;
    struct trial *t = begin("CREATE TABLE a (id int)");
    struct snapshot_progress p;
    snapshot_pause(t->snapshot, true);
    snapshot_progress(t->snapshot, &p);
    assert_true(p.paused);
    snapshot_pause(t->snapshot, false);
    run(t);
    snapshot_progress(t->snapshot, &p);
    assert_false(p.paused);
    end(t);
}

static void
by_hand_between_two_databases(void **state)
{
    (void)state;
    const char *source = getenv("TIDEGATE_TEST_SOURCE"), *target = getenv("TIDEGATE_TEST_TARGET");
    const char *dir = getenv("TIDEGATE_TEST_DIR"), *split = getenv("TIDEGATE_TEST_SPLIT");
    const char *jobs = getenv("TIDEGATE_TEST_JOBS");
    if (!source || !target || !dir) {
        skip();
    }
    struct trial *t = x_zalloc(sizeof(*t));
    struct err err = ERR_INIT;
    struct table_row *rows;
    uint32_t n_jobs = 4;
    size_t n;
    t->o = defaults;
    t->o.split_above = 1 << 30;
    assert_true(!split || parse_u64(split, 0, UINT64_MAX, &t->o.split_above));
    assert_true(!jobs || parse_u32(jobs, &n_jobs));
    t->o.jobs = (int)n_jobs;
    snprintf(t->source, sizeof(t->source), "%s", source);
    snprintf(t->target, sizeof(t->target), "%s", target);
    snprintf(t->dir, sizeof(t->dir), "%s", dir);
    assert_true(stop_init(&t->stop));
    open_snapshot(t);
    check(store_tables(t->store, &rows, &n, &err), &err);
    x_free(rows);
    if (n == 0) {
        fill_store(t);
    }
    int64_t from = clock_mono_us(&clock_system);
    run(t);
    print_message("run: %lld ms\n", (long long)(clock_mono_us(&clock_system) - from) / 1000);
    validate(t);
    from = clock_mono_us(&clock_system);
    finish(t);
    print_message("finish: %lld ms\n", (long long)(clock_mono_us(&clock_system) - from) / 1000);
    after_cutover(t);
    print_message("%u failed\n%s", t->failed, t->reported);
    close_snapshot(t);
    stop_done(&t->stop);
    x_free(t);
}

static int
start_server(void **state)
{
    (void)state;
    static const char *const settings[] = {"wal_level=logical", NULL};
    return pg_server_start(&server, settings) ? 0 : -1;
}

static int
stop_server(void **state)
{
    (void)state;
    pg_server_stop(&server);
    return 0;
}

static void
no_log(const char *line, size_t len, void *arg)
{
    (void)line;
    (void)len;
    (void)arg;
}

int
main(void)
{
    if (getenv("TIDEGATE_TEST_SOURCE")) {
        const struct CMUnitTest hand[] = {cmocka_unit_test(by_hand_between_two_databases)};
        return cmocka_run_group_tests(hand, NULL, NULL);
    }
    log_set_sink(no_log, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_everything_arrives_equal),
        cmocka_unit_test(counters_and_store_say_that_all_is_ready),
        cmocka_unit_test(a_second_run_changes_nothing),
        cmocka_unit_test(a_store_that_was_behind_believes_the_ledger),
        cmocka_unit_test(a_table_whose_copy_was_cut_is_emptied_and_copied_again),
        cmocka_unit_test(rows_of_somebody_else_are_not_removed),
        cmocka_unit_test(tables_that_are_there_already_are_filled),
        cmocka_unit_test(a_missing_column_is_named),
        cmocka_unit_test(a_trigger_that_would_fire_is_refused),
        cmocka_unit_test(what_depends_on_an_excluded_table_stays_behind),
        cmocka_unit_test(foreign_keys_are_validated_afterwards),
        cmocka_unit_test(a_foreign_key_that_does_not_hold_is_named_and_left),
        cmocka_unit_test(what_fires_on_replicated_rows_waits_for_the_end),
        cmocka_unit_test(deferred_keys_and_triggers_wait_for_the_end),
        cmocka_unit_test(a_name_that_is_taken_is_said_and_nothing_is_left),
        cmocka_unit_test(owners_and_privileges_can_be_left_out),
        cmocka_unit_test(sequences_end_where_the_source_is),
        cmocka_unit_test(an_identity_changed_for_the_run_is_set_back),
        cmocka_unit_test(a_snapshot_that_is_gone_asks_for_a_new_one),
        cmocka_unit_test(a_stop_ends_the_run),
        cmocka_unit_test(a_paused_copy_waits),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
