/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows into statements. Rows of one table that are put the same way are held back and joined into
 * one statement (held.h). Rows of different tables, and rows of one table with different keys, may
 * change places within the target transaction, where nothing on the target can see it
 * (target.unseen); before a row that may be seen everything held back is sent.
 */
#ifndef TG_SINKS_POSTGRES_ROWS_H
#define TG_SINKS_POSTGRES_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/change/change.h"
#include "sinks/postgres/batch.h"
#include "sinks/postgres/bind.h"
#include "sinks/postgres/cache.h"
#include "sinks/postgres/held.h"
#include "sinks/postgres/origin.h"
#include "sinks/postgres/pipe.h"

/* The last COPY; it is open as long as `pipe->copy.open` says so. */
struct rows_copy {
    const struct cache_table *table;
    struct shape shape;
    uint64_t hope; /* how many rows the next one may carry */
};

struct rows {
    struct pipe *pipe; /* borrowed */
    struct cache cache;
    struct shape shape;
    struct bind bind;
    int64_t trip_us; /* of a question to the server */
    bool row_by_row;
    bool counted; /* statements are sent so that the server refuses a wrong number of rows */
    const struct origin_values *position; /* for the last statement to store; NULL: no longer */
    bool stores;                          /* what is bound stores it in the table's row */
    struct held held;
    struct batch_image image;
    struct rows_copy copy;
};

/* `trip_us`: of a question to the server (pg_trip); `statements`: most kept prepared there. */
void rows_init(
    struct rows *w, struct pipe *p, int64_t trip_us, bool row_by_row, uint32_t statements);
void rows_done(struct rows *w); /* accepts an all-zero one */

/* Where the change's row goes. NULL on failure; valid until the next call. */
const struct target *rows_target(struct rows *w, const struct change *c, struct err *err) must_use;
/* Takes an insert, update or delete; *bytes: of the message it makes, nearly. */
bool rows_put(struct rows *w, const struct change *c, size_t *bytes, struct err *err) must_use;
/* The same for a row that may be there with its key already: it gets the new values. Of an update
 * all values must be known. Never held back. */
bool rows_upsert(struct rows *w, const struct change *c, size_t *bytes, struct err *err) must_use;
/* Sends what is held back. */
bool rows_flush(struct rows *w, struct err *err) must_use;
/* The same, as the last rows before a COMMIT: when they are few, the server looks at the number of
 * rows by itself, and the COMMIT need not wait for the answers. The last statement stores
 * `position` then, too; *stored says whether it did. */
bool rows_flush_last(
    struct rows *w, const struct origin_values *position, bool *stored, struct err *err) must_use;
/* Forgets what is held back: the transaction is to be rolled back. */
void rows_drop(struct rows *w);

#endif
