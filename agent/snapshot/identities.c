/* SPDX-License-Identifier: Apache-2.0
 *
 * The dump was made after the source's tables had got what the migration needs.
 */
#include "agent/snapshot/identities.h"

#include <stdio.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

/* NOTHING stays NOTHING; every other identity that had to be changed was a default one without key.
 */
static bool
identity_before(const struct run *r, uint32_t oid, const char **word, struct err *err)
{
    char key[48], *letter = NULL;
    snprintf(key, sizeof(key), STORE_IDENTITY_BEFORE "%u", oid);
    if (!store_get(r->o->store, key, &letter, err)) {
        return false;
    }
    *word = letter && letter[0] == 'n' ? "NOTHING" : "DEFAULT";
    x_free(letter);
    return true;
}

/* The source has REPLICA IDENTITY FULL for the time of the migration only. */
bool
identities_reset(const struct run *r, PGconn *target, struct err *err)
{
    for (size_t i = 0; i < r->tables_len; i++) {
        const struct table_row *row = &r->tables[i].row;
        if (!row->identity_changed) {
            continue;
        }
        const char *before;
        if (!identity_before(r, row->oid, &before, err)) {
            return false;
        }
        struct buf sql;
        buf_init(&sql, 4096);
        buf_str(&sql, "ALTER TABLE ");
        sql_qualified(&sql, row->schema, row->name);
        buf_printf(&sql, " REPLICA IDENTITY %s", before);
        bool ok = pg_exec_long(
            target, "target: reset a replica identity", buf_cstr(&sql), r->o->stop, err);
        buf_done(&sql);
        if (!ok) {
            return false;
        }
    }
    return true;
}
