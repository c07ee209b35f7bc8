/* SPDX-License-Identifier: Apache-2.0
 *
 * Straight-line parsers over a reader that fails once and stays failed. What a reader cannot see (a
 * byte with no meaning, a count that cannot fit in what is left) is noted by refuse(), the first
 * one wins. Invariant: nothing is allocated for a count before the bytes that are left could hold
 * that many.
 */
#include "decoders/pgoutput_wire.h"

#include <ctype.h>
#include <inttypes.h>

#include "agent/base/clock.h"

#define RELATION_COLUMN_KEY 1
#define TRUNCATE_CASCADE    1
#define TRUNCATE_RESTART    2
#define MESSAGE_TRANSACTION 1
#define COLUMN_BYTES_MIN    10 /* flags, empty name, type, modifier */

struct parse {
    struct reader r;
    const uint8_t *start;
    struct arena *arena;
    const char *wrong; /* NULL: nothing so far */
    size_t wrong_at;
    bool no_memory;
};

static void
refuse(struct parse *p, const char *what)
{
    if (!p->wrong && reader_ok(&p->r)) {
        p->wrong = what;
        p->wrong_at = (size_t)(p->r.at - p->start);
    }
    p->r.failed = true;
}

static void *
allocate(struct parse *p, size_t count, size_t size)
{
    void *mem = reader_ok(&p->r) ? arena_alloc(p->arena, count * size) : NULL;
    if (!mem && reader_ok(&p->r)) {
        p->no_memory = true;
        p->r.failed = true;
    }
    return mem;
}

/* PostgreSQL's microseconds to Unix microseconds; wraps instead of overflowing on senseless input.
 */
static int64_t
parse_time(struct parse *p)
{
    return (int64_t)(reader_u64(&p->r) + (uint64_t)PG_EPOCH_OFFSET_US);
}

static void
parse_value(struct parse *p, struct value *v)
{
    uint8_t status = reader_u8(&p->r);
    v->bytes = (struct slice){0};
    switch (status) {
    case VALUE_NULL:
    case VALUE_UNCHANGED:
        v->status = (enum value_status)status;
        return;
    case VALUE_TEXT:
    case VALUE_BINARY:
        v->status = (enum value_status)status;
        v->bytes = reader_bytes(&p->r, reader_u32(&p->r));
        return;
    default:
        v->status = VALUE_NULL;
        refuse(p, "a value of unknown status");
    }
}

static void
parse_tuple(struct parse *p, struct tuple *t)
{
    uint16_t len = reader_u16(&p->r);
    if (len > reader_left(&p->r)) {
        refuse(p, "more columns than bytes");
    }
    struct value *values = allocate(p, len, sizeof(*values));
    if (!values) {
        return;
    }
    for (uint16_t i = 0; i < len && reader_ok(&p->r); i++) {
        parse_value(p, &values[i]);
    }
    *t = (struct tuple){len, values};
}

static void
parse_begin(struct parse *p, struct pgoutput_message *m)
{
    m->begin.final_lsn = reader_u64(&p->r);
    m->begin.commit_us = parse_time(p);
    m->begin.xid = reader_u32(&p->r);
}

static void
parse_commit(struct parse *p, struct pgoutput_message *m)
{
    if (reader_u8(&p->r) != 0) {
        refuse(p, "unknown commit flags");
    }
    m->commit.commit_lsn = reader_u64(&p->r);
    m->commit.end_lsn = reader_u64(&p->r);
    m->commit.commit_us = parse_time(p);
}

static void
parse_stream_commit(struct parse *p, struct pgoutput_message *m)
{
    m->commit.xid = reader_u32(&p->r);
    if (m->commit.xid == 0) {
        refuse(p, "a commit of no transaction");
    }
    parse_commit(p, m);
}

static void
parse_gid(struct parse *p, struct pgoutput_message *m)
{
    m->prepared.xid = reader_u32(&p->r);
    m->prepared.gid = reader_cstr(&p->r);
    if (m->prepared.gid[0] == '\0') {
        refuse(p, "a prepared transaction without a name");
    }
}

static void
parse_begin_prepare(struct parse *p, struct pgoutput_message *m)
{
    m->prepared.lsn = reader_u64(&p->r);
    m->prepared.end_lsn = reader_u64(&p->r);
    m->prepared.us = parse_time(p);
    parse_gid(p, m);
}

static void
parse_no_flags(struct parse *p)
{
    if (reader_u8(&p->r) != 0) {
        refuse(p, "unknown flags of a prepared transaction");
    }
}

static void
parse_prepared(struct parse *p, struct pgoutput_message *m)
{
    parse_no_flags(p);
    parse_begin_prepare(p, m);
}

static void
parse_rollback_prepared(struct parse *p, struct pgoutput_message *m)
{
    parse_no_flags(p);
    m->prepared.lsn = reader_u64(&p->r);
    m->prepared.end_lsn = reader_u64(&p->r);
    (void)parse_time(p); /* of the prepare */
    m->prepared.us = parse_time(p);
    parse_gid(p, m);
}

static void
parse_origin(struct parse *p, struct pgoutput_message *m)
{
    m->origin.lsn = reader_u64(&p->r);
    m->origin.name = reader_cstr(&p->r);
}

static void
parse_type(struct parse *p, struct pgoutput_message *m)
{
    m->type_name.oid = reader_u32(&p->r);
    m->type_name.schema = reader_cstr(&p->r);
    m->type_name.name = reader_cstr(&p->r);
}

static void
parse_relation(struct parse *p, struct pgoutput_message *m)
{
    struct relation *rel = &m->relation;
    rel->id = reader_u32(&p->r);
    if (rel->id == 0) {
        refuse(p, "a relation without an id");
    }
    rel->schema = reader_cstr(&p->r);
    if (rel->schema[0] == '\0') {
        rel->schema = "pg_catalog"; /* sent as an empty string */
    }
    rel->name = reader_cstr(&p->r);
    rel->identity = (char)reader_u8(&p->r);
    uint16_t len = reader_u16(&p->r);
    if (len > reader_left(&p->r) / COLUMN_BYTES_MIN) {
        refuse(p, "more columns than bytes");
    }
    struct column *columns = allocate(p, len, sizeof(*columns));
    if (!columns) {
        return;
    }
    for (uint16_t i = 0; i < len; i++) {
        columns[i].key = (reader_u8(&p->r) & RELATION_COLUMN_KEY) != 0;
        columns[i].name = reader_cstr(&p->r);
        columns[i].type_oid = reader_u32(&p->r);
        columns[i].type_mod = (int32_t)reader_u32(&p->r);
    }
    rel->columns = columns;
    rel->columns_len = len;
}

static void
parse_old(struct parse *p, struct pgoutput_message *m, uint8_t mark)
{
    m->row.old_kind = mark == 'K' ? OLD_KEY : OLD_FULL;
    parse_tuple(p, &m->row.old);
}

static void
parse_insert(struct parse *p, struct pgoutput_message *m)
{
    m->row.relation = reader_u32(&p->r);
    if (reader_u8(&p->r) != 'N') {
        refuse(p, "an insert without a new tuple");
    }
    parse_tuple(p, &m->row.new);
}

static void
parse_update(struct parse *p, struct pgoutput_message *m)
{
    m->row.relation = reader_u32(&p->r);
    uint8_t mark = reader_u8(&p->r);
    if (mark == 'K' || mark == 'O') {
        parse_old(p, m, mark);
        mark = reader_u8(&p->r);
    }
    if (mark != 'N') {
        refuse(p, "an update without a new tuple");
    }
    parse_tuple(p, &m->row.new);
}

static void
parse_delete(struct parse *p, struct pgoutput_message *m)
{
    m->row.relation = reader_u32(&p->r);
    uint8_t mark = reader_u8(&p->r);
    if (mark != 'K' && mark != 'O') {
        refuse(p, "a delete without an old tuple");
    }
    parse_old(p, m, mark);
}

static void
parse_truncate(struct parse *p, struct pgoutput_message *m)
{
    uint32_t len = reader_u32(&p->r);
    uint8_t options = reader_u8(&p->r);
    if (len > reader_left(&p->r) / sizeof(uint32_t)) {
        refuse(p, "more relations than bytes");
    }
    uint32_t *relations = allocate(p, len, sizeof(*relations));
    if (!relations) {
        return;
    }
    for (uint32_t i = 0; i < len; i++) {
        relations[i] = reader_u32(&p->r);
    }
    m->truncate.cascade = (options & TRUNCATE_CASCADE) != 0;
    m->truncate.restart_identity = (options & TRUNCATE_RESTART) != 0;
    m->truncate.relations = relations;
    m->truncate.len = len;
}

static void
parse_logical(struct parse *p, struct pgoutput_message *m)
{
    m->logical.transactional = (reader_u8(&p->r) & MESSAGE_TRANSACTION) != 0;
    m->logical.lsn = reader_u64(&p->r);
    m->logical.prefix = reader_cstr(&p->r);
    m->logical.content = reader_bytes(&p->r, reader_u32(&p->r));
}

static const struct {
    char type;
    void (*parse)(struct parse *p, struct pgoutput_message *m);
} kinds[] = {
    {'I', parse_insert},
    {'U', parse_update},
    {'D', parse_delete},
    {'B', parse_begin},
    {'C', parse_commit},
    {'c', parse_stream_commit},
    {'b', parse_begin_prepare},
    {'P', parse_prepared},
    {'p', parse_prepared},
    {'K', parse_prepared},
    {'r', parse_rollback_prepared},
    {'R', parse_relation},
    {'Y', parse_type},
    {'T', parse_truncate},
    {'M', parse_logical},
    {'O', parse_origin},
};

static bool
describe_failure(const struct parse *p, char type, size_t len, struct err *err)
{
    if (p->no_memory) {
        return err_set(
            err, ERR_RETRY, "message '%c' of %zu bytes does not fit in memory", type, len);
    }
    if (p->wrong) {
        return err_set(err, ERR_FATAL, "message '%c' of %zu bytes is damaged at offset %zu: %s",
            type, len, p->wrong_at, p->wrong);
    }
    if (!reader_ok(&p->r)) {
        return err_set(
            err, ERR_FATAL, "message '%c' is damaged: it is cut off at offset %zu", type, len);
    }
    return err_set(err, ERR_FATAL,
        "message '%c' of %zu bytes is damaged at offset %zu: nothing should follow there", type,
        len, len - reader_left(&p->r));
}

static bool
unknown_type(uint8_t type, size_t len, struct err *err)
{
    char name[8];
    snprintf(name, sizeof(name), isprint(type) ? "%c" : "\\x%02x", type);
    err_set(err, ERR_FATAL, "message of unknown type '%s', %zu bytes, at offset 0", name, len);
    return err_hint(err, "the feed is not pgoutput of protocol versions 1 to 4");
}

bool
pgoutput_parse(
    struct slice bytes, struct arena *arena, struct pgoutput_message *out, struct err *err)
{
    struct parse p = {.start = bytes.data, .arena = arena};
    *out = (struct pgoutput_message){0};
    if (bytes.len == 0) {
        return err_set(err, ERR_FATAL, "message of no bytes, its type is missing at offset 0");
    }
    reader_init(&p.r, bytes);
    uint8_t type = reader_u8(&p.r);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((uint8_t)kinds[i].type == type) {
            out->type = kinds[i].type;
            kinds[i].parse(&p, out);
            return reader_end(&p.r) || describe_failure(&p, out->type, bytes.len, err);
        }
    }
    return unknown_type(type, bytes.len, err);
}
