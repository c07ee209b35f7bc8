/* SPDX-License-Identifier: Apache-2.0
 *
 * Two passes: the first measures, so that the second can copy texts into memory that does not move.
 */
#include "sinks/postgres/bind.h"

#include <assert.h>
#include <limits.h>

#include "agent/base/arena.h"

#define TEXT_MAX  ((size_t)INT_MAX)
#define TEXT_KEPT ((size_t)1 << 20)

void
bind_init(struct bind *b)
{
    *b = (struct bind){0};
    buf_init(&b->text, TEXT_MAX);
}

void
bind_done(struct bind *b)
{
    buf_done(&b->text);
    x_free(b->values);
    x_free(b->lengths);
    x_free(b->formats);
    *b = (struct bind){0};
}

static const struct value *
set_value(const struct change *c, const struct shape *s, uint16_t i)
{
    return s->use[i] & USE_SET ? &c->new.values[i] : NULL;
}

static const struct value *
match_value(const struct change *c, const struct shape *s, uint16_t i)
{
    return (s->use[i] & (USE_MATCH | USE_NULL)) == USE_MATCH ? shape_match_value(c, i) : NULL;
}

static void
measure(struct bind *b, const struct value *v, size_t *text)
{
    if (v && v->status != VALUE_NULL) {
        b->bytes += v->bytes.len;
        *text += v->status == VALUE_TEXT ? v->bytes.len + 1 : 0;
    }
}

#define OID_TSQUERY    3615U
#define OID_INT2VECTOR 22U
#define OID_OIDVECTOR  30U

/* The server's own receive functions refuse what its send functions say of these when they are
 * empty; their text is empty, too. An empty vector is an array's head without elements. */
static bool
refused_in_binary(uint32_t type, const struct value *v)
{
    if (type == OID_TSQUERY) {
        return v->bytes.len == 4;
    }
    return (type == OID_INT2VECTOR || type == OID_OIDVECTOR) && v->bytes.len <= 20;
}

static void
put(struct bind *b, const struct value *v, uint32_t type)
{
    if (!v) {
        return;
    }
    uint32_t n = b->n++;
    b->formats[n] = v->status == VALUE_BINARY;
    b->lengths[n] = (int)v->bytes.len;
    if (v->status == VALUE_NULL) {
        b->values[n] = NULL;
    } else if (v->status == VALUE_BINARY && refused_in_binary(type, v)) {
        b->formats[n] = 0;
        b->values[n] = "";
    } else if (v->status == VALUE_BINARY) {
        b->values[n] = v->bytes.len ? (const char *)v->bytes.data : "";
    } else {
        b->values[n] = (const char *)b->text.data + b->text.len;
        buf_bytes(&b->text, v->bytes.data, v->bytes.len);
        buf_u8(&b->text, 0);
    }
}

static void
reserve(struct bind *b, uint32_t parameters)
{
    if (parameters > b->cap) {
        b->cap = parameters;
        b->values = x_realloc(b->values, parameters * sizeof *b->values);
        b->lengths = x_realloc(b->lengths, parameters * sizeof *b->lengths);
        b->formats = x_realloc(b->formats, parameters * sizeof *b->formats);
    }
}

void
bind_room(struct bind *b, uint32_t parameters)
{
    b->n = 0;
    b->bytes = BIND_STATEMENT_BYTES + parameters * (size_t)BIND_PARAMETER_BYTES;
    reserve(b, parameters);
}

void
bind_append(struct bind *b, const void *data, int len)
{
    reserve(b, b->n + 1);
    b->values[b->n] = data;
    b->lengths[b->n] = len;
    b->formats[b->n++] = 1;
    b->bytes += (size_t)BIND_PARAMETER_BYTES + (size_t)len;
}

bool
bind_change(struct bind *b, const struct change *c, const struct shape *s, struct err *err)
{
    size_t text = 0;
    bind_room(b, s->parameters);
    for (uint16_t i = 0; i < s->len; i++) {
        measure(b, set_value(c, s, i), &text);
        measure(b, match_value(c, s, i), &text);
    }
    buf_reset(&b->text);
    if (b->bytes > TEXT_MAX || (text > 0 && !buf_reserve(&b->text, text))) {
        return err_set(err, ERR_DATA, "row of %zu bytes is too large for one statement", b->bytes);
    }
    for (uint16_t i = 0; i < s->len; i++) {
        put(b, set_value(c, s, i), c->relation->columns[i].type_oid);
    }
    for (uint16_t i = 0; i < s->len; i++) {
        put(b, match_value(c, s, i), c->relation->columns[i].type_oid);
    }
    assert(b->n == s->parameters);
    return true;
}

void
bind_trim(struct bind *b)
{
    if (b->text.cap > TEXT_KEPT) {
        buf_done(&b->text);
        buf_init(&b->text, TEXT_MAX);
    }
}
