/* SPDX-License-Identifier: Apache-2.0
 *
 * A cutover as text while it happens and when it is over. Pure.
 */
#ifndef TG_CLI_CUTOVER_VIEW_H
#define TG_CLI_CUTOVER_VIEW_H

#include <stddef.h>

#include "agent/base/buf.h"
#include "agent/pipeline/agent.h"

/* Appends a line for each step that has ended since the last call; *shown counts them. */
void cutover_view_steps(struct buf *out, const struct cutover_report *r, size_t *shown);
/* Appends the end: with a line `write downtime: N ms` when it is done, which scripts look for. */
void cutover_view_end(struct buf *out, const struct cutover_report *r);

#endif
