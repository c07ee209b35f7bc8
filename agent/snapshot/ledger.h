/* SPDX-License-Identifier: Apache-2.0
 *
 * What was done on the target, kept on the target: table tidegate.ledger. A row is inserted by the
 * same transaction that does the work it names, so after a crash of anything the ledger and the
 * database agree.
 *
 * Items:
 *   pre <key>               an object of the schema that exists before the data
 *   post <key>              one that comes behind the data
 *   start <oid>@<X/Y>       table emptied for the copy whose sync position is X/Y
 *   part <oid>+<n>@<X/Y>    blocks from n on are copied
 *   copied <oid>@<X/Y>      the table's data is complete
 *   lo <oid>                large objects up to this one
 *   lo-begun, lo-kept <oid> large objects that were on the target before the first of ours
 */
#ifndef TG_SNAPSHOT_LEDGER_H
#define TG_SNAPSHOT_LEDGER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

#define LEDGER_ITEM_SIZE 96

/* Creates schema and table when missing. */
bool ledger_ensure(PGconn *target, struct err *err) must_use;
/* Inserts an item; part of the transaction that is open on `target`. */
bool ledger_add(PGconn *target, const char *migration, const char *item, struct err *err) must_use;
/* Appends the statement that does so for n items, at least one, with its semicolon: to go along
 * with others. */
void ledger_add_text(struct buf *sql, const char *migration, const char *const *items, size_t n);
/* The same, and ends that transaction in one go. */
bool ledger_add_and_commit(
    PGconn *target, const char *migration, const char *item, struct err *err) must_use;
/* Whether the server has it now: for a commit whose answer was lost. */
bool ledger_check(
    PGconn *target, const char *migration, const char *item, bool *there, struct err *err) must_use;

/* All items of a migration as they are now, ordered. */
struct ledger {
    char **items;
    size_t len;
};
/* Empty when there is no ledger. */
bool ledger_read(
    PGconn *target, const char *migration, struct ledger *out, struct err *err) must_use;
/* The same without looking for it first, which the server's log shows when there is none. Outside
 * of a transaction. */
bool ledger_read_at_once(
    PGconn *target, const char *migration, struct ledger *out, struct err *err) must_use;
void ledger_free(struct ledger *l); /* accepts an all-zero one */
bool ledger_has(const struct ledger *l, const char *item);
/* Number of items that begin with `prefix`; *first is the index of the first of them. */
size_t ledger_prefix(const struct ledger *l, const char *prefix, size_t *first);
/* The table's data is complete, as of the newest sync position recorded. */
bool ledger_copied(const struct ledger *l, uint32_t oid, uint64_t *sync);
/* This migration has put data into the table, or begun to. */
bool ledger_touched(const struct ledger *l, uint32_t oid);

const char *ledger_start_item(uint32_t oid, uint64_t sync, char out[LEDGER_ITEM_SIZE]);
const char *ledger_part_item(
    uint32_t oid, uint32_t from, uint64_t sync, char out[LEDGER_ITEM_SIZE]);
const char *ledger_copied_item(uint32_t oid, uint64_t sync, char out[LEDGER_ITEM_SIZE]);

#endif
