/* SPDX-License-Identifier: Apache-2.0
 *
 * One transaction for the whole first half is best: it is there or it is not, and a failed attempt
 * leaves nothing behind that a corrected one would trip over. Only schemas too large for the lock
 * table go in several.
 *
 * A statement alone costs the way to the server and back, so many go as one text, behind a
 * savepoint. When one of them is refused they are undone and sent one by one: that names it, and
 * tolerates what may fail. Then alone a savepoint is set for each that may: tens of thousands of
 * subtransactions would slow the server down.
 */
#include "agent/snapshot/create.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/failpoint.h"
#include "agent/base/log.h"
#include "agent/pg/query.h"

#define CHUNK_ENTRIES 100
#define CHUNK_BYTES   (256U << 10)
#define CHUNK_BEGINS  "SAVEPOINT tidegate_chunk"
#define SQL_MAX       (1U << 30)
#define ALL_DONE      "pre *"
#define STAGE         "schema"

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

/* The first half, as far as it is left. */
struct half {
    struct create *c;
    const struct toc_entry **left;
    size_t len;
    bool batches; /* a transaction for each chunk, with ledger items for its entries */
};

static char *
item_before(const struct toc_entry *e)
{
    char *key = entry_key(e), *item = x_printf("pre %s", key);
    x_free(key);
    return item;
}

static bool
record_one(struct create *c, const struct toc_entry *e, struct err *err)
{
    char *item = item_before(e);
    bool ok = ledger_add(c->target, c->migration, item, err);
    x_free(item);
    return ok;
}

static bool
was_recorded(const struct toc_entry *e, const struct ledger *done)
{
    char *item = item_before(e);
    bool there = ledger_has(done, item);
    x_free(item);
    return there;
}

/* What follows a chunk that was made. */
static const char *
next_chunk(const struct half *h)
{
    return h->batches ? "COMMIT; BEGIN; " CHUNK_BEGINS
                      : "RELEASE SAVEPOINT tidegate_chunk; " CHUNK_BEGINS;
}

/* Whether the chunk that began at `from` ends in front of entry i. */
static bool
chunk_ends(const struct half *h, size_t from, size_t i, const struct buf *sql)
{
    bool full = i - from == CHUNK_ENTRIES || sql->len >= CHUNK_BYTES;
    return i == h->len || full ||
           (i > from && (entry_holds_secret(h->left[i - 1]) || entry_holds_secret(h->left[i])));
}

static void
record_text(const struct half *h, size_t from, size_t to, struct buf *sql)
{
    char *items[CHUNK_ENTRIES] = {0};
    size_t n = to - from;
    for (size_t i = 0; i < n; i++) {
        items[i] = item_before(h->left[from + i]);
    }
    ledger_add_text(sql, h->c->migration, (const char *const *)items, n);
    for (size_t i = 0; i < n; i++) {
        x_free(items[i]);
    }
}

/* Where the chunk that begins at `from` ends; *sql is its text. */
static size_t
chunk_text(const struct half *h, size_t from, struct buf *sql)
{
    struct create *c = h->c;
    size_t to = from;
    for (; !chunk_ends(h, from, to, sql); to++) {
        const struct toc_entry *e = h->left[to];
        entry_settings(sql, e, &c->tablespaces, PQserverVersion(c->target));
        buf_str(sql, e->sql);
        buf_str(sql, "\n;");
    }
    if (h->batches) {
        record_text(h, from, to, sql);
    }
    buf_str(sql, next_chunk(h));
    return to;
}

static bool
make_alone(const struct half *h, size_t from, size_t to, struct err *err)
{
    struct create *c = h->c;
    for (size_t i = from; i < to; i++) {
        const struct toc_entry *e = h->left[i];
        if (!execute_one(c, e, err) || (h->batches && !record_one(c, e, err))) {
            return false;
        }
    }
    return pg_exec(c->target, "target: end a part of the schema", next_chunk(h), err);
}

/* Whether one of several statements that went together was refused, and not all of them. */
static bool
is_about_one(const struct err *err)
{
    return err->class != ERR_RECONNECT && err->class != ERR_CANCELLED;
}

/* *at: from where, and where the next one begins. */
static bool
make_chunk(const struct half *h, size_t *at, struct err *err)
{
    struct create *c = h->c;
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    size_t from = *at;
    *at = chunk_text(h, from, &sql);
    bool ok = buf_ok(&sql, "part of the schema", err) &&
              pg_exec_long(c->target, "target: create the schema", buf_cstr(&sql), c->stop, err);
    buf_done(&sql);
    if (ok || !is_about_one(err)) {
        return ok;
    }
    err_clear(err);
    return pg_exec(c->target, "target: roll back to the savepoint",
               "ROLLBACK TO SAVEPOINT tidegate_chunk", err) &&
           make_alone(h, from, *at, err);
}

static bool
create_all(const struct half *h, struct err *err)
{
    struct create *c = h->c;
    if (!pg_exec(c->target, "target: begin the schema", "BEGIN; " CHUNK_BEGINS, err)) {
        return false;
    }
    for (size_t at = 0; at < h->len;) {
        if (!make_chunk(h, &at, err)) {
            return false;
        }
    }
    FAILPOINT("schema.before_commit");
    return ledger_add_and_commit(c->target, c->migration, ALL_DONE, err);
}

/* Behind a transaction that was refused. */
static bool
rolled_back(struct create *c)
{
    struct err ignored = ERR_INIT;
    return PQstatus(c->target) == CONNECTION_OK && pg_exec(c->target, "", "ROLLBACK", &ignored);
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
    struct half h = {.c = c};
    if (ledger_has(done, ALL_DONE)) {
        return true;
    }
    if (!needs_batches(c, before->len, &h.batches, err)) {
        return false;
    }
    h.left = x_zalloc((before->len + 1) * sizeof(const struct toc_entry *));
    for (size_t i = 0; i < before->len; i++) {
        const struct toc_entry *e = &before->items[i];
        if (strcmp(e->type, "ACL") != 0 && !was_recorded(e, done)) {
            h.left[h.len++] = e;
        }
    }
    bool ok = create_all(&h, err);
    x_free(h.left);
    if (!ok) {
        (void)rolled_back(c);
    }
    return ok;
}

/* Entries and their rows in the ledger, in a transaction that is sent as one text. */
static bool
execute_and_record(struct create *c, const struct create_item *items, size_t n, struct err *err)
{
    const char *done[CREATE_TOGETHER_MAX];
    size_t entries = 0;
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "BEGIN;");
    for (size_t i = 0; i < n; i++) {
        const struct create_item *it = &items[i];
        if (it->entry) {
            entry_settings(&sql, it->entry, &c->tablespaces, PQserverVersion(c->target));
            done[entries++] = it->item;
        }
        buf_str(&sql, it->sql ? it->sql : it->entry ? it->entry->sql : "");
        buf_str(&sql, "\n;");
    }
    if (entries) {
        ledger_add_text(&sql, c->migration, done, entries);
    }
    buf_str(&sql, "COMMIT");
    FAILPOINT("schema.entry_commit");
    bool ok = buf_ok(&sql, "", err) && pg_exec_long(c->target, "", buf_cstr(&sql), c->stop, err);
    buf_done(&sql);
    return ok;
}

bool
create_together(
    struct create *c, const struct create_item *items, size_t n, bool *made, struct err *err)
{
    *made = execute_and_record(c, items, n, err);
    if (*made) {
        return true;
    }
    if (!rolled_back(c) || !is_about_one(err)) {
        return false;
    }
    err_clear(err);
    return true;
}

bool
create_entry(struct create *c, const struct create_item *it, bool *tolerated, struct err *err)
{
    *tolerated = false;
    if (execute_and_record(c, it, 1, err)) {
        return true;
    }
    entry_error(it->entry, err);
    if (!rolled_back(c) || err->class == ERR_CANCELLED ||
        !entry_tolerates(it->entry, err->sqlstate)) {
        return false;
    }
    log_tolerated(it->entry, err);
    err_clear(err);
    *tolerated = true;
    return true;
}
