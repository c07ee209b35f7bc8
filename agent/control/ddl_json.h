/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements of DDL that wait for a decision, as JSON: the same for a running agent and for a data
 * directory at rest.
 */
#ifndef TG_CONTROL_DDL_JSON_H
#define TG_CONTROL_DDL_JSON_H

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/store/store.h"

/* {"waiting": [{"sink": ..., and what agent/pipeline/ddl.h stores}]} */
bool ddl_json_list(struct store *store, struct buf *out, struct err *err) must_use;
/* The operator's word: "apply" or "skip". `sink` NULL: the one where a statement waits; ERR_CONFIG
 * when there are several, or none. */
bool ddl_json_decide(struct store *store, const char *sink, const char *decision, struct buf *out,
    struct err *err) must_use;

#endif
