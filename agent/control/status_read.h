/* SPDX-License-Identifier: Apache-2.0
 *
 * The control plane's documents read back into the structs they were made from. Pure. What a
 * document does not have is zero.
 */
#ifndef TG_CONTROL_STATUS_READ_H
#define TG_CONTROL_STATUS_READ_H

#include <stdbool.h>

#include "agent/control/status_json.h"

struct json_t; /* of jansson */

/* False when there is no known phase. */
bool status_read(
    const struct json_t *root, const struct status_time *now, struct agent_status *out);
/* False when there is no known state. */
bool status_read_cutover(const struct json_t *root, struct cutover_report *out);
void status_read_error(const struct json_t *root, struct err *err);

#endif
