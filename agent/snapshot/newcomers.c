/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of tables was made when the migration began. Where DDL is captured it grows and shrinks
 * without the list: a table that a statement brought is in the publication, and the sinks of that
 * time have had all its rows from the stream. A sink that is copied later needs it in its copy.
 *
 * What is written is written for the other sinks first: the list's row makes it count for all.
 */
#include "agent/snapshot/newcomers.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/pg/catalog.h"
#include "agent/pg/query.h"

static bool
is_captured(const struct snapshot_options *o, bool *captured, struct err *err)
{
    char *token = NULL;
    *captured = false;
    if (!o->sink || !o->publication) {
        return true;
    }
    bool ok = store_get(o->store, STORE_DDL_TOKEN, &token, err);
    *captured = token != NULL;
    x_free(token);
    return ok;
}

/* Its schema is of a snapshot that is known, at *position. */
static bool
has_schema(const struct snapshot_options *o, const char *sink, bool *has, uint64_t *position,
    struct err *err)
{
    char key[128];
    *position = 0;
    snprintf(key, sizeof(key), STORE_DDL_SCHEMA "%s", sink);
    return store_get_u64(o->store, key, position, has, err);
}

bool
newcomers_possible(const struct snapshot_options *o, bool *possible, struct err *err)
{
    bool captured = false, has = false;
    uint64_t position;
    if (!is_captured(o, &captured, err) ||
        !has_schema(o, o->sink ? o->sink : "", &has, &position, err)) {
        return false;
    }
    *possible = captured && !has;
    return true;
}

/* The sinks that get its rows from the stream, from the first one on. */
static bool
settle_others(const struct snapshot_options *o, const struct table_row *row, struct err *err)
{
    struct sink_row *sinks = NULL;
    size_t n = 0;
    if (!store_sinks(o->store, &sinks, &n, err)) {
        return false;
    }
    struct table_row ready = *row;
    ready.state = TABLE_READY;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        bool has = false;
        if (strcmp(sinks[i].name, o->sink) == 0) {
            continue;
        }
        /* The table came behind that position: nothing of it is left to a copy. */
        ok = has_schema(o, sinks[i].name, &has, &ready.sync, err);
        if (ok && (has || sinks[i].copied || !sinks[i].copies)) {
            ok = store_sink_tables_put(o->store, sinks[i].name, &ready, 1, err);
        }
    }
    x_free(sinks);
    return ok;
}

static bool
take(const struct snapshot_options *o, const struct pg_table *t, struct err *err)
{
    struct table_row row = {.oid = t->oid, .state = TABLE_PENDING, .bytes = t->bytes};
    snprintf(row.schema, sizeof(row.schema), "%s", t->schema);
    snprintf(row.name, sizeof(row.name), "%s", t->name);
    return settle_others(o, &row, err) && store_table_put(o->store, &row, err);
}

static bool
is_listed(const struct table_row *rows, size_t n, uint32_t oid)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].oid == oid) {
            return true;
        }
    }
    return false;
}

static bool
is_in(const PGresult *oids, uint32_t oid)
{
    for (int i = 0; i < PQntuples(oids); i++) {
        if (pg_oid(oids, i, 0) == oid) {
            return true;
        }
    }
    return false;
}

static bool
take_new(const struct snapshot_options *o, PGconn *source, const struct pg_tables *tables,
    const struct table_row *rows, size_t n, struct err *err)
{
    const char *params[] = {o->publication};
    PGresult *published = NULL;
    if (!pg_query(source, "source: list published tables",
            "SELECT t.relid FROM pg_catalog.pg_get_publication_tables($1::text) t", 1, params,
            &published, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < tables->len; i++) {
        const struct pg_table *t = &tables->items[i];
        bool is_new = t->kind == 'r' && !is_listed(rows, n, t->oid) && is_in(published, t->oid);
        ok = !is_new || take(o, t, err);
    }
    PQclear(published);
    return ok;
}

/* A table that is gone has no rows to copy; what the feed still has of it lies below the snapshot,
 * or in front of its DROP. */
static bool
pass_over_gone(const struct newcomers_snapshot *at, const struct snapshot_options *o,
    const struct pg_tables *tables, struct table_row *rows, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        bool there = rows[i].state == TABLE_COPIED || rows[i].state == TABLE_READY;
        for (size_t k = 0; !there && k < tables->len; k++) {
            there = tables->items[k].oid == rows[i].oid;
        }
        if (there) {
            continue;
        }
        char oid[16];
        const char *params[] = {oid};
        PGresult *res = NULL;
        snprintf(oid, sizeof(oid), "%u", rows[i].oid);
        if (!pg_query(at->source, "source: look for a table",
                "SELECT 1 FROM pg_catalog.pg_class WHERE oid = $1::oid", 1, params, &res, err)) {
            return false;
        }
        bool gone = PQntuples(res) == 0;
        PQclear(res);
        rows[i].state = TABLE_READY;
        rows[i].sync = at->sync;
        if (gone && !store_sink_tables_put(o->store, o->sink, &rows[i], 1, err)) {
            return false;
        }
    }
    return true;
}

bool
newcomers_take(
    const struct snapshot_options *o, const struct newcomers_snapshot *at, struct err *err)
{
    bool captured = false;
    struct table_row *rows = NULL;
    struct pg_tables tables = {0};
    size_t n = 0;
    if (!is_captured(o, &captured, err)) {
        return false;
    }
    if (!captured) {
        return true;
    }
    bool ok = store_sink_tables(o->store, o->sink, &rows, &n, err) &&
              pg_tables_read(at->source, &o->filter, &tables, err) &&
              (!at->first || take_new(o, at->source, &tables, rows, n, err)) &&
              pass_over_gone(at, o, &tables, rows, n, err);
    pg_tables_free(&tables);
    x_free(rows);
    return ok;
}
