/* SPDX-License-Identifier: Apache-2.0
 *
 * Identity and shape of a table as the feed describes it.
 */
#ifndef TG_CHANGE_RELATION_H
#define TG_CHANGE_RELATION_H

#include <stdbool.h>
#include <stdint.h>

struct column {
    const char *name;
    uint32_t type_oid;
    int32_t type_mod;
    bool key; /* part of the replica identity */
};

struct relation {
    uint32_t id;      /* in the source: PostgreSQL's table oid */
    uint32_t version; /* grows with each new description of the same id; caches are keyed by (id,
                         version) */
    const char *schema, *name;
    char identity; /* replica identity: 'd' default, 'n' nothing, 'f' full, 'i' index */
    uint16_t columns_len;
    struct column *columns;
};

/* A deep copy on the heap. */
struct relation *relation_clone(const struct relation *r);
void relation_free(struct relation *r); /* accepts NULL; only for clones */
/* Same names, types and keys, whatever the version. */
bool relation_same_shape(const struct relation *a, const struct relation *b);

#endif
