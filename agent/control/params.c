/* SPDX-License-Identifier: Apache-2.0
 *
 * The body is parsed once; types are checked, never guessed.
 */
#include "agent/control/params.h"

#include <jansson.h>

#include "agent/base/parse.h"

bool
params_init(struct params *p, struct slice body, params_query_fn query, void *arg, struct err *err)
{
    *p = (struct params){.query = query, .arg = arg};
    if (body.len == 0) {
        return true;
    }
    json_error_t why;
    p->object = json_loadb((const char *)body.data, body.len, JSON_REJECT_DUPLICATES, &why);
    if (!p->object) {
        return err_set(err, ERR_CONFIG, "the body is not JSON: %s", why.text);
    }
    if (!json_is_object(p->object)) {
        params_done(p);
        return err_set(err, ERR_CONFIG, "the body is not a JSON object");
    }
    return true;
}

void
params_done(struct params *p)
{
    json_decref(p->object);
    p->object = NULL;
}

static bool
bad_parameter(const char *name, const char *wanted, struct err *err)
{
    return err_set(err, ERR_CONFIG, "parameter '%s' is not %s", name, wanted);
}

bool
params_bool(const struct params *p, const char *name, bool *out, struct err *err)
{
    const char *q = p->query(name, p->arg);
    if (q) {
        return parse_bool(q, out) || bad_parameter(name, "true or false", err);
    }
    const json_t *v = json_object_get(p->object, name);
    if (v && !json_is_boolean(v)) {
        return bad_parameter(name, "true or false", err);
    }
    *out = v ? json_is_true(v) : *out;
    return true;
}

bool
params_text(const struct params *p, const char *name, const char **out, struct err *err)
{
    const char *q = p->query(name, p->arg);
    const json_t *v = q ? NULL : json_object_get(p->object, name);
    *out = q ? q : *out;
    if (v && !json_is_null(v)) {
        *out = json_string_value(v);
        return *out || bad_parameter(name, "a string", err);
    }
    return true;
}

bool
params_milliseconds(const struct params *p, const char *name, int64_t *out_us, struct err *err)
{
    enum { MAX_MS = 1000 * 3600 * 24 * 7 };
    int64_t ms = 0;
    const char *q = p->query(name, p->arg);
    const json_t *v = q ? NULL : json_object_get(p->object, name);
    if (!q && !v) {
        return true;
    }
    bool ok = q ? parse_i64(q, 1, MAX_MS, &ms) : json_is_integer(v);
    if (ok && !q) {
        ms = (int64_t)json_integer_value(v);
    }
    if (!ok || ms < 1 || ms > MAX_MS) {
        return bad_parameter(name, "a number of milliseconds from 1 to a week", err);
    }
    *out_us = ms * 1000;
    return true;
}
