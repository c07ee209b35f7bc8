/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks at the source once a second on a connection of its own: where its log ends, and how much of
 * it the slot holds back. The lag that people are shown is the distance from the end to tidegate's
 * own positions.
 *
 * Locking: probe_head and probe_retained from any thread.
 */
#ifndef TG_PIPELINE_PROBE_H
#define TG_PIPELINE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"

struct probe;

/* `dsn` and `slot` are borrowed. */
bool probe_start(const char *dsn, const char *slot, int64_t timeout_us, const struct stop *stop,
    struct probe **out, struct err *err) must_use;
/* End of the source's log as seen last; 0: not seen yet. */
uint64_t probe_head(const struct probe *p);
struct probe_retained {
    uint64_t bytes;      /* of its log that the source keeps for the slot; 0: not seen yet */
    uint64_t safe_bytes; /* it may still grow by (max_slot_wal_keep_size); UINT64_MAX: no limit, or
                            not seen yet */
};
void probe_retained(const struct probe *p, struct probe_retained *out);
/* Joins the thread (the stop was requested before). Accepts NULL. */
void probe_free(struct probe *p);

#endif
