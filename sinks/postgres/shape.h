/* SPDX-License-Identifier: Apache-2.0
 *
 * How one change is put as a statement: which columns it sets, by which it finds its row, and with
 * which parameter types. Pure. Changes with the same shape share one prepared statement.
 */
#ifndef TG_SINKS_POSTGRES_SHAPE_H
#define TG_SINKS_POSTGRES_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/change/change.h"
#include "sinks/postgres/target.h"

enum shape_op {
    SHAPE_INSERT,
    SHAPE_UPDATE,
    SHAPE_DELETE,
    SHAPE_PROBE,  /* an update that sets nothing: the row must be there */
    SHAPE_UPSERT, /* an insert that overwrites the row with the same key */
    /* an update as DELETE and INSERT: it sets what UPDATE may not. What is not SET stays as it was
     */
    SHAPE_REPLACE,
};

/* For how many rows a statement is, and how they are found. */
enum shape_rows {
    SHAPE_ROW,    /* one */
    SHAPE_JOINED, /* several: each parameter is an array, and their elements are joined */
    SHAPE_LISTED, /* the same, for updates and deletes by one column: its array is looked through */
};

/* Bits for each column. Parameters: the SET columns in order, then the MATCH columns that are no
 * NULLs. */
enum shape_use {
    USE_SET = 1,
    USE_MATCH = 2,
    USE_NULL = 4,          /* with MATCH: the column is NULL in the row looked for */
    USE_SET_SOURCE = 8,    /* the value set has the source's type, the server converts */
    USE_MATCH_SOURCE = 16, /* so has the value matched */
    USE_CONFLICT = 32,     /* of an upsert: part of the key */
};

/* A table has at most 1600 columns. */
#define SHAPE_COLUMNS_MAX 1664

struct shape {
    uint8_t op;     /* enum shape_op */
    bool any_row;   /* several rows may match (no key): touch just one of them */
    uint8_t rows;   /* enum shape_rows */
    bool assumed;   /* an identity ALWAYS is matched, because it rarely changes: the row may be
                       missing only for that */
    bool counted;   /* the server refuses the statement by itself when it touches more or fewer rows
                       than it is for; not of an upsert, a probe or a replace */
    uint8_t stores; /* enum origin_place: counted, it stores the position, too, by so many
                       parameters more */
    uint16_t len;   /* columns */
    uint32_t parameters;
    uint8_t use[SHAPE_COLUMNS_MAX];
};

/* The value that a MATCH column is compared with: the old one where the source told it. */
const struct value *shape_match_value(const struct change *c, uint16_t column);

/* ERR_DATA when the change cannot be put: no key to find the row by, a value missing, types that do
 * not go together. The text says it without naming relation and position. */
bool shape_of(
    const struct change *c, const struct target *t, struct shape *out, struct err *err) must_use;
/* The same for an update of which nothing may be assumed. */
bool shape_replace(
    const struct change *c, const struct target *t, struct shape *out, struct err *err) must_use;
/* The same for an insert that is to overwrite. */
bool shape_upsert(
    const struct change *c, const struct target *t, struct shape *out, struct err *err) must_use;

#endif
