/* SPDX-License-Identifier: Apache-2.0
 *
 * A savepoint before each change, and a sync behind it: a server that found an error skips what
 * comes until then, and takes ROLLBACK TO behind it. The savepoint is released when the next change
 * comes, because only our look at the number of rows tells that all is well.
 *
 * Invariant: when isolate_change has returned true or undone, everything sent is answered.
 */
#include "sinks/postgres/isolate.h"

#include <string.h>

#include "sinks/postgres/apply.h"

#define SAVE       "SAVEPOINT tg_row"
#define SAVE_AGAIN "RELEASE SAVEPOINT tg_row"
#define UNDO       "ROLLBACK TO SAVEPOINT tg_row"

static bool
control(struct apply *a, const char *sql, const char *label, struct err *err)
{
    struct flight_entry *e = pipe_next(&a->pipe, 64, err);
    if (!e) {
        return false;
    }
    e->kind = FLIGHT_CONTROL;
    e->label = label;
    return pipe_sql(&a->pipe, sql, err);
}

static bool
save(struct apply *a, struct err *err)
{
    if (a->group.saved && !control(a, SAVE_AGAIN, "release a savepoint on the target", err)) {
        return false;
    }
    a->group.saved = true;
    return control(a, SAVE, "set a savepoint on the target", err);
}

/* Whether an error is about the change, and not about the session around it. */
static bool
is_about_change(const struct apply *a, const struct err *err)
{
    if (err->class != ERR_DATA) {
        return false;
    }
    switch ((enum flight_kind)a->pipe.refused) {
    case FLIGHT_PREPARE:
    case FLIGHT_ROW:
    case FLIGHT_TRUNCATE:
        return true;
    case FLIGHT_CONTROL:
    case FLIGHT_BATCH:
    case FLIGHT_COMMIT:
    case FLIGHT_FLUSHED:
    case FLIGHT_QUERY:
    case FLIGHT_SYNC:
        return false;
    }
    return true; /* nothing was refused by the target: the change could not even be put */
}

/* Back to the savepoint. */
static bool
undo(struct apply *a, const struct change *c, struct err *err)
{
    if (!pipe_recover(&a->pipe, err)) {
        return false;
    }
    if (a->pipe.refused == FLIGHT_PREPARE && c->kind != CHANGE_TRUNCATE) {
        struct cache_table *t = cache_known(&a->rows.cache, c->relation);
        if (t) {
            cache_drop_statement(&a->rows.cache, t);
        }
    }
    return control(a, UNDO, "go back to a savepoint on the target", err) &&
           pipe_sync(&a->pipe, err) && pipe_drain(&a->pipe, err);
}

static bool
attempt(struct apply *a, const struct change *c, bool upsert, struct err *err)
{
    struct apply_group before = a->group;
    uint64_t source_rows = a->source_rows;
    a->undone = false;
    a->pipe.refused = 0;
    a->pipe.missing = false;
    if (!save(a, err)) {
        return false;
    }
    before.saved = true;
    if (apply_put(a, c, upsert, err) && pipe_sync(&a->pipe, err) && pipe_drain(&a->pipe, err)) {
        return true;
    }
    if (!is_about_change(a, err)) {
        return false;
    }
    struct err failed = ERR_INIT;
    if (!undo(a, c, &failed)) {
        *err = failed;
        return false;
    }
    a->group = before;
    a->source_rows = source_rows;
    a->undone = true;
    return false;
}

/* After the change was refused as it is: done, or done by another statement? */
static bool
put_otherwise(struct apply *a, const struct change *c, struct err *err)
{
    bool there = c->kind == CHANGE_INSERT && strcmp(err->sqlstate, "23505") == 0;
    bool missing = a->pipe.missing && c->kind != CHANGE_TRUNCATE;
    if (!there && !missing) {
        return false;
    }
    err_clear(err);
    if (missing && c->kind == CHANGE_DELETE) {
        a->undone = false;
        a->source_rows++;
        a->group.rows++;
    } else if (!attempt(a, c, true, err)) {
        return false;
    }
    a->group.upserted++;
    return true;
}

bool
isolate_change(struct apply *a, const struct change *c, struct err *err)
{
    if (attempt(a, c, false, err)) {
        return true;
    }
    return a->undone && a->refusal == SINK_REFUSAL_UPSERT && put_otherwise(a, c, err);
}
