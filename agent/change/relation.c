/* SPDX-License-Identifier: Apache-2.0
 *
 * A clone is one piece of memory: the relation, its columns, then all names, so that freeing it is
 * one call and cannot leak a part.
 */
#include "agent/change/relation.h"

#include <string.h>

#include "agent/base/arena.h"

/* Copies s to *at and moves *at behind it. */
static const char *
put_name(char **at, const char *s)
{
    size_t size = strlen(s) + 1;
    char *to = *at;
    memcpy(to, s, size);
    *at += size;
    return to;
}

struct relation *
relation_clone(const struct relation *r)
{
    size_t names = strlen(r->schema) + 1 + strlen(r->name) + 1;
    for (uint16_t i = 0; i < r->columns_len; i++) {
        names += strlen(r->columns[i].name) + 1;
    }
    size_t columns = r->columns_len * sizeof *r->columns;
    struct relation *c = x_malloc(sizeof *c + columns + names);
    *c = *r;
    c->columns = (struct column *)(void *)(c + 1);
    char *at = (char *)c->columns + columns;
    c->schema = put_name(&at, r->schema);
    c->name = put_name(&at, r->name);
    for (uint16_t i = 0; i < r->columns_len; i++) {
        c->columns[i] = r->columns[i];
        c->columns[i].name = put_name(&at, r->columns[i].name);
    }
    return c;
}

void
relation_free(struct relation *r)
{
    x_free(r);
}

static bool
same_column(const struct column *a, const struct column *b)
{
    return a->type_oid == b->type_oid && a->type_mod == b->type_mod && a->key == b->key &&
           strcmp(a->name, b->name) == 0;
}

bool
relation_same_shape(const struct relation *a, const struct relation *b)
{
    /* The identity letter counts as a part of the key: it says what old tuples hold. */
    if (a->columns_len != b->columns_len || a->identity != b->identity ||
        strcmp(a->schema, b->schema) != 0 || strcmp(a->name, b->name) != 0) {
        return false;
    }
    for (uint16_t i = 0; i < a->columns_len; i++) {
        if (!same_column(&a->columns[i], &b->columns[i])) {
            return false;
        }
    }
    return true;
}
