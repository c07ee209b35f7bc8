/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters of a request: from the query, else from a JSON object that is the body. A function
 * that finds no such parameter returns true and leaves *out as it is.
 */
#ifndef TG_CONTROL_PARAMS_H
#define TG_CONTROL_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

struct json_t; /* of jansson */

/* Value of a query parameter, NULL when absent; "" when it has none. */
typedef const char *(*params_query_fn)(const char *name, void *arg);

struct params {
    params_query_fn query;
    void *arg;
    struct json_t *object; /* NULL: no body */
};

/* ERR_CONFIG when the body is there and no JSON object. */
bool params_init(struct params *p, struct slice body, params_query_fn query, void *arg,
    struct err *err) must_use;
void params_done(struct params *p);

bool params_bool(const struct params *p, const char *name, bool *out, struct err *err) must_use;
/* Borrowed until params_done. */
bool params_text(
    const struct params *p, const char *name, const char **out, struct err *err) must_use;
/* From a millisecond to a week, as microseconds. */
bool params_milliseconds(
    const struct params *p, const char *name, int64_t *out_us, struct err *err) must_use;

#endif
