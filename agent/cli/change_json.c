/* SPDX-License-Identifier: Apache-2.0
 *
 * Type numbers are those of PostgreSQL's pg_type.dat: built-in types keep theirs for ever.
 */
#include "agent/cli/change_json.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/json_writer.h"
#include "agent/cli/column_mask.h"

#define MASKED "***"

/* What one row is written with. */
struct row_style {
    struct column_mask *mask; /* NULL: none */
    bool opaque;              /* a value was shown as hexadecimal digits */
};

enum type_oid {
    TYPE_BOOL = 16,
    TYPE_NAME = 19,
    TYPE_INT8 = 20,
    TYPE_INT2 = 21,
    TYPE_INT4 = 23,
    TYPE_TEXT = 25,
    TYPE_OID = 26,
    TYPE_JSON = 114,
    TYPE_XML = 142,
    TYPE_FLOAT4 = 700,
    TYPE_FLOAT8 = 701,
    TYPE_BPCHAR = 1042,
    TYPE_VARCHAR = 1043,
    TYPE_UUID = 2950,
};

static void
write_hex(struct json_writer *w, struct slice s)
{
    static const char digits[] = "0123456789abcdef";
    struct buf hex;
    buf_init(&hex, 2 * s.len + 8);
    buf_str(&hex, "\\x");
    for (size_t i = 0; i < s.len; i++) {
        buf_u8(&hex, (uint8_t)digits[s.data[i] >> 4]);
        buf_u8(&hex, (uint8_t)digits[s.data[i] & 15]);
    }
    json_string_n(w, hex.data, hex.len);
    buf_done(&hex);
}

/* Length of the binary form of a fixed-length type; 0: any. */
static size_t
length_of(uint32_t type)
{
    switch (type) {
    case TYPE_BOOL:
        return 1;
    case TYPE_INT2:
        return 2;
    case TYPE_INT4:
    case TYPE_OID:
    case TYPE_FLOAT4:
        return 4;
    case TYPE_INT8:
    case TYPE_FLOAT8:
        return 8;
    case TYPE_UUID:
        return 16;
    default:
        return 0;
    }
}

static void
format_uuid(char *out, size_t cap, const uint8_t *b)
{
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        int n = snprintf(out + at, cap - at, "%s%02x", dash ? "-" : "", b[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

static void
format_float(char *out, size_t cap, struct reader *r, uint32_t type)
{
    if (type == TYPE_FLOAT4) {
        uint32_t bits = reader_u32(r);
        float f;
        memcpy(&f, &bits, sizeof f);
        snprintf(out, cap, "%.9g", (double)f);
        return;
    }
    uint64_t bits = reader_u64(r);
    double d;
    memcpy(&d, &bits, sizeof d);
    snprintf(out, cap, "%.17g", d);
}

static bool
write_known(struct json_writer *w, uint32_t type, struct slice s)
{
    char text[64];
    struct reader r;
    reader_init(&r, s);
    if (length_of(type) != 0 && s.len != length_of(type)) {
        return false;
    }
    switch (type) {
    case TYPE_BOOL:
        snprintf(text, sizeof text, "%s", reader_u8(&r) ? "t" : "f");
        break;
    case TYPE_INT2:
        snprintf(text, sizeof text, "%" PRId16, (int16_t)reader_u16(&r));
        break;
    case TYPE_INT4:
        snprintf(text, sizeof text, "%" PRId32, (int32_t)reader_u32(&r));
        break;
    case TYPE_OID:
        snprintf(text, sizeof text, "%" PRIu32, reader_u32(&r));
        break;
    case TYPE_INT8:
        snprintf(text, sizeof text, "%" PRId64, (int64_t)reader_u64(&r));
        break;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        format_float(text, sizeof text, &r, type);
        break;
    case TYPE_UUID:
        format_uuid(text, sizeof text, s.data);
        break;
    case TYPE_NAME:
    case TYPE_TEXT:
    case TYPE_JSON:
    case TYPE_XML:
    case TYPE_BPCHAR:
    case TYPE_VARCHAR:
        json_string_n(w, s.data, s.len);
        return true;
    default:
        return false;
    }
    json_string(w, text);
    return true;
}

static void
write_value(struct json_writer *w, uint32_t type, const struct value *v, struct row_style *style)
{
    switch (v->status) {
    case VALUE_TEXT:
        json_string_n(w, v->bytes.data, v->bytes.len);
        return;
    case VALUE_BINARY:
        if (!write_known(w, type, v->bytes)) {
            style->opaque = true;
            write_hex(w, v->bytes);
        }
        return;
    case VALUE_NULL:
    case VALUE_UNCHANGED:
        break;
    }
    json_null(w);
}

static void
write_tuple(struct json_writer *w, const char *key, const struct relation *r, const struct tuple *t,
    bool only_key, struct row_style *style)
{
    if (t->len == 0) {
        return;
    }
    json_key(w, key);
    json_object_begin(w);
    for (uint16_t i = 0; i < t->len && i < r->columns_len; i++) {
        bool shown = t->values[i].status != VALUE_UNCHANGED && (!only_key || r->columns[i].key);
        if (shown) {
            json_key(w, r->columns[i].name);
            if (style->mask && column_mask_hides(style->mask, r, &r->columns[i])) {
                json_string(w, MASKED);
            } else {
                write_value(w, r->columns[i].type_oid, &t->values[i], style);
            }
        }
    }
    json_object_end(w);
}

static void
write_unchanged(struct json_writer *w, const struct relation *r, const struct tuple *t)
{
    bool any = false;
    for (uint16_t i = 0; i < t->len && i < r->columns_len; i++) {
        if (t->values[i].status != VALUE_UNCHANGED) {
            continue;
        }
        if (!any) {
            json_key(w, "unchanged");
            json_array_begin(w);
            any = true;
        }
        json_string(w, r->columns[i].name);
    }
    if (any) {
        json_array_end(w);
    }
}

static void
write_table_name(struct json_writer *w, const struct relation *r)
{
    char name[160];
    snprintf(name, sizeof name, "%s.%s", r->schema, r->name);
    json_string(w, name);
}

static void
write_row(struct json_writer *w, const struct change *c, struct column_mask *mask)
{
    struct row_style style = {.mask = mask};
    json_key(w, "table");
    write_table_name(w, c->relation);
    write_tuple(w, "old", c->relation, &c->old, c->old_kind == OLD_KEY, &style);
    write_tuple(w, "new", c->relation, &c->new, false, &style);
    write_unchanged(w, c->relation, &c->new);
    if (style.opaque) {
        json_kv_bool(w, "binary", true);
    }
}

static void
write_truncate(struct json_writer *w, const struct change *c)
{
    json_key(w, "tables");
    json_array_begin(w);
    for (uint32_t i = 0; i < c->truncated_len; i++) {
        write_table_name(w, c->truncated[i]);
    }
    json_array_end(w);
    json_kv_bool(w, "cascade", c->cascade);
    json_kv_bool(w, "restart_identity", c->restart_identity);
}

void
change_json_write(struct buf *out, const struct change *c)
{
    change_json_write_masked(out, c, NULL);
}

void
change_json_write_masked(struct buf *out, const struct change *c, struct column_mask *mask)
{
    struct json_writer w;
    char text[POSITION_SIZE], iso[CLOCK_ISO_SIZE];
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_string(&w, "kind", change_kind_name(c->kind));
    struct position commit = {.commit = c->position.commit};
    json_kv_string(&w, "position", position_format(commit, text));
    if (c->position.ordinal != 0) {
        json_kv_u64(&w, "ordinal", c->position.ordinal);
    }
    if (c->xid != 0) {
        json_kv_u64(&w, "xid", c->xid);
    }
    switch (c->kind) {
    case CHANGE_BEGIN:
    case CHANGE_COMMIT:
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
        clock_format_iso(c->commit_us, iso);
        json_kv_string(&w, "committed", iso);
        if (c->gid) {
            json_kv_string(&w, "gid", c->gid);
        }
        break;
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
        write_row(&w, c, mask);
        break;
    case CHANGE_TRUNCATE:
        write_truncate(&w, c);
        break;
    case CHANGE_MESSAGE:
        json_kv_string(&w, "prefix", c->prefix);
        json_kv_bool(&w, "transactional", c->transactional);
        json_key(&w, "content");
        json_string_n(&w, c->content.data, c->content.len);
        break;
    case CHANGE_DISCARD:
    case CHANGE_MARK:
        break;
    }
    json_object_end(&w);
}
