/* SPDX-License-Identifier: Apache-2.0
 *
 * What the target's catalog says about the table that a relation of the feed goes to: one entry for
 * each column of the relation, in the relation's order, found by name. Columns that only the target
 * has get their defaults and do not appear here.
 */
#ifndef TG_SINKS_POSTGRES_TARGET_H
#define TG_SINKS_POSTGRES_TARGET_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/err.h"
#include "agent/change/relation.h"
#include "sinks/postgres/pipe.h"

/* Objects with a lower oid have the same one on every server (PostgreSQL: FirstGenbkiObjectId). */
#define TARGET_FIXED_OIDS 10000u

struct target_column {
    const char *name;
    uint32_t type_oid;
    const char *type_name; /* as SQL, qualified where needed */
    const char *equals;    /* the type's equality as SQL operator; NULL: it has none to rely on */
    bool exact;            /* equal values are the same bytes */
    bool generated;        /* computed by the server, cannot be written */
    bool always_identity;  /* takes values in INSERT OVERRIDING SYSTEM VALUE only */
    bool unique;           /* part of the unique key that `has_unique` speaks of */
    uint32_t array_oid;    /* type of arrays of it that unnest() takes apart again; 0: none */
    bool names_objects;    /* regclass and the like, or made of such: no binary form to rely on */
    bool same_type;        /* it has the type of the relation's column, and does not name objects */
};

struct target {
    char kind;       /* pg_class.relkind: 'r', 'p', 'f' */
    bool present;    /* there is such a table */
    bool has_unique; /* a unique key, never null, whose columns the relation all has */
    bool whole;      /* the relation has all columns that can be written */
    bool one_unique; /* there is no other unique or exclusion index */
    bool unseen;     /* an ordinary table where nothing fires at a change: when it comes in a
                        transaction makes no difference */
    struct target_column *columns;
    struct arena memory;
};

/* Prepares the statement that target_read uses; before pipeline mode. */
bool target_prepare(PGconn *conn, struct err *err) must_use;
/* Waits for all answers of the pipe, asks the catalog. A table that is not there is no error
 * (`present`); columns that are missing are ERR_DATA. */
bool target_read(
    struct pipe *p, const struct relation *r, struct target *out, struct err *err) must_use;
/* The part of target_read that needs no server: rows of the catalog query -> target. */
bool target_parse(
    const PGresult *rows, const struct relation *r, struct target *out, struct err *err) must_use;
void target_done(struct target *t); /* accepts an all-zero one */

#endif
