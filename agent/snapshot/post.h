/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes behind the data, as a graph: which index, constraint, trigger may be made when, and
 * which of them at the same time. Pure; the threads that do the work call it under their lock.
 *
 *   POST_TABLE   indexes, keys, checks, statistics objects and ANALYZE: when their table's data is
 * there POST_FK      foreign keys: when all of POST_TABLE is done POST_LATE    triggers, rules,
 * policies, privileges: then, one after the other POST_FINISH  at cutover: event triggers, and what
 * would act on the rows that are replicated
 */
#ifndef TG_SNAPSHOT_POST_H
#define TG_SNAPSHOT_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snapshot/toc.h"

enum post_stage { POST_TABLE, POST_FK, POST_LATE, POST_FINISH };
enum post_state {
    POST_WAITING,
    POST_RUNNING,
    POST_DONE,
    POST_SKIPPED, /* belongs to a table that is not carried */
};

/* What the source's catalogs know about an entry; all zero when they know nothing. */
struct post_facts {
    uint32_t relid;      /* table (or view) it belongs to */
    uint32_t relid2;     /* foreign key: the table referred to */
    bool validated;      /* constraint */
    bool on_partitioned; /* its table is partitioned */
    bool fires_always;   /* trigger or rule that acts in replica sessions too */
    bool forces_rls;     /* row security of a table whose owner is subject to it */
};

struct post_item {
    const struct toc_entry *entry; /* NULL: the end of the table's work, with its ANALYZE */
    char *key;                     /* ledger item, NULL for such an end */
    char *sql;                     /* of ANALYZE; NULL: nothing to execute */
    struct post_facts facts;
    bool alone; /* locks its table against everything else here */
    enum post_stage stage;
    enum post_state state;
    uint64_t weight; /* bytes of the table: the heaviest are taken first */
    size_t *deps;    /* indexes into the items */
    size_t deps_len;
};

#define POST_RUNNING_MAX 256

struct post {
    struct post_item *items;
    size_t len;
    struct post_item *running[POST_RUNNING_MAX];
    size_t running_len;
    size_t *order; /* all items, heaviest first; [0, settled) of it are DONE or SKIPPED */
    size_t settled;
};

struct post_table {
    uint32_t oid, root; /* root: topmost ancestor of a partition, else 0 */
    const char *schema, *name;
    char kind; /* as pg_table.kind */
    bool partition;
    uint64_t bytes;
};

/* Everything is borrowed. */
struct post_input {
    const struct toc *before, *behind; /* of `before` only privileges are taken */
    const struct post_facts *facts;    /* one for each entry of `behind` */
    const struct post_table *tables;   /* the end of its work is added for each */
    size_t tables_len;
    bool analyze; /* which gathers its statistics */
    bool defer_firing;
};
void post_build(struct post *p, const struct post_input *in);
void post_free(struct post *p); /* accepts an all-zero one */

/* The next item of the stage that may begin now, marked as RUNNING; NULL: none now. `copied` says
 * whether the data of a table is complete (true also for what is no table of ours). */
struct post_item *post_take(
    struct post *p, enum post_stage stage, bool (*copied)(uint32_t relid, void *arg), void *arg);

/* Items that one worker makes in one transaction, one after the other. */
#define POST_GROUP_MAX 20
struct post_group {
    struct post_item *items[POST_GROUP_MAX];
    size_t len;
};
/* As post_take, for a group: its own items are in nobody's way there, and the end of a table's work
 * may follow the last of it. Does not add it. */
struct post_item *post_take_along(struct post *p, enum post_stage stage,
    bool (*copied)(uint32_t relid, void *arg), void *arg, const struct post_group *g);

/* Ends an item that was taken: DONE, SKIPPED, or WAITING again. */
void post_settle(struct post *p, struct post_item *it, enum post_state state);
/* Leaves an item out, and the comments on it. */
void post_skip(struct post *p, struct post_item *it);
/* Items of the stage that are neither done nor skipped. */
size_t post_left(const struct post *p, enum post_stage stage);

#endif
