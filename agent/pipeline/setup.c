/* SPDX-License-Identifier: Apache-2.0
 *
 * Order matters: identities before the slot, so that every change in the feed carries its full
 * identity; the publication before the slot, because the feed looks it up as of each change; the
 * slot last.
 */
#include "agent/pipeline/setup.h"

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/change/table_filter.h"
#include "agent/pg/catalog.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/pg/slot.h"
#include "agent/pipeline/ddl.h"
#include "agent/pipeline/ddl_capture.h"
#include "agent/pipeline/setup_ask.h"
#include "agent/pipeline/two_phase.h"
#include "config/names.h"

#define STAGE         "setup"
#define LOCK_ATTEMPTS 10
#define LOCK_PAUSE_US 500000
#define SQL_MAX       (64U << 20)

static struct table_filter
filter_of(const struct config *c)
{
    return (struct table_filter){.include = (const char *const *)c->tables.include.items,
        .include_len = c->tables.include.len,
        .exclude = (const char *const *)c->tables.exclude.items,
        .exclude_len = c->tables.exclude.len};
}

static bool
connect_source(const struct config *config, PGconn **out, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate setup", .timeout_us = config->network.timeout_us};
    return pg_connect(config->source.dsn, &o, out, err);
}

static bool
remember_source(const struct config *config, struct store *store, const struct pg_server *server,
    struct err *err)
{
    char id[32];
    snprintf(id, sizeof(id), "%llu", (unsigned long long)server->system_id);
    const char *keys[] = {"name", "source_system_id", "source_database", STORE_PLUGIN, "setup"};
    const char *values[] = {
        config->name, id, server->database, plugin_name(config->source.plugin), "started"};
    return store_set_many(store, keys, values, 5, err);
}

static bool
had_identity_changed(const struct table_row *before, size_t n, uint32_t oid)
{
    for (size_t i = 0; i < n; i++) {
        if (before[i].oid == oid) {
            return before[i].identity_changed;
        }
    }
    return false;
}

static bool
needs_full_identity(const struct config *config, const struct pg_table *t)
{
    return t->kind == 'r' && !t->identity_usable &&
           config->tables.without_identity == IDENTITY_FULL;
}

/* Rows of ordinary tables. What an interrupted attempt noted about identities stays noted. */
static bool
remember_tables(const struct config *config, struct store *store, const struct pg_tables *tables,
    struct err *err)
{
    struct table_row *before = NULL;
    size_t before_len = 0;
    if (!store_tables(store, &before, &before_len, err)) {
        return false;
    }
    struct table_row *rows = x_zalloc((tables->len + 1) * sizeof(*rows));
    size_t n = 0;
    for (size_t i = 0; i < tables->len; i++) {
        const struct pg_table *t = &tables->items[i];
        if (t->kind != 'r') {
            continue;
        }
        struct table_row *row = &rows[n++];
        row->oid = t->oid;
        row->bytes = t->bytes;
        row->state = TABLE_PENDING;
        snprintf(row->schema, sizeof(row->schema), "%s", t->schema);
        snprintf(row->name, sizeof(row->name), "%s", t->name);
        row->identity_changed =
            needs_full_identity(config, t) || had_identity_changed(before, before_len, t->oid);
    }
    bool ok = store_table_put_many(store, rows, n, err);
    x_free(rows);
    x_free(before);
    return ok;
}

/* The lock is asked for in short turns, so that the application's statements do not queue behind
 * us. */
static bool
alter_identity(PGconn *conn, const struct pg_table *t, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, DDL_CAPTURE_OFF "SET lock_timeout = '500ms'; ALTER TABLE ");
    sql_qualified(&sql, t->schema, t->name);
    buf_str(&sql, " REPLICA IDENTITY FULL");
    char what[256];
    snprintf(what, sizeof(what), "set replica identity of '%s.%s'", t->schema, t->name);
    bool ok = false;
    for (int i = 0; i < LOCK_ATTEMPTS && !ok; i++) {
        err_clear(err);
        ok = pg_exec(conn, what, buf_cstr(&sql), err);
        if (!ok && err->class != ERR_RETRY) {
            break;
        }
        if (!ok) {
            clock_system.sleep_us(&clock_system, LOCK_PAUSE_US);
        }
    }
    buf_done(&sql);
    if (!ok && err->class == ERR_RETRY) {
        err->class = ERR_CONFIG;
        err_hint(err,
            "a transaction holds a lock on the table: try again when it has ended, or give the "
            "table a primary key");
    }
    return ok;
}

/* What it was before us, for cleanup and for the target; an interrupted attempt's note stays. */
static bool
remember_identity(struct store *store, const struct pg_table *t, struct err *err)
{
    char key[48], letter[2] = {t->identity, 0}, *noted = NULL;
    snprintf(key, sizeof(key), STORE_IDENTITY_BEFORE "%u", t->oid);
    if (!store_get(store, key, &noted, err)) {
        return false;
    }
    bool ok = noted || store_set(store, key, letter, err);
    x_free(noted);
    return ok;
}

static bool
alter_identities(const struct config *config, struct store *store, PGconn *conn,
    const struct pg_tables *tables, struct err *err)
{
    for (size_t i = 0; i < tables->len; i++) {
        const struct pg_table *t = &tables->items[i];
        if (!needs_full_identity(config, t)) {
            continue;
        }
        if (!remember_identity(store, t, err) || !alter_identity(conn, t, err)) {
            return false;
        }
        log_info(STAGE, "table %s.%s has no key: REPLICA IDENTITY FULL until cleanup", t->schema,
            t->name);
    }
    return true;
}

static bool
root_is_listed(const struct pg_tables *tables, uint32_t root)
{
    for (size_t i = 0; i < tables->len; i++) {
        if (tables->items[i].oid == root) {
            return true;
        }
    }
    return false;
}

/* Partitions are published through their root, so that those attached later are too. ONLY keeps
 * children by inheritance out: they are listed themselves when they are meant. */
static bool
create_publication(
    const struct config *config, PGconn *conn, const struct pg_tables *tables, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    /* Its lock lets readers and writers pass, so it may wait as long as it takes. */
    buf_str(&sql, DDL_CAPTURE_OFF "SET lock_timeout = 0; CREATE PUBLICATION ");
    sql_ident(&sql, config->source.publication);
    size_t listed = 0;
    for (size_t i = 0; i < tables->len; i++) {
        const struct pg_table *t = &tables->items[i];
        if (t->unlogged || (t->partition && root_is_listed(tables, t->root))) {
            continue;
        }
        buf_str(&sql, listed++ == 0 ? " FOR TABLE " : ", ");
        buf_str(&sql, t->kind == 'r' ? "ONLY " : "");
        sql_qualified(&sql, t->schema, t->name);
    }
    /* Without it the server refuses updates of tables that are FULL and have such columns. */
    buf_str(
        &sql, PQserverVersion(conn) >= 180000 ? " WITH (publish_generated_columns = stored)" : "");
    char what[160];
    snprintf(what, sizeof(what), "create publication '%s'", config->source.publication);
    bool ok = buf_ok(&sql, what, err) && pg_exec(conn, what, buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

/* Behind the publication, which the triggers need, and before the slot: what the feed begins with
 * is caught already. */
static bool
catch_ddl(const struct config *config, struct store *store, PGconn *conn, struct err *err)
{
    bool installed;
    char why[200];
    if (!ddl_capture_install(config, store, conn, &installed, why, err)) {
        return false;
    }
    if (installed) {
        log_info(STAGE, "DDL is captured: schema 'tidegate_ddl' and its event triggers stay on the "
                        "source until cleanup");
    } else {
        log_warn(STAGE,
            "DDL is not captured, a changed table is noticed when its next row comes: "
            "%s",
            why);
    }
    return true;
}

/* Only pgoutput knows publications, which the triggers need. */
static bool
publish(const struct config *config, struct store *store, PGconn *conn,
    const struct pg_tables *tables, struct err *err)
{
    return pg_publication_drop(conn, config->source.publication, err) &&
           pg_slot_drop(conn, config->source.slot, err) &&
           (config->source.plugin != PLUGIN_PGOUTPUT ||
               (create_publication(config, conn, tables, err) &&
                   catch_ddl(config, store, conn, err)));
}

static bool
prepare(const struct config *config, struct store *store, PGconn *conn, struct err *err)
{
    struct pg_server server;
    struct table_filter filter = filter_of(config);
    struct pg_tables tables = {0};
    if (!pg_server_read(conn, &server, err) || !pg_tables_read(conn, &filter, &tables, err)) {
        return false;
    }
    bool ok = remember_source(config, store, &server, err) &&
              remember_tables(config, store, &tables, err);
    FAILPOINT("setup.remembered");
    ok = ok && alter_identities(config, store, conn, &tables, err) &&
         publish(config, store, conn, &tables, err);
    FAILPOINT("setup.published");
    pg_tables_free(&tables);
    return ok;
}

static bool
prepare_and_ask(
    const struct config *config, struct store *store, struct anchor *anchor, struct err *err)
{
    PGconn *conn = NULL;
    struct setup_ask questions;
    bool two_phase = false;
    if (!setup_ask_begin(config, &questions, err)) {
        return false;
    }
    bool ok = connect_source(config, &conn, err) && prepare(config, store, conn, err);
    PQfinish(conn);
    ok = setup_ask_end(&questions, ok, &two_phase, anchor, err) &&
         two_phase_decide(store, two_phase, err);
    if (!ok) {
        anchor_release(anchor);
    }
    return ok;
}

bool
setup_source(
    const struct config *config, struct store *store, struct anchor *anchor, struct err *err)
{
    if (!prepare_and_ask(config, store, anchor, err)) {
        return false;
    }
    log_info(STAGE, "creating replication slot '%s' (waits for open transactions to end)",
        config->source.slot);
    if (!anchor_create(config, anchor, err)) {
        return false;
    }
    FAILPOINT("setup.slot");
    char lsn[FORMAT_SIZE], start[32];
    snprintf(start, sizeof(start), "%llu", (unsigned long long)anchor->slot.consistent_point);
    const char *keys[] = {"slot_start", "phase", "setup"};
    const char *values[] = {start, "snapshot", "done"};
    if (!store_set_many(store, keys, values, 3, err)) {
        anchor_release(anchor);
        return false;
    }
    FAILPOINT("setup.stored");
    log_info(STAGE, "slot '%s' starts at %s", config->source.slot,
        format_lsn(anchor->slot.consistent_point, lsn));
    return true;
}

/* The name is in the names of slot, publication and origin: another one would look for others. */
static bool
same_name(const struct config *config, struct store *store, struct err *err)
{
    char *name = NULL;
    if (!store_get(store, "name", &name, err)) {
        return false;
    }
    bool same = !name || strcmp(name, config->name) == 0;
    if (!same) {
        err_set(err, ERR_CONFIG,
            "the data directory '%s' belongs to migration '%s', and the configuration names '%s'",
            config->dir, name, config->name);
        err_hint(err, "use another --dir for another migration, or the name of before");
    }
    x_free(name);
    return same;
}

/* Slot and spool are of one plugin. What was begun before there was a choice is pgoutput's. */
static bool
same_plugin(const struct config *config, struct store *store, struct err *err)
{
    char *plugin = NULL;
    const char *now = plugin_name(config->source.plugin);
    if (!store_get(store, STORE_PLUGIN, &plugin, err)) {
        return false;
    }
    const char *before = plugin ? plugin : plugin_name(PLUGIN_PGOUTPUT);
    bool same = strcmp(before, now) == 0;
    if (!same) {
        err_set(err, ERR_CONFIG,
            "the migration was begun with source.plugin: %s, and the configuration says %s", before,
            now);
        err_hint(err,
            "slot and spool belong to a plugin: go on with `source.plugin: %s`, or remove the "
            "migration with `tidegate cleanup` and begin anew",
            before);
    }
    x_free(plugin);
    return same;
}

static bool
same_source(struct store *store, const struct pg_server *server, struct err *err)
{
    char *database = NULL;
    uint64_t id = 0;
    bool found = false;
    if (!store_get(store, "source_database", &database, err) ||
        !store_get_u64(store, "source_system_id", &id, &found, err)) {
        return false;
    }
    bool same = (!found || id == server->system_id) &&
                (!database || strcmp(database, server->database) == 0);
    if (!same) {
        err_set(err, ERR_CONFIG,
            "the data directory belongs to database '%s' of server %llu, but the source is "
            "database '%s' "
            "of server %llu",
            database ? database : "", (unsigned long long)id, server->database,
            (unsigned long long)server->system_id);
        err_hint(err,
            "use another --dir for another migration; after a failover of the source, start the "
            "migration anew");
    }
    x_free(database);
    return same;
}

bool
setup_check_source(
    const struct config *config, struct store *store, uint64_t *feed_id, struct err *err)
{
    PGconn *conn = NULL;
    struct pg_server server;
    bool ok = same_name(config, store, err) && same_plugin(config, store, err) &&
              connect_source(config, &conn, err) && pg_server_read(conn, &server, err) &&
              same_source(store, &server, err);
    PQfinish(conn);
    if (ok) {
        *feed_id = server.system_id;
    }
    return ok;
}

static bool
is_carried(const struct table_row *rows, size_t n, uint32_t oid)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].oid == oid) {
            return true;
        }
    }
    return false;
}

/* Those that came with a statement are no ordinary tables of the list any more. */
static bool
leave_out_brought(struct store *store, struct pg_tables *tables, struct err *err)
{
    for (size_t i = 0; i < tables->len; i++) {
        bool brought;
        if (!ddl_brought(store, tables->items[i].oid, &brought, err)) {
            return false;
        }
        if (brought) {
            tables->items[i].kind = 0;
        }
    }
    return true;
}

static void
list_uncarried(
    const struct pg_tables *tables, const struct table_row *rows, size_t n, char *out, size_t cap)
{
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < tables->len; i++) {
        const struct pg_table *t = &tables->items[i];
        /* A partition attached later comes through its root. */
        if (t->kind != 'r' || is_carried(rows, n, t->oid) ||
            (t->partition && root_is_listed(tables, t->root))) {
            continue;
        }
        int w = snprintf(out + used, cap - used, "%s%s.%s", used ? ", " : "", t->schema, t->name);
        if (w < 0 || (size_t)w >= cap - used) {
            return;
        }
        used += (size_t)w;
    }
}

bool
setup_uncarried_tables(
    const struct config *config, struct store *store, char *out, size_t cap, struct err *err)
{
    PGconn *conn = NULL;
    struct table_filter filter = filter_of(config);
    struct pg_tables tables = {0};
    struct table_row *rows = NULL;
    size_t n = 0;
    bool ok = store_tables(store, &rows, &n, err) && connect_source(config, &conn, err) &&
              pg_tables_read(conn, &filter, &tables, err) && leave_out_brought(store, &tables, err);
    if (ok) {
        list_uncarried(&tables, rows, n, out, cap);
    }
    PQfinish(conn);
    pg_tables_free(&tables);
    x_free(rows);
    return ok;
}

/* --- one table later on --------------------------------------------------------------------- */

static bool
is_named(const struct pg_table *t, const char *text)
{
    size_t n = strlen(t->schema);
    if (strncmp(text, t->schema, n) == 0 && text[n] == '.' && strcmp(text + n + 1, t->name) == 0) {
        return true;
    }
    return strcmp(t->schema, "public") == 0 && strcmp(text, t->name) == 0;
}

static bool
no_table(const struct pg_tables *all, const char *text, struct err *err)
{
    for (size_t i = 0; i < all->len; i++) {
        if (is_named(&all->items[i], text)) {
            err_set(err, ERR_CONFIG, "table '%s' is left out by tables.include or tables.exclude",
                text);
            return err_hint(err, "change the configuration, restart the agent, and ask again");
        }
    }
    err_set(err, ERR_CONFIG, "the source has no table '%s'", text);
    return err_hint(err, "name it as schema.table, in the case in which the source has it");
}

void
setup_found_done(struct setup_found *f)
{
    pg_tables_free(&f->all);
    x_free(f->items);
    *f = (struct setup_found){.len = 0};
}

bool
setup_find_tables(const struct config *config, PGconn *source, const char *text,
    struct setup_found *out, struct err *err)
{
    static const struct table_filter everything;
    struct table_filter filter = filter_of(config);
    struct pg_tables *all = &out->all, more = {0};
    uint32_t root = 0;
    *out = (struct setup_found){.len = 0};
    if (!pg_tables_read(source, &filter, all, err)) {
        return false;
    }
    out->items = x_zalloc((all->len + 1) * sizeof(*out->items));
    for (size_t i = 0; i < all->len; i++) {
        const struct pg_table *t = &all->items[i];
        if (is_named(t, text) && t->kind == 'r') {
            out->items[out->len++] = i;
        } else if (is_named(t, text)) {
            root = t->oid;
        }
    }
    for (size_t i = 0; root != 0 && i < all->len; i++) {
        if (all->items[i].root == root && all->items[i].kind == 'r') {
            out->items[out->len++] = i;
        }
    }
    if (out->len > 0) {
        return true;
    }
    if (root != 0) {
        return err_set(err, ERR_CONFIG, "'%s' has no partitions of its own: name one", text);
    }
    bool ok = pg_tables_read(source, &everything, &more, err) && no_table(&more, text, err);
    pg_tables_free(&more);
    return ok;
}

static bool
is_published(const struct config *config, PGconn *source, const struct pg_table *t, bool *is,
    struct err *err)
{
    const char *params[] = {config->source.publication, t->schema, t->name};
    PGresult *res = NULL;
    bool ok = pg_query(source, "look into the publication",
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_publication_tables"
        " WHERE pubname = $1 AND schemaname = $2 AND tablename = $3)",
        3, params, &res, err);
    *is = ok && pg_bool(res, 0, 0);
    PQclear(res);
    return ok;
}

static bool
publish_one(const struct config *config, PGconn *source, const struct pg_table *t, struct err *err)
{
    struct buf sql;
    bool is = false;
    if (config->source.plugin != PLUGIN_PGOUTPUT) {
        return true;
    }
    if (!is_published(config, source, t, &is, err) || is) {
        return is;
    }
    buf_init(&sql, 4096);
    buf_str(&sql, "SET lock_timeout = 0; ALTER PUBLICATION ");
    sql_ident(&sql, config->source.publication);
    buf_str(&sql, " ADD TABLE ONLY ");
    sql_qualified(&sql, t->schema, t->name);
    bool ok = pg_exec(source, "add the table to the publication", buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

bool
setup_publish_table(const struct config *config, struct store *store, PGconn *source,
    const struct pg_table *t, bool *identity_changed, struct err *err)
{
    char key[48], *noted = NULL;
    if (t->unlogged) {
        err_set(
            err, ERR_CONFIG, "'%s.%s' is unlogged: its changes are in no log", t->schema, t->name);
        return err_hint(err, "ALTER TABLE ... SET LOGGED on the source, or copy it by hand");
    }
    if (needs_full_identity(config, t) &&
        (!remember_identity(store, t, err) || !alter_identity(source, t, err))) {
        return false;
    }
    snprintf(key, sizeof(key), STORE_IDENTITY_BEFORE "%u", t->oid);
    bool ok = store_get(store, key, &noted, err);
    *identity_changed = noted != NULL;
    x_free(noted);
    FAILPOINT("resync.publish");
    ok = ok && publish_one(config, source, t, err);
    FAILPOINT("resync.published");
    return ok;
}
