/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's state in one line for people. Pure.
 */
#ifndef TG_CLI_PROGRESS_LINE_H
#define TG_CLI_PROGRESS_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/pipeline/status.h"

/* Bytes per second of the copy, smoothed over the samples given. All zero is a good start. */
struct progress_rate {
    int64_t at_us; /* of the last sample, monotonic; 0: none yet */
    uint64_t bytes;
    double per_second;
};
void progress_rate_sample(struct progress_rate *r, int64_t mono_us, uint64_t bytes);

/* "copy 45 % 12/40 tables 1.2 GiB of 2.7 GiB 180 MiB/s 8 s left", "catching up: 64 MiB behind",
 * "streaming: lag 0 B". */
void progress_line(
    const struct agent_status *s, const struct progress_rate *r, char *out, size_t cap);

/* Share of the copy that is done, 0 to 100; 100 is only said when everything is. */
int progress_percent(const struct snapshot_progress *p);

#endif
