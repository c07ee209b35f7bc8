/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns that carried tables have at the source and not on a target: no row has told of them yet,
 * or the policy left them out.
 */
#ifndef TG_PIPELINE_MISSING_COLUMNS_H
#define TG_PIPELINE_MISSING_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/store/store.h"
#include "config/config.h"

/* "public.t.n, public.u.x" in out, "" when there are none; as many as fit. Tables that the target
 * lacks altogether are left out. */
bool missing_columns(const struct config *config, const struct sink_config *sink,
    struct store *store, char *out, size_t cap, struct err *err) must_use;

#endif
