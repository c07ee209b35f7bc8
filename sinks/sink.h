/* SPDX-License-Identifier: Apache-2.0
 *
 * Contract of a sink: changes in, and the sink's own word on what it holds durably. It never
 * sleeps, retries or logs; it fills a struct err whose class says what the deliver loop may do.
 *
 * A transaction is handed over change by change (BEGIN, rows, COMMIT), so that its size is no
 * matter of memory. The sink may hold back its own commit to join consecutive source transactions
 * while more input is at hand; sink_flush() ends that. What the target shows is always a prefix of
 * the source's history.
 *
 * Locking: an open sink belongs to one thread (deliver). Callers use the inline functions.
 */
#ifndef TG_SINKS_SINK_H
#define TG_SINKS_SINK_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/err.h"
#include "agent/change/change.h"

struct sink {
    const struct sink_ops *ops;
};

/* What a session that sends each row alone does with one that the target refuses. */
enum sink_refusal {
    SINK_REFUSAL_ENDS,   /* nothing: the session is over */
    SINK_REFUSAL_UNDONE, /* undoes that change alone; the transaction goes on without it */
    SINK_REFUSAL_UPSERT, /* puts it another way: an insert of a row that is there as an update, an
                            update of a missing one as an insert; a delete of a missing one is done.
                            What is refused then, too, is undone */
};

/* Strings are borrowed for the sink's life. */
struct sink_params {
    const char *name; /* of the sink in the configuration */
    const char *dsn;
    const char *origin; /* name under which the sink keeps its position */
    uint32_t
        group_transactions;  /* most source transactions in one target transaction; 1: one to one */
    uint64_t group_bytes;    /* most bytes of them */
    int64_t group_time_us;   /* how long it may take before later ones have fewer; 0: no matter */
    uint64_t inflight_bytes; /* most bytes sent and not yet answered; a near target gets fewer */
    uint32_t prepared_statements; /* most that are kept on the target */
    uint32_t apply_jobs;          /* connections that apply beside each other; 0 counts as 1 */
    int64_t timeout_us;        /* silence of the target after which the connection counts as dead */
    bool row_by_row;           /* never join rows: used to find the change that failed */
    enum sink_refusal refusal; /* with row_by_row */
    uint64_t copied; /* everything committed at or before it is in the copy; 0: there is none */
};

/* Positions are those of COMMIT and MARK changes. */
struct sink_progress {
    uint64_t applied; /* everything up to here is committed in the target and visible there */
    uint64_t durable; /* ... and survives a crash of the target */
    int64_t
        applied_commit_us; /* source's commit time of the transaction applied last; 0: none yet */
    uint64_t transactions, rows; /* since open */
    uint64_t upserted;           /* of the rows, those put another way (SINK_REFUSAL_UPSERT) */
};

struct sink_ddl_setting {
    const char *name, *value;
};

/* What the rows that were there before have in a column that a statement brings, as text. */
struct sink_ddl_value {
    const char *schema, *table, *column, *value;
};

/* One statement that changes the schema, as the source executed it. */
struct sink_ddl {
    const char *sql, *tag;
    const char *search_path;
    const char *role; /* who does it, where the target has that role; NULL: the session's own */
    const char *gone; /* drops that object alone: where it is not there, it is done */
    const struct sink_ddl_setting *settings; /* that the meaning of constants depends on */
    size_t settings_len;
    const struct sink_ddl_value *values;
    size_t values_len;
};

/* A table as the target's catalog has it: columns in its order, types as SQL. */
struct sink_column {
    const char *name, *type;
};
struct sink_table {
    const struct sink_column *columns;
    size_t len; /* 0: it is not there (or has none) */
};

enum sink_feature {
    SINK_OWNS_POSITION = 1 << 0, /* keeps the position in the same transaction as the data */
    SINK_TRUNCATE = 1 << 1,
};

/* Applies changes of the past again, one by one and outside of the feed: the sink's position stays
 * as it is. Each goes into a target transaction of its own that also notes its token, so that it is
 * applied once, whatever ends the program in between. */
struct sink_replay {
    const struct sink_replay_ops *ops;
};

struct sink_replay_ops {
    /* May run beside an open sink of the same name; ERR_RETRY while another replay of it runs. */
    bool (*open)(const struct sink_params *p, struct sink_replay **out, struct err *err);
    /* True: it is applied, durably; *before: it had been noted, nothing was done now. ERR_DATA: it
     * was refused and undone, and the next one may come; after another error only free. The token
     * is of letters and digits. */
    bool (*apply)(struct sink_replay *s, const char *token, const struct change *c, bool *before,
        struct err *err);
    /* Takes the note away: nobody will bring this change again. */
    bool (*forget)(struct sink_replay *s, const char *token, struct err *err);
    void (*free)(struct sink_replay *s); /* accepts NULL */
};

struct sink_ops {
    const char *name;    /* `type:` in the YAML */
    const char *summary; /* one line for help and reference */
    unsigned features;   /* of enum sink_feature */
    /* Connects. `start` is the position at which the copy began: what a sink without a position of
     * its own yet starts from. *resume: the position behind which changes are to be handed over;
     * durable in the target, because what the spool has in front of it may go. */
    bool (*open)(const struct sink_params *p, uint64_t start, struct sink **out, uint64_t *resume,
        struct err *err);
    /* Takes one change; may block while the bound on bytes in flight is reached. An error says
     * relation, key, operation, position, SQLSTATE; after any error only free is allowed. Unless
     * `row_by_row`, rows may be sent together, and an ERR_DATA may name only the first of them. */
    bool (*apply)(struct sink *s, const struct change *c, struct err *err);
    /* Inside of a source transaction: executes a statement at this place of it. NULL: the sink has
     * no schema. An error as of apply; its text does not name the statement. */
    bool (*ddl)(struct sink *s, const struct sink_ddl *d, struct err *err);
    /* Inside of a source transaction: the table to which rows of `r` go, in the arena. NULL: the
     * sink has no schema. */
    bool (*table)(struct sink *s, const struct relation *r, struct arena *arena,
        struct sink_table *out, struct err *err);
    /* No more input is at hand: commit what is held back (unless inside a source transaction), send
     * it. */
    bool (*flush)(struct sink *s, struct err *err);
    /* Takes answers in without blocking longer than timeout_ms, then tells the progress. */
    bool (*poll)(struct sink *s, int timeout_ms, struct sink_progress *out, struct err *err);
    /* Waits until everything committed is durable in the target. */
    bool (*sync)(struct sink *s, struct sink_progress *out, struct err *err);
    /* Descriptor that becomes readable when poll has something to do; -1: none. */
    int (*fd)(const struct sink *s);
    void (*free)(struct sink *s); /* accepts NULL; an open target transaction is rolled back */
    /* After apply of a row or TRUNCATE failed: the change alone was undone, and apply may go on
     * with the next one. NULL: never. */
    bool (*undone)(const struct sink *s);
    const struct sink_replay_ops *replay; /* NULL: it has none */
};

static inline bool must_use
sink_apply(struct sink *s, const struct change *c, struct err *err)
{
    assert(s && c && err);
    return s->ops->apply(s, c, err);
}
static inline bool must_use
sink_flush(struct sink *s, struct err *err)
{
    assert(s && err);
    return s->ops->flush(s, err);
}
static inline bool must_use
sink_poll(struct sink *s, int timeout_ms, struct sink_progress *out, struct err *err)
{
    assert(s && out && err);
    return s->ops->poll(s, timeout_ms, out, err);
}
static inline bool must_use
sink_sync(struct sink *s, struct sink_progress *out, struct err *err)
{
    assert(s && out && err);
    return s->ops->sync(s, out, err);
}
static inline int
sink_fd(const struct sink *s)
{
    return s->ops->fd(s);
}
static inline void
sink_free(struct sink *s)
{
    if (s) {
        s->ops->free(s);
    }
}

static inline bool
sink_undone(const struct sink *s)
{
    return s->ops->undone && s->ops->undone(s);
}

const struct sink_ops *sink_find(const char *name);
const struct sink_ops *const *sink_all(void); /* NULL-terminated */

#endif
