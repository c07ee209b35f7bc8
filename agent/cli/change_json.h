/* SPDX-License-Identifier: Apache-2.0
 *
 * A decoded change as one JSON object, for people and scripts that look into a spool. Pure.
 *
 *   {"kind":"update","position":"0/1A2B3C8","ordinal":2,"xid":741,"table":"public.t",
 *    "old":{"id":"1"},"new":{"id":"2","note":null},"unchanged":["body"]}
 *
 * Values are strings as PostgreSQL writes them, or null. Binary ones of common types are shown as
 * their text; those of other types as "\\x" and hexadecimal digits, in which case the change has
 * "binary": true.
 */
#ifndef TG_CLI_CHANGE_JSON_H
#define TG_CLI_CHANGE_JSON_H

#include "agent/base/buf.h"
#include "agent/change/change.h"

struct column_mask;

void change_json_write(struct buf *out, const struct change *c);
/* Values of masked columns, NULL too, are shown as "***". */
void change_json_write_masked(struct buf *out, const struct change *c, struct column_mask *mask);

#endif
