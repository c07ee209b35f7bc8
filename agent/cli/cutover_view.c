/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps end in their order, so that one counter is enough to know which were shown.
 */
#include "agent/cli/cutover_view.h"

#include <inttypes.h>
#include <stdbool.h>

#include "agent/base/parse.h"

static const char *
word_of(enum cutover_step_state state)
{
    switch (state) {
    case STEP_OK:
        return "ok";
    case STEP_FAILED:
        return "FAILED";
    case STEP_SKIPPED:
        return "skipped";
    case STEP_WAITING:
    case STEP_RUNNING:
        break;
    }
    return "";
}

void
cutover_view_steps(struct buf *out, const struct cutover_report *r, size_t *shown)
{
    while (*shown < r->steps_len) {
        const struct cutover_step *step = &r->steps[*shown];
        if (step->state == STEP_WAITING || step->state == STEP_RUNNING) {
            return;
        }
        char took[FORMAT_SIZE] = "";
        if (step->state != STEP_SKIPPED) {
            format_duration(step->took_us, took);
        }
        bool detail = step->detail[0] != '\0';
        buf_printf(out, "%-10s %-8s %10s%s%s\n", step->name, word_of(step->state), took,
            detail ? "  " : "", step->detail);
        ++*shown;
    }
}

static void
write_done(struct buf *out, const struct cutover_report *r)
{
    char barrier[FORMAT_SIZE];
    buf_printf(out, "cutover done, barrier %s\n", format_lsn(r->barrier, barrier));
    if (r->tables_compared > 0) {
        buf_printf(out, "compared: %" PRIu64 " tables, %" PRIu64 " rows, equal\n",
            r->tables_compared, r->rows_compared);
    }
    /* Rounded up: a downtime is never told shorter than it was. */
    buf_printf(out, "write downtime: %" PRId64 " ms\n", (r->write_downtime_us + 999) / 1000);
}

void
cutover_view_end(struct buf *out, const struct cutover_report *r)
{
    switch (r->state) {
    case CUTOVER_DONE:
        if (r->dry_run) {
            buf_printf(out,
                "dry run: nothing was changed; expected write downtime: %" PRId64 " ms\n",
                (r->write_downtime_us + 999) / 1000);
        } else {
            write_done(out, r);
        }
        return;
    case CUTOVER_ABORTED:
        buf_str(out, r->dry_run ? "dry run: a cutover would not succeed now\n"
                                : "cutover aborted: the source is in use as before, streaming "
                                  "goes on\n");
        return;
    case CUTOVER_NONE:
    case CUTOVER_RUNNING:
        return;
    }
}
