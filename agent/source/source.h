/* SPDX-License-Identifier: Apache-2.0
 *
 * Contract of a source: transport of a change feed, nothing else. It hands out records as the other
 * side sent them, confirms positions, and knows nothing of what they mean beyond
 * agent/change/record.h.
 *
 * Locking: an open source belongs to one thread (capture). Callers use the inline functions.
 */
#ifndef TG_SOURCE_SOURCE_H
#define TG_SOURCE_SOURCE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/change/record.h"
#include "agent/change/table_filter.h"

struct store;

struct source {
    const struct source_ops *ops;
};

/* What every source needs to know; strings are borrowed for the source's life. */
struct source_params {
    const char *dsn;
    const char *slot;           /* PostgreSQL: replication slot */
    const char *publication;    /* PostgreSQL: publication, for pgoutput */
    const char *plugin;         /* PostgreSQL: of the slot; NULL: pgoutput. Another one knows no
                                   publication: it keeps what the next two say */
    struct store *store;        /* ... with the migration's tables; borrowed */
    struct table_filter tables; /* ... and roots whose partitions, also new ones, are carried */
    bool streaming; /* take large transactions while they are still open at the source */
    /* Position from which on prepared transactions come when they are prepared; 0: not, or not yet.
     * May be raised from 0 at any time; the source then ends the session by itself where it can
     * begin (ERR_RECONNECT). What is appended up to the start of a session must be durable. NULL:
     * never. */
    const _Atomic uint64_t *two_phase_from;
    int64_t timeout_us; /* silence after which the connection counts as dead */
    const struct stop
        *stop; /* a read that waits for input ends when it is requested; may be NULL */
};

struct source_ops {
    const char *name;    /* `type:` in the YAML */
    const char *summary; /* one line for help and reference */
    bool (*open)(const struct source_params *p, struct source **out, struct err *err);
    /* Connects and starts the feed behind `position`. ERR_FATAL when the source cannot serve it any
     * more (slot gone or invalidated): the text says so, the hint what follows. */
    bool (*start)(struct source *s, uint64_t position, struct err *err);
    /* Next record, or *got = false after timeout_ms without one. MARK records may come at any time
     * between transactions. The payload is borrowed until the next call. ERR_RECONNECT: call stop,
     * wait, start again. */
    bool (*read)(struct source *s, int timeout_ms, struct record *out, bool *got, struct err *err);
    /* What is durable here: the source may forget it. Sent when the source asks, when 1 s has
     * passed, or at once with `now`. */
    bool (*confirm)(struct source *s, uint64_t position, bool now, struct err *err);
    /* End of the source's log as its last message told; 0 unknown. */
    uint64_t (*head)(const struct source *s);
    void (*stop)(struct source *s); /* ends the feed and the connection; start may follow */
    void (*free)(struct source *s); /* accepts NULL */
};

static inline bool must_use
source_start(struct source *s, uint64_t position, struct err *err)
{
    assert(s && err);
    return s->ops->start(s, position, err);
}
static inline bool must_use
source_read(struct source *s, int timeout_ms, struct record *out, bool *got, struct err *err)
{
    assert(s && out && got && err);
    return s->ops->read(s, timeout_ms, out, got, err);
}
static inline bool must_use
source_confirm(struct source *s, uint64_t position, bool now, struct err *err)
{
    assert(s && err);
    return s->ops->confirm(s, position, now, err);
}
static inline uint64_t
source_head(const struct source *s)
{
    return s->ops->head(s);
}
static inline void
source_stop(struct source *s)
{
    s->ops->stop(s);
}
static inline void
source_free(struct source *s)
{
    if (s) {
        s->ops->free(s);
    }
}

/* NULL when there is no source of that name. */
const struct source_ops *source_find(const char *name);
const struct source_ops *const *source_all(void); /* NULL-terminated */

#endif
