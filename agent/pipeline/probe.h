/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks at the source once a second on a connection of its own: where its log ends. The lag that
 * people are shown is the distance from there to tidegate's own positions.
 *
 * Locking: probe_head from any thread.
 */
#ifndef TG_PIPELINE_PROBE_H
#define TG_PIPELINE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"

struct probe;

bool probe_start(const char *dsn, int64_t timeout_us, const struct stop *stop, struct probe **out,
    struct err *err) must_use;
/* End of the source's log as seen last; 0: not seen yet. */
uint64_t probe_head(const struct probe *p);
/* Joins the thread (the stop was requested before). Accepts NULL. */
void probe_free(struct probe *p);

#endif
