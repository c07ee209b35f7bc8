/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of wal2json and test_decoding become records, by their heads alone; the rest stays as
 * the server sent it. Unlike pgoutput these plugins send what every table does: what the migration
 * does not carry is left out here, and so is a transaction of which nothing is left. The tables'
 * descriptions that they lack are added as SCHEMA records.
 *
 * Called by the source's thread for each message, in order.
 */
#ifndef TG_SOURCE_PLUGIN_FEED_H
#define TG_SOURCE_PLUGIN_FEED_H

#include "agent/base/arena.h"
#include "agent/source/feed_queue.h"
#include "agent/source/feed_tables.h"
#include "agent/source/pg_feed.h"
#include "decoders/plugin_message.h"

/* As feed_tables_find. */
typedef bool plugin_find_table(void *arg, struct slice schema, struct slice name, uint64_t position,
    struct feed_table **out, struct err *err);

struct plugin_feed {
    const struct plugin_feed_ops *ops;
    plugin_find_table *find;
    void *arg;
    struct arena arena;
    struct feed_queue queue;
    bool in_transaction; /* begun at the source and not ended */
    bool ready;          /* what the queue has may be handed out */
    bool has_content;    /* of the transaction, something is kept */
    bool open;           /* it is handed out before its end */
    uint32_t xid;
    uint64_t skipped;     /* end of a transaction of which nothing was kept; the caller resets it */
    struct buf truncate;  /* messages of one TRUNCATE so far ... */
    uint64_t truncate_at; /* ... which stands here; 0: there is none */
};

struct plugin_feed_ops {
    const char *name; /* of the plugin */
    plugin_parse *parse_head;
    bool (*take)(struct plugin_feed *f, const struct pg_message *m, const struct plugin_message *p,
        struct err *err);
};
extern const struct plugin_feed_ops wal2json_feed, test_decoding_feed;

/* NULL: pgoutput, or no plugin at all. */
const struct plugin_feed_ops *plugin_feed_find(const char *plugin);

void plugin_feed_init(
    struct plugin_feed *f, const struct plugin_feed_ops *ops, plugin_find_table *find, void *arg);
void plugin_feed_done(struct plugin_feed *f);
/* A new session: what was held comes again. */
void plugin_feed_restart(struct plugin_feed *f);
bool plugin_feed_take(struct plugin_feed *f, const struct pg_message *m, struct err *err) must_use;
/* What the messages so far gave: to be taken before the next message, its payload is borrowed until
 * then. */
bool plugin_feed_next(struct plugin_feed *f, struct record *out) must_use;

/* --- for the two feeds --------------------------------------------------------------------------
 */

/* A transaction begins or ends. */
bool plugin_feed_begin(struct plugin_feed *f, const struct plugin_message *p, struct err *err);
bool plugin_feed_end(struct plugin_feed *f, const struct plugin_message *p, struct err *err);
/* Whether a change or message is for the spool; tables that are not described yet are. */
bool plugin_feed_choose(struct plugin_feed *f, const struct pg_message *m,
    const struct plugin_message *p, bool *keep, struct err *err);
/* The message's record; kind, position and xid are the caller's. */
struct record plugin_feed_record(
    const struct plugin_feed *f, const struct pg_message *m, enum record_kind kind);

#endif
