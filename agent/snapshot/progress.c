/* SPDX-License-Identifier: Apache-2.0
 *
 * The time left comes from bytes: those to copy, and for the indexes behind them an equal weight of
 * a third, which is about what building them takes beside the copy.
 */
#include "agent/snapshot/progress.h"

#include <string.h>

#define ENOUGH_US 2000000 /* before that a rate says nothing */

int64_t
progress_eta(uint64_t done, uint64_t total, int64_t elapsed_us)
{
    if (done >= total) {
        return 0;
    }
    if (done == 0 || elapsed_us < ENOUGH_US) {
        return -1;
    }
    double left = (double)(total - done) * (double)elapsed_us / (double)done;
    return left > 1e15 ? -1 : (int64_t)left;
}

uint64_t
progress_share(uint64_t planned, double rows_expected, uint64_t rows, uint64_t wire)
{
    uint64_t most = planned - planned / 100;
    if (rows_expected < 1) {
        return wire < most ? wire : most;
    }
    double share = (double)planned * ((double)rows / rows_expected);
    return share < (double)most ? (uint64_t)share : most;
}

static const char *
step_name(int step)
{
    static const char *const names[] = {"waiting", "schema", "copy", "indexes", "foreign keys",
        "triggers and privileges", "sequences and views", "done"};
    return step >= 0 && step <= STEP_DONE ? names[step] : "";
}

void
progress_read(const struct progress *p, int64_t now_us, struct snapshot_progress *out)
{
    memset(out, 0, sizeof(*out));
    out->tables_total = (uint32_t)atomic_load(&p->tables_total);
    out->tables_done = (uint32_t)atomic_load(&p->tables_done);
    out->indexes_total = (uint32_t)atomic_load(&p->indexes_total);
    out->indexes_done = (uint32_t)atomic_load(&p->indexes_done);
    out->rows = atomic_load(&p->rows);
    out->bytes = atomic_load(&p->bytes);
    out->bytes_total = atomic_load(&p->bytes_total);
    out->started_us = atomic_load(&p->started_us);
    out->paused = atomic_load(&p->paused);
    int step = atomic_load(&p->step);
    snprintf(out->step, sizeof(out->step), "%s", step_name(step));
    if (step == STEP_DONE) {
        return;
    }
    uint64_t index_units = out->indexes_total ? out->bytes_total / 3 : 0;
    uint64_t index_done =
        out->indexes_total ? index_units * out->indexes_done / out->indexes_total : 0;
    uint64_t before = atomic_load(&p->bytes_before);
    uint64_t copied = out->bytes > before ? out->bytes - before : 0;
    uint64_t total = out->bytes_total > before ? out->bytes_total - before : 0;
    out->eta_us = out->started_us == 0 ? -1
                                       : progress_eta(copied + index_done, total + index_units,
                                             now_us - out->started_us);
}
