/* SPDX-License-Identifier: Apache-2.0
 *
 * One transaction for the whole first half is best: it is there or it is not, and a failed attempt
 * leaves nothing behind that a corrected one would trip over. Only schemas too large for the lock
 * table go in batches. A savepoint is set where a failure can be tolerated and nowhere else: tens
 * of thousands of subtransactions would slow the server down.
 */
#include "agent/snapshot/create.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/pg/query.h"

#define BATCH    200
#define SQL_MAX  65536
#define ALL_DONE "pre *"
#define STAGE    "schema"

bool
create_init(struct create *c, struct err *err)
{
    return tablespaces_read(c->target, &c->tablespaces, err);
}

void
create_done(struct create *c)
{
    tablespaces_free(&c->tablespaces);
}

/* Whether one transaction would lock too much: a table needs about four locks, and half of the lock
 * table is left to others. */
static bool
too_many_locks(size_t entries, uint64_t locks_per_transaction, uint64_t transactions)
{
    return (uint64_t)entries * 4 > locks_per_transaction * transactions / 2;
}

/* Whether any failure of such an entry may be tolerated. */
static bool
wants_savepoint(const struct toc_entry *e)
{
    return entry_tolerates(e, "42501") || entry_tolerates(e, "42710") ||
           entry_tolerates(e, "42P06") || entry_tolerates(e, "42P01");
}

static void
log_tolerated(const struct toc_entry *e, const struct err *why)
{
    log_warn(STAGE, "left as it is: %s '%s': %s", e->type, e->name, why->text);
}

static bool
in_savepoint(struct create *c, const struct toc_entry *e, struct err *err)
{
    if (!pg_exec(c->target, "target: set a savepoint", "SAVEPOINT tidegate_entry", err)) {
        return false;
    }
    if (pg_exec_long(c->target, "", e->sql, c->stop, err)) {
        return pg_exec(
            c->target, "target: release the savepoint", "RELEASE SAVEPOINT tidegate_entry", err);
    }
    if (err->class == ERR_RECONNECT || err->class == ERR_CANCELLED ||
        !entry_tolerates(e, err->sqlstate)) {
        return entry_error(e, err);
    }
    log_tolerated(e, err);
    err_clear(err);
    return pg_exec(c->target, "target: roll back to the savepoint",
        "ROLLBACK TO SAVEPOINT tidegate_entry; RELEASE SAVEPOINT tidegate_entry", err);
}

/* Inside the open transaction. */
static bool
execute_one(struct create *c, const struct toc_entry *e, struct err *err)
{
    struct buf settings;
    buf_init(&settings, SQL_MAX);
    entry_settings(&settings, e, &c->tablespaces, PQserverVersion(c->target));
    bool ok = settings.len == 0 ||
              pg_exec(c->target, "target: set the tablespace", buf_cstr(&settings), err);
    buf_done(&settings);
    if (!ok) {
        return false;
    }
    if (wants_savepoint(e)) {
        return in_savepoint(c, e, err);
    }
    return pg_exec_long(c->target, "", e->sql, c->stop, err) || entry_error(e, err);
}

static bool
record_one(struct create *c, const struct toc_entry *e, struct err *err)
{
    char *key = entry_key(e), *item = x_printf("pre %s", key);
    bool ok = ledger_add(c->target, c->migration, item, err);
    x_free(item);
    x_free(key);
    return ok;
}

static bool
was_recorded(const struct toc_entry *e, const struct ledger *done)
{
    char *key = entry_key(e), *item = x_printf("pre %s", key);
    bool there = ledger_has(done, item);
    x_free(item);
    x_free(key);
    return there;
}

static bool
create_all(struct create *c, const struct toc *before, bool batches, const struct ledger *done,
    struct err *err)
{
    size_t open = 0;
    if (!pg_exec(c->target, "target: begin the schema", "BEGIN", err)) {
        return false;
    }
    for (size_t i = 0; i < before->len; i++) {
        const struct toc_entry *e = &before->items[i];
        if (strcmp(e->type, "ACL") == 0 || was_recorded(e, done)) {
            continue;
        }
        if (!execute_one(c, e, err) || (batches && !record_one(c, e, err))) {
            return false;
        }
        if (batches && ++open == BATCH) {
            open = 0;
            if (!pg_exec(c->target, "target: commit part of the schema", "COMMIT; BEGIN", err)) {
                return false;
            }
        }
    }
    if (!ledger_add(c->target, c->migration, ALL_DONE, err)) {
        return false;
    }
    FAILPOINT("schema.before_commit");
    return pg_exec(c->target, "target: commit the schema", "COMMIT", err);
}

static bool
needs_batches(struct create *c, size_t entries, bool *batches, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(c->target, "target: read its lock settings",
            "SELECT current_setting('max_locks_per_transaction'),"
            " current_setting('max_connections')::int8"
            " + current_setting('max_prepared_transactions')::int8",
            0, NULL, &res, err)) {
        return false;
    }
    *batches = too_many_locks(entries, pg_u64(res, 0, 0), pg_u64(res, 0, 1));
    PQclear(res);
    return true;
}

bool
create_before_data(
    struct create *c, const struct toc *before, const struct ledger *done, struct err *err)
{
    bool batches = false;
    if (ledger_has(done, ALL_DONE)) {
        return true;
    }
    if (!needs_batches(c, before->len, &batches, err)) {
        return false;
    }
    if (create_all(c, before, batches, done, err)) {
        return true;
    }
    struct err ignored = ERR_INIT;
    (void)(PQstatus(c->target) == CONNECTION_OK &&
           pg_exec(c->target, "roll back", "ROLLBACK", &ignored));
    return false;
}

static bool
execute_and_record(
    struct create *c, const struct toc_entry *e, const char *item, const char *sql, struct err *err)
{
    struct buf begin;
    buf_init(&begin, SQL_MAX);
    buf_str(&begin, "BEGIN;");
    entry_settings(&begin, e, &c->tablespaces, PQserverVersion(c->target));
    bool ok = pg_exec(c->target, "target: begin", buf_cstr(&begin), err);
    buf_done(&begin);
    if (!ok) {
        return false;
    }
    if (!pg_exec_long(c->target, "", sql ? sql : e->sql, c->stop, err)) {
        return entry_error(e, err);
    }
    if (!ledger_add(c->target, c->migration, item, err)) {
        return false;
    }
    FAILPOINT("schema.entry_commit");
    return pg_exec(c->target, "target: commit", "COMMIT", err) || entry_error(e, err);
}

bool
create_entry(struct create *c, const struct toc_entry *e, const char *item, const char *sql,
    bool *tolerated, struct err *err)
{
    *tolerated = false;
    if (execute_and_record(c, e, item, sql, err)) {
        return true;
    }
    struct err ignored = ERR_INIT;
    if (PQstatus(c->target) != CONNECTION_OK ||
        !pg_exec(c->target, "roll back", "ROLLBACK", &ignored) || err->class == ERR_CANCELLED ||
        !entry_tolerates(e, err->sqlstate)) {
        return false;
    }
    log_tolerated(e, err);
    err_clear(err);
    *tolerated = true;
    return true;
}
