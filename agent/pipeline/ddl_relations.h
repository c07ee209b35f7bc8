/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of a feed as its rows have described them so far, for a source without event triggers:
 * when a description changes, the difference is put as if the source had told a statement
 * (ddl_notice.h), so that the same policy decides about it.
 *
 * Named value of the store: ddl_shape_OID_SINK, the description in front of a change that is being
 * handled, as JSON. A process that dies in between finds it, and the change with it.
 *
 * Locking: one thread, that of the delivery.
 */
#ifndef TG_PIPELINE_DDL_RELATIONS_H
#define TG_PIPELINE_DDL_RELATIONS_H

#include "agent/pipeline/ddl_message.h"
#include "agent/pipeline/ddl_text.h"
#include "agent/store/store.h"

struct ddl_relations;

struct ddl_relations_options {
    struct store *store;
    const char *sink;
    const char *publication;
    const char *source_dsn;
    int64_t timeout_us;
};

/* What a statement of the source would have told: as of a message of the triggers. */
struct ddl_difference {
    bool found;
    struct ddl_message message;
    struct ddl_text text;
};

struct ddl_relations *ddl_relations_new(const struct ddl_relations_options *o);
void ddl_relations_free(struct ddl_relations *r); /* accepts NULL */
/* A session begins: what was seen is forgotten, the store has what counts. */
void ddl_relations_reset(struct ddl_relations *r);
/* Whether the relation has been seen as it is; for every row, so it comes first. */
bool ddl_relations_known(struct ddl_relations *r, const struct relation *now);
/* `found`: the table is another than the target's in a way that a statement of the source would
 * explain, which message and text are; they are valid until the next call, and freed as ever.
 * Otherwise the relation is known from now on. */
bool ddl_relations_look(struct ddl_relations *r, struct sink *sink, const struct relation *now,
    struct ddl_difference *out, struct err *err) must_use;
/* What differed is done, or left out by decision. */
void ddl_relations_handled(struct ddl_relations *r, const struct relation *now);

#endif
