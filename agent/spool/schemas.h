/* SPDX-License-Identifier: Apache-2.0
 *
 * The last SCHEMA record of each key: what a new segment has to carry. Owns copies.
 */
#ifndef TG_SPOOL_SCHEMAS_H
#define TG_SPOOL_SCHEMAS_H

#include "agent/change/record.h"

struct schema;

/* Ordered by the time they were first put. */
struct schemas {
    struct schema *first;
};

void schemas_put(struct schemas *s, const struct record *rec);
void schemas_done(struct schemas *s);
/* NULL starts; returns NULL at the end. *rec is borrowed until the next put. */
const struct schema *schemas_next(
    const struct schemas *s, const struct schema *after, struct record *rec);

#endif
