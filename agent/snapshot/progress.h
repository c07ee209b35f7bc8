/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of a copy, added to by the workers and read by anybody.
 */
#ifndef TG_SNAPSHOT_PROGRESS_H
#define TG_SNAPSHOT_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/snapshot/snapshot.h"

enum progress_step {
    STEP_WAITING,
    STEP_SCHEMA,
    STEP_COPY,
    STEP_INDEXES,
    STEP_FOREIGN_KEYS,
    STEP_TRIGGERS,
    STEP_FINISH,
    STEP_DONE,
};

struct progress {
    atomic_uint_fast32_t tables_total, tables_done, indexes_total, indexes_done;
    atomic_uint_fast64_t rows, bytes, bytes_total;
    atomic_uint_fast64_t bytes_before; /* of `bytes`: copied by an earlier run */
    atomic_int_fast64_t started_us;
    atomic_int step; /* enum progress_step */
    atomic_bool paused;
};

void progress_read(const struct progress *p, int64_t now_us, struct snapshot_progress *out);

/* Time left when `done` of `total` units took elapsed_us; < 0: unknown. Pure. */
int64_t progress_eta(uint64_t done, uint64_t total, int64_t elapsed_us);

/* Share of `planned` bytes that stands for the rows copied so far: by rows when their number is
 * about known, else by bytes on the wire; never all of it, because the end is only known at the
 * end. Pure. */
uint64_t progress_share(uint64_t planned, double rows_expected, uint64_t rows, uint64_t wire);

#endif
