/* SPDX-License-Identifier: Apache-2.0
 *
 * Where no event trigger tells the source's DDL, the feed still describes a table anew when its
 * columns have changed. What may have happened to it, and which statement does the same to the
 * target's table. What cannot be told exactly is described, never guessed. Pure.
 *
 *   before     as the feed described it until now; NULL: not known, then nothing can be missing
 *   now        as the feed describes it in front of this row
 *   target     as the target's catalog has it
 *   source     as the source's catalog has it by now, which may be later than this place of the
 *              feed: it is asked for what a description does not say
 */
#ifndef TG_PIPELINE_DDL_NOTICE_H
#define TG_PIPELINE_DDL_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/change/relation.h"
#include "sinks/sink.h"

struct notice_column {
    const char *name, *type, *collation; /* as SQL; collation NULL: the type's own */
    const char *expression;              /* of its default, NULL: none */
    uint32_t type_oid;
    int32_t type_mod;
    char identity; /* 'a' always, 'd' by default, 0 */
    bool not_null;
    bool filled;    /* rows that were there got a value when it was added */
    bool inherited; /* from another table (not: from a partitioned one) */
};

struct notice_table {
    const char *schema, *name; /* what ALTER TABLE has to name: of a partition, its root */
    bool partition;
    const struct notice_column *columns;
    size_t len;
};

enum notice_kind {
    NOTICE_NOTHING,
    NOTICE_STATEMENT,
    NOTICE_UNCLEAR, /* `why` says it, `sql` describes the difference */
};

struct notice {
    enum notice_kind kind;
    struct buf sql;
    const char *why;  /* static */
    const char *copy; /* why the table has to be copied anew, static; NULL: it need not */
};

/* Whether there is anything to look at; without asking the source. */
bool ddl_notice_differs(
    const struct relation *before, const struct relation *now, const struct sink_table *target);
void ddl_notice_find(const struct relation *before, const struct relation *now,
    const struct sink_table *target, const struct notice_table *source, struct notice *out);
void ddl_notice_done(struct notice *n);

#endif
