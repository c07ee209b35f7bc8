/* SPDX-License-Identifier: Apache-2.0
 *
 * Words for people about a change. A key is written into the caller's memory and never allocates:
 * it is wanted when something has gone wrong.
 */
#include "agent/change/change.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Types of PostgreSQL's catalog whose binary form is shown readable. */
enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_VARCHAR = 1043
};
enum { OID_UUID = 2950 };

const char *
change_kind_name(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_BEGIN:
        return "begin";
    case CHANGE_COMMIT:
        return "commit";
    case CHANGE_DISCARD:
        return "discard";
    case CHANGE_MARK:
        return "mark";
    case CHANGE_INSERT:
        return "insert";
    case CHANGE_UPDATE:
        return "update";
    case CHANGE_DELETE:
        return "delete";
    case CHANGE_TRUNCATE:
        return "truncate";
    case CHANGE_MESSAGE:
        return "message";
    case CHANGE_PREPARE:
        return "prepare";
    case CHANGE_COMMIT_PREPARED:
        return "commit prepared";
    case CHANGE_ROLLBACK_PREPARED:
        return "rollback prepared";
    }
    return "unknown";
}

/* Invariant: len < cap and out[len] is NUL; after the first byte that did not fit, nothing is
 * added. */
struct text {
    char *out;
    size_t cap, len;
    bool cut;
};

static void
put_bytes(struct text *t, const void *s, size_t len)
{
    size_t room = t->cap - 1 - t->len;
    if (t->cut || len > room) {
        len = t->cut ? 0 : room;
        t->cut = true;
    }
    if (len > 0) {
        memcpy(t->out + t->len, s, len);
        t->len += len;
        t->out[t->len] = '\0';
    }
}

static void
put(struct text *t, const char *s)
{
    put_bytes(t, s, strlen(s));
}

static void __attribute__((format(printf, 2, 3))) put_format(struct text *t, const char *fmt, ...)
{
    char part[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(part, sizeof part, fmt, ap);
    va_end(ap);
    put(t, part);
}

/* In single quotes, doubled inside; control characters as '?': a message is one line. */
static void
put_quoted(struct text *t, struct slice s)
{
    put(t, "'");
    for (size_t i = 0; i < s.len && !t->cut; i++) {
        if (s.data[i] == '\'') {
            put(t, "''");
        } else if (s.data[i] < 0x20 || s.data[i] == 0x7f) {
            put(t, "?");
        } else {
            put_bytes(t, &s.data[i], 1);
        }
    }
    put(t, "'");
}

static void
put_hex(struct text *t, struct slice s)
{
    put(t, "\\x");
    for (size_t i = 0; i < s.len && !t->cut; i++) {
        put_format(t, "%02x", s.data[i]);
    }
}

static void
put_uuid(struct text *t, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        put_format(t, "%s%02x", dash ? "-" : "", s.data[i]);
    }
}

/* A value of the length its type does not have is shown as bytes: never trust, only show. */
static void
put_binary(struct text *t, uint32_t type, struct slice s)
{
    struct reader r;
    reader_init(&r, s);
    if (type == OID_INT2 && s.len == 2) {
        put_format(t, "%d", (int16_t)reader_u16(&r));
    } else if (type == OID_INT4 && s.len == 4) {
        put_format(t, "%" PRId32, (int32_t)reader_u32(&r));
    } else if (type == OID_INT8 && s.len == 8) {
        put_format(t, "%" PRId64, (int64_t)reader_u64(&r));
    } else if (type == OID_BOOL && s.len == 1) {
        put(t, s.data[0] != 0 ? "true" : "false");
    } else if (type == OID_UUID && s.len == 16) {
        put_uuid(t, s);
    } else if (type == OID_TEXT || type == OID_VARCHAR) {
        put_quoted(t, s);
    } else {
        put_hex(t, s);
    }
}

static bool
is_bare(uint32_t type)
{
    return type == OID_INT2 || type == OID_INT4 || type == OID_INT8 || type == OID_UUID;
}

static void
put_value(struct text *t, uint32_t type, const struct value *v)
{
    switch (v->status) {
    case VALUE_NULL:
        put(t, "NULL");
        return;
    case VALUE_UNCHANGED:
        put(t, "(unchanged)");
        return;
    case VALUE_BINARY:
        put_binary(t, type, v->bytes);
        return;
    case VALUE_TEXT:
        break;
    }
    if (type == OID_BOOL && v->bytes.len == 1) {
        put(t, v->bytes.data[0] == 't' ? "true" : "false");
    } else if (is_bare(type)) {
        put_bytes(t, v->bytes.data, v->bytes.len);
    } else {
        put_quoted(t, v->bytes);
    }
}

/* Makes room for "..." at a character border. */
static void
mark_cut(struct text *t)
{
    if (t->cap < sizeof "...") {
        return;
    }
    size_t keep = t->cap - sizeof "...";
    keep = keep < t->len ? keep : t->len;
    while (keep > 0 && ((unsigned char)t->out[keep] & 0xc0) == 0x80) {
        keep--;
    }
    memcpy(t->out + keep, "...", sizeof "...");
}

const char *
change_describe_key(const struct change *c, char *out, size_t cap)
{
    if (cap == 0) {
        return "";
    }
    struct text t = {.out = out, .cap = cap};
    out[0] = '\0';
    const struct relation *r = c->relation;
    const struct tuple *tuple = c->old_kind != OLD_NONE ? &c->old : &c->new;
    if (r == NULL || tuple->len == 0) {
        return out;
    }
    const char *separator = "";
    for (uint16_t i = 0; i < r->columns_len && i < tuple->len; i++) {
        if (r->columns[i].key) {
            put(&t, separator);
            put(&t, r->columns[i].name);
            put(&t, "=");
            put_value(&t, r->columns[i].type_oid, &tuple->values[i]);
            separator = ", ";
        }
    }
    if (t.cut) {
        mark_cut(&t);
    }
    return out;
}
