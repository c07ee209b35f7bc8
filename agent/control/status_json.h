/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's state as JSON: what the control plane answers. Pure.
 * LSNs are strings ("16/B374D848"), sizes bytes, durations seconds unless a key says otherwise.
 * Keys may be added, never renamed or removed: scripts read them.
 */
#ifndef TG_CONTROL_STATUS_JSON_H
#define TG_CONTROL_STATUS_JSON_H

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/pipeline/agent.h"
#include "agent/pipeline/status.h"

struct status_time {
    int64_t mono_us, wall_us;
};

void status_json_write(
    struct buf *out, const struct agent_status *s, const struct status_time *now);

void cutover_json_write(struct buf *out, const struct cutover_report *r);

/* {"error": ..., "hint": ..., "class": ...} */
void error_json_write(struct buf *out, const struct err *err);

/* The words of the document for the two enumerations, indexed by their values. */
extern const char *const status_json_cutover_states[CUTOVER_ABORTED + 1];
extern const char *const status_json_step_states[STEP_SKIPPED + 1];

#endif
