/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything in one session each side. The schema of a table that is made comes from a dump of that
 * table alone, in a file of its own, which stays until cleanup: what of it waits for the cutover is
 * read from there.
 *
 * Invariant: "made <oid>" stands in the ledger before the table is made. So what is found on the
 * target later is known to be ours, and is completed (indexes, keys) if it was not.
 */
#include "agent/snapshot/table_again.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/pg/catalog.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/create.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/pending.h"
#include "agent/snapshot/schema.h"
#include "agent/snapshot/session.h"
#include "agent/snapshot/source_hold.h"
#include "agent/snapshot/tables_describe.h"

#define STAGE           "resync"
#define ROLE            "resync" /* in the application name: not one that a copy of all would end */
#define MADE            "made "
#define EXPORT_SNAPSHOT "SELECT pg_catalog.pg_export_snapshot()"

static void
log_line(const char *line, void *arg)
{
    (void)arg;
    log_warn(STAGE, "%s", line);
}

struct again {
    const struct table_again *t;
    PGconn *source, *target;
    bool replica;
    char *quoted;
    char *snapshot; /* name of the source session's own export */
    struct pg_tables tables;
    const struct pg_table *table; /* in `tables` */
    bool made;                    /* the target's table is ours to complete */
    struct ledger ledger;
};

static void
again_done(struct again *a)
{
    PQfinish(a->source);
    PQfinish(a->target);
    x_free(a->quoted);
    x_free(a->snapshot);
    pg_tables_free(&a->tables);
    ledger_free(&a->ledger);
}

static char *
quoted_name(const char *schema, const char *name)
{
    struct buf b;
    buf_init(&b, 4096);
    sql_qualified(&b, schema, name);
    char *out = x_strdup(buf_cstr(&b));
    buf_done(&b);
    return out;
}

static bool
find_table(struct again *a, struct err *err)
{
    static const struct table_filter everything;
    if (!pg_tables_read(a->source, &everything, &a->tables, err)) {
        return false;
    }
    for (size_t i = 0; i < a->tables.len; i++) {
        if (a->tables.items[i].oid == a->t->oid) {
            a->table = &a->tables.items[i];
            a->quoted = quoted_name(a->table->schema, a->table->name);
            return true;
        }
    }
    err_set(err, ERR_DATA, "source: the table '%s.%s' is gone", a->t->schema, a->t->name);
    return err_hint(err, "name it in tables.exclude and restart, when it is not to be carried");
}

static bool
open_source(struct again *a, void (*imported)(void *arg), void *arg, struct err *err)
{
    const struct snapshot_options *o = &a->t->o;
    if (!session_reader(o, ROLE, "UTF8", a->t->exported, &a->source, err) ||
        !pg_query_value(a->source, "source: export the snapshot", EXPORT_SNAPSHOT, 0, NULL,
            &a->snapshot, err)) {
        return false;
    }
    imported(arg);
    return find_table(a, err);
}

/* An attempt of an agent that was killed could commit when we have looked already. */
static bool
open_target(struct again *a, const char *encoding, struct err *err)
{
    const struct snapshot_options *o = &a->t->o;
    return session_target(o, ROLE, encoding, &a->target, &a->replica, err) &&
           session_end_role(o, ROLE, a->target, err) && ledger_ensure(a->target, err) &&
           ledger_read(a->target, o->name, &a->ledger, err);
}

/* Bytes of databases without an encoding are handed over as they are. */
static bool
is_bytes(PGconn *conn, bool *out, struct err *err)
{
    char *value = NULL;
    bool ok = pg_query_value(conn, "read the encoding",
        "SELECT pg_catalog.pg_encoding_to_char(encoding) FROM pg_catalog.pg_database"
        " WHERE datname = pg_catalog.current_database()",
        0, NULL, &value, err);
    *out = *out || (ok && value && strcmp(value, "SQL_ASCII") == 0);
    x_free(value);
    return ok;
}

static bool
choose_encoding(struct again *a, struct err *err)
{
    bool bytes = false;
    return is_bytes(a->source, &bytes, err) && is_bytes(a->target, &bytes, err) &&
           (!bytes || (pg_exec(a->source, "source: set the encoding",
                           "SET client_encoding = 'SQL_ASCII'", err) &&
                          pg_exec(a->target, "target: set the encoding",
                              "SET client_encoding = 'SQL_ASCII'", err)));
}

/* --- a table that the target does not have -------------------------------------------------- */

static bool
is_missing(struct again *a, bool *missing, struct err *err)
{
    const char *params[] = {a->quoted};
    PGresult *res = NULL;
    bool ok = pg_query(a->target, "target: look for the table",
        "SELECT pg_catalog.to_regclass($1) IS NULL", 1, params, &res, err);
    *missing = ok && pg_bool(res, 0, 0);
    PQclear(res);
    return ok;
}

/* The dump of this table alone. */
static struct snapshot_options
of_table(const struct snapshot_options *o, uint32_t oid, const char *quoted, char file[96])
{
    struct snapshot_options one = *o;
    snprintf(file, 96, "%.64s.table-%u", o->sink ? o->sink : "", oid);
    one.sink = file;
    one.only_table = quoted;
    one.filter = (struct table_filter){0};
    return one;
}

static bool
make_namespace(struct again *a, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    sql_ident(&sql, a->table->schema);
    const char *params[] = {a->table->schema};
    PGresult *res = NULL;
    bool ok = pg_query(a->target, "target: look for the schema",
        "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1", 1, params, &res, err);
    ok = ok && (PQntuples(res) > 0 ||
                   pg_exec(a->target, "target: create the schema", buf_cstr(&sql), err));
    PQclear(res);
    buf_done(&sql);
    return ok;
}

static bool
make_table(struct again *a, const struct snapshot_options *one, struct schema *schema,
    const char *item, struct err *err)
{
    static const struct ledger nothing;
    struct create c = {.target = a->target, .migration = one->name, .stop = one->stop};
    bool ok = make_namespace(a, err) && ledger_add(a->target, one->name, item, err) &&
              create_init(&c, err);
    FAILPOINT("resync.making");
    ok = ok && create_before_data(&c, &schema->before, &nothing, err);
    create_done(&c);
    if (!ok && (strcmp(err->sqlstate, "42P07") == 0 || strcmp(err->sqlstate, "23505") == 0)) {
        err->class = ERR_RETRY; /* somebody else was faster: look again */
    }
    return ok;
}

static bool
complete_table(struct again *a, const struct snapshot_options *one, struct schema *schema,
    enum post_stage last, struct err *err)
{
    struct pg_tables only = {.items = (struct pg_table *)(uintptr_t)a->table, .len = 1};
    const struct pending_input in = {
        .o = one, .schema = schema, .tables = &only, .done = &a->ledger};
    struct post post = {0};
    struct reporter report = {.line = log_line};
    struct create c = {.target = a->target, .migration = one->name, .stop = one->stop};
    bool ok = create_init(&c, err) && pending_build(&in, a->source, &post, err) &&
              pending_make(&post, last, &c, &report, err);
    create_done(&c);
    post_free(&post);
    return ok;
}

/* Makes the table when it is missing; *schema is loaded when the table was made by us, now or
 * before. */
static bool
prepare_table(struct again *a, struct schema *schema, struct err *err)
{
    char file[96], item[LEDGER_ITEM_SIZE];
    const struct snapshot_options *o = &a->t->o;
    struct snapshot_options one = of_table(o, a->t->oid, a->quoted, file);
    bool missing = false;
    snprintf(item, sizeof(item), MADE "%u", a->t->oid);
    a->made = ledger_has(&a->ledger, item);
    if (!is_missing(a, &missing, err)) {
        return false;
    }
    if (missing && !a->t->create) {
        err_set(err, ERR_RETRY, "the table is not on the target yet");
        return err_hint(err, "create it there, or ask again with `tidegate resync`");
    }
    if (!missing && !a->made) {
        return true;
    }
    if (!schema_dump(&one, a->source, a->snapshot, false, err) ||
        !schema_load(&one, PQserverVersion(a->source), schema, err)) {
        return false;
    }
    if (missing && !make_table(a, &one, schema, item, err)) {
        return false;
    }
    a->made = true;
    return true;
}

/* --- the copy ------------------------------------------------------------------------------- */

static bool
fill(struct again *a, uint64_t *rows, struct err *err)
{
    const struct snapshot_options *o = &a->t->o;
    struct copier c = {.source = a->source,
        .target = a->target,
        .replica = a->replica,
        .migration = o->name,
        .sync = a->t->sync,
        .stop = o->stop};
    struct table_copy copy = {
        .table = a->table, .ours = a->t->ours || a->made || ledger_touched(&a->ledger, a->t->oid)};
    bool moved = false;
    bool ok = tables_describe(&copy, 1, &c, err) &&
              source_hold(a->source, a->table, o->stop, &moved, err);
    if (ok && moved) {
        ok = err_set(err, ERR_RETRY, "'%s.%s' was truncated or rewritten since the snapshot",
            a->table->schema, a->table->name);
    }
    ok = ok && table_copy_whole(&copy, &c, rows, err);
    table_copy_done(&copy);
    return ok;
}

/* The source has REPLICA IDENTITY FULL for the time of the migration only. */
static bool
reset_identity(struct again *a, struct err *err)
{
    if (!a->made || !a->t->identity_changed) {
        return true;
    }
    char *sql = x_printf("ALTER TABLE %s REPLICA IDENTITY DEFAULT", a->quoted);
    bool ok = pg_exec_long(a->target, "target: reset a replica identity", sql, a->t->o.stop, err);
    x_free(sql);
    return ok;
}

static bool
analyze(struct again *a, struct err *err)
{
    if (!a->t->o.analyze) {
        return true;
    }
    char *sql = x_printf("ANALYZE %s", a->quoted);
    bool ok = pg_exec_long(a->target, "target: analyze", sql, a->t->o.stop, err);
    x_free(sql);
    return ok;
}

bool
table_again_copy(const struct table_again *t, void (*imported)(void *arg), void *arg,
    uint64_t *rows, struct err *err)
{
    struct again a = {.t = t};
    struct schema schema = {0};
    char file[96];
    bool ok = open_target(&a, "UTF8", err) && open_source(&a, imported, arg, err) &&
              choose_encoding(&a, err) && prepare_table(&a, &schema, err) && fill(&a, rows, err);
    if (ok && a.made) {
        struct snapshot_options one = of_table(&t->o, t->oid, a.quoted, file);
        ok = complete_table(&a, &one, &schema, POST_LATE, err) && reset_identity(&a, err);
    }
    ok = ok && analyze(&a, err);
    schema_free(&schema);
    again_done(&a);
    return ok;
}

bool
table_again_is_done(const struct table_again *t, bool *done, struct err *err)
{
    struct again a = {.t = t};
    char item[LEDGER_ITEM_SIZE];
    bool ok = open_target(&a, NULL, err);
    *done = ok && ledger_has(&a.ledger, ledger_copied_item(t->oid, t->sync, item));
    snprintf(item, sizeof(item), MADE "%u", t->oid);
    /* Of one that was made its indexes may be missing: again, then. */
    *done = *done && !ledger_has(&a.ledger, item);
    again_done(&a);
    return ok;
}

/* --- at the cutover ------------------------------------------------------------------------- */

static bool
finish_one(struct again *a, uint32_t oid, struct err *err)
{
    char file[96];
    struct table_again t = {.o = a->t->o, .oid = oid};
    struct schema schema = {0};
    struct again one = {.t = &t, .source = a->source, .target = a->target, .ledger = a->ledger};
    bool ok = find_table(&one, err);
    struct snapshot_options o = of_table(&t.o, oid, one.quoted, file);
    ok = ok && schema_load(&o, PQserverVersion(a->source), &schema, err) &&
         complete_table(&one, &o, &schema, POST_FINISH, err);
    schema_free(&schema);
    pg_tables_free(&one.tables);
    x_free(one.quoted);
    return ok;
}

bool
table_again_is_left(const struct ledger *l)
{
    size_t first;
    return ledger_prefix(l, MADE, &first) > 0;
}

bool
table_again_finish(const struct snapshot_options *o, struct err *err)
{
    const struct table_again t = {.o = *o};
    struct again a = {.t = &t};
    size_t first = 0, n = 0;
    bool ok = open_target(&a, NULL, err);
    n = ok ? ledger_prefix(&a.ledger, MADE, &first) : 0;
    ok = ok && (n == 0 || session_source(o, ROLE, &a.source, err));
    for (size_t i = first; ok && i < first + n; i++) {
        uint64_t oid = 0;
        ok = !parse_u64(a.ledger.items[i] + strlen(MADE), 1, UINT32_MAX, &oid) ||
             finish_one(&a, (uint32_t)oid, err);
    }
    again_done(&a);
    return ok;
}
