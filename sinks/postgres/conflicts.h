/* SPDX-License-Identifier: Apache-2.0
 *
 * Which groups of source transactions may be executed beside each other: which row keys the groups
 * not yet committed have touched. Pure memory of a bounded size. Groups are numbered 1, 2, ... in
 * the order of the source, and their changes come in that order, too.
 *
 * Every call says up to which group everything must be committed before the change may be executed;
 * hashes that collide make it wait for nothing. Of a table whose rows cannot be told apart by a key
 * one group follows the other. What cannot be told from anything stands alone: it waits for all
 * groups in front of its own, and later groups wait for its group.
 */
#ifndef TG_SINKS_POSTGRES_CONFLICTS_H
#define TG_SINKS_POSTGRES_CONFLICTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/change/change.h"
#include "sinks/postgres/target.h"

/* At this many keys of groups not yet committed the next new key's group stands alone. */
#define CONFLICTS_KEYS  65536u
#define CONFLICTS_SLOTS (2 * CONFLICTS_KEYS)

struct conflicts_slot {
    uint64_t hash;  /* 0: free */
    uint64_t group; /* the last one that touched it */
};

struct conflicts {
    struct conflicts_slot *slots;
    uint32_t used;
    uint64_t committed; /* groups up to this one are */
    uint64_t alone;     /* the last group that later ones wait for */
};

void conflicts_init(struct conflicts *c);
void conflicts_done(struct conflicts *c); /* accepts an all-zero one */

/* An insert, update or delete of the group, which is the last one begun; notes its keys. */
uint64_t conflicts_row(struct conflicts *c, uint64_t group, const struct target *t,
    const struct change *change) must_use;
/* Anything that has no key: TRUNCATE, DDL, prepared transactions. */
uint64_t conflicts_alone(struct conflicts *c, uint64_t group) must_use;
/* All groups up to this one are committed, as answers of the target say. */
void conflicts_committed(struct conflicts *c, uint64_t group);

#endif
