/* SPDX-License-Identifier: Apache-2.0
 *
 * Which text of SQL the statement behind a message was. What cannot be told exactly is refused with
 * the reason, never guessed. Pure.
 *
 *   - sent alone: the client's string
 *   - one of several in a string: the n-th of its kind in there
 *   - executed by a function, procedure or DO block: what the server's call stack shows
 *   - CREATE TABLE AS, SELECT INTO: made from the new table's definition by the triggers; its rows
 *     come behind it in the feed
 */
#ifndef TG_PIPELINE_DDL_TEXT_H
#define TG_PIPELINE_DDL_TEXT_H

#include "agent/pipeline/ddl_message.h"

enum ddl_text_kind {
    DDL_TEXT_FOUND,
    DDL_TEXT_NOTHING, /* nothing to repeat; `why` says it */
    DDL_TEXT_REFUSED, /* `why` says it */
};

struct ddl_text {
    enum ddl_text_kind kind;
    const char *why; /* static */
    struct buf sql;  /* FOUND: one statement that may stand in a transaction */
};

#define DDL_TEXT_MAX ((size_t)64 << 20)

void ddl_text_find(const struct ddl_message *m, struct ddl_text *out);
void ddl_text_done(struct ddl_text *t);

#endif
