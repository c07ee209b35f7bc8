/* SPDX-License-Identifier: Apache-2.0
 *
 * The result of a comparison as text and as JSON. Pure.
 */
#ifndef TG_CLI_VERIFY_VIEW_H
#define TG_CLI_VERIFY_VIEW_H

#include "agent/base/buf.h"
#include "agent/verify/verify.h"

/* Lines for the tables that are not equal (with `all`: for all), and a summary. */
void verify_view_text(struct buf *out, const struct verify_report *r, bool all);
void verify_view_json(struct buf *out, const struct verify_report *r);
/* Of several targets: {"equal": ..., "sinks": [...]}, each as above with its sink's name. */
void verify_view_json_many(
    struct buf *out, const char *const *sinks, const struct verify_report *reports, size_t n);

#endif
