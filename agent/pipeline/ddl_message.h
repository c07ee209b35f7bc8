/* SPDX-License-Identifier: Apache-2.0
 *
 * What the source's event triggers (ddl_capture.sql) write into its log about one statement: a
 * transactional logical message with prefix DDL_PREFIX, a dot and the id of its subtransaction
 * (agent/source/pg_feed.h), and a JSON object, version 1.
 *
 * Ownership: strings belong to the message.
 */
#ifndef TG_PIPELINE_DDL_MESSAGE_H
#define TG_PIPELINE_DDL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "sinks/sink.h"

#define DDL_PREFIX "tidegate.ddl"

/* Made or changed. */
struct ddl_object {
    const char *type, *schema, *identity; /* NULL: not known */
    /* The table (or view, sequence) that it is, or belongs to. */
    const char *table_schema, *table;
    char relkind; /* 0: none */
    uint32_t relation;
    bool temporary;
};

struct ddl_dropped {
    const char *type, *schema, *name, *identity;
    uint32_t oid;
    bool original; /* named by the statement; false: went with another */
    bool temporary;
};

/* A table of one publication. */
struct ddl_table {
    const char *publication, *schema, *name;
    const char *reason; /* why it has to be copied */
    uint32_t oid;
};

struct ddl_message {
    void *json;        /* the owner of all that follows */
    const char *token; /* proves that the triggers wrote it */
    const char *tag, *query, *context, *instead;
    const char *failed; /* what went wrong in the triggers; NULL: nothing */
    bool unpublished;   /* ... behind the message about the statement itself */
    const char *user, *role, *search_path;
    uint32_t nth; /* among the statements of the string that have this tag; 0: not known */
    struct ddl_object *objects;
    size_t objects_len;
    struct ddl_dropped *dropped;
    size_t dropped_len;
    struct ddl_table *copies, *news;
    size_t copies_len, news_len;
    struct sink_ddl_value *missing;
    size_t missing_len;
    struct sink_ddl_setting *settings;
    size_t settings_len;
};

/* ERR_FATAL when the content is not such an object. */
bool ddl_message_parse(struct slice content, struct ddl_message *out, struct err *err) must_use;
void ddl_message_done(struct ddl_message *m); /* accepts an all-zero one */

#endif
