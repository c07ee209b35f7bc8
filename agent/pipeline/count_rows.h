/* SPDX-License-Identifier: Apache-2.0
 *
 * Compares the number of rows of every carried table, source and target counting at the same time.
 * Only meaningful while nobody writes: behind a fence and a drained barrier.
 */
#ifndef TG_PIPELINE_COUNT_ROWS_H
#define TG_PIPELINE_COUNT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/store/store.h"
#include "config/config.h"

struct count_result {
    uint64_t tables, rows;
};

/* ERR_DATA names the first table that differs, with both counts. ERR_RETRY: the deadline
 * (monotonic) has passed. Unlogged tables are left out: their changes are not in the feed. */
struct count_options {
    const struct config *config;
    struct store *store;
    struct pg_spares *spares; /* of count_rows_open_ahead; NULL: none */
    int64_t deadline_us;
    const struct stop *stop;
};
bool count_rows_compare(
    const struct count_options *o, struct count_result *out, struct err *err) must_use;
/* The sessions for it, while there is time. */
bool count_rows_open_ahead(
    const struct config *config, struct pg_spares *spares, struct err *err) must_use;

#endif
