/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of `tidegate status` as text. Pure.
 */
#ifndef TG_CLI_STATUS_PAGE_H
#define TG_CLI_STATUS_PAGE_H

#include "agent/base/buf.h"
#include "agent/control/status_json.h"
#include "agent/pipeline/status.h"

void status_page_write(
    struct buf *out, const struct agent_status *s, const struct status_time *now);

#endif
