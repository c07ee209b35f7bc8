/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of wal2json, format version 2, with the options of agent/pg/repl.c:
 *
 *   {"action":"B","xid":7,"timestamp":"...","lsn":"0/1","nextlsn":"0/2"}            and "C" the
 * same
 *   {"action":"I", ... ,"schema":"s","table":"t","columns":[{"name":"id","typeoid":23,"value":1}]}
 *   {"action":"U", ... ,"columns":[...],"identity":[...]}    {"action":"D", ... ,"identity":[...]}
 *   {"action":"T", ... ,"schema":"s","table":"t"}            one for each table of the statement
 *   {"action":"M", ... ,"transactional":true,"prefix":"p","content":"c"}
 *
 * Source: the plugin's README and what its version 2.5 sends (tests/golden/wal2json). Values are
 * strings, and for some types bare words, both of which are what the type's output function gave;
 * of bytea (and of it alone, not of a domain over it) the leading \x is taken away. A column that
 * is missing in an update was stored out of line and not touched. `identity` has all columns of the
 * identity, NULLs too.
 */
#include "decoders/wal2json.h"

#include <string.h>

#include "decoders/json_pull.h"
#include "decoders/plugin_decoder.h"
#include "decoders/plugin_message.h"

#define BYTEA 17

static bool
is(struct slice s, const char *word)
{
    return slice_eq(s, slice_str(word));
}

static bool
take_u32(struct json_pull *p, uint32_t *out)
{
    struct json_scalar v;
    if (!json_pull_scalar(p, &v)) {
        return false;
    }
    *out = 0;
    return v.kind == JSON_NULL || plugin_parse_u32(v.text, out) ||
           json_pull_refuse(p, "a number is out of range");
}

static bool
take_lsn(struct json_pull *p, uint64_t *out)
{
    struct json_scalar v;
    return json_pull_scalar(p, &v) && ((v.kind == JSON_STRING && plugin_parse_lsn(v.text, out)) ||
                                          json_pull_refuse(p, "a position is not understood"));
}

static bool
take_time(struct json_pull *p, int64_t *us)
{
    struct json_scalar v;
    return json_pull_scalar(p, &v) && (v.kind == JSON_NULL || plugin_parse_time(v.text, us) ||
                                          json_pull_refuse(p, "a time is not understood"));
}

static bool
take_text(struct json_pull *p, struct slice *out)
{
    struct json_scalar v;
    if (!json_pull_scalar(p, &v)) {
        return false;
    }
    *out = v.text;
    return v.kind == JSON_STRING || json_pull_refuse(p, "a text is missing");
}

/* Only a string may have lost its \x. */
static bool
restore_bytea(struct json_pull *p, struct value *v)
{
    uint8_t *with = arena_alloc(p->arena, v->bytes.len + 2);
    if (!with) {
        p->no_memory = true;
        return false;
    }
    with[0] = '\\';
    with[1] = 'x';
    memcpy(with + 2, v->bytes.data, v->bytes.len);
    v->bytes = slice_of(with, v->bytes.len + 2);
    return true;
}

static bool
take_column(struct json_pull *p, struct plugin_column *c)
{
    struct slice name;
    struct json_scalar v = {0};
    json_pull_open(p, '{');
    while (json_pull_member(p, &name)) {
        if (is(name, "name")) {
            (void)take_text(p, &c->name);
        } else if (is(name, "typeoid")) {
            (void)take_u32(p, &c->type_oid);
        } else if (is(name, "value")) {
            (void)json_pull_scalar(p, &v);
        } else {
            (void)json_pull_skip(p);
        }
    }
    if (!c->name.data || v.kind == 0) {
        return json_pull_refuse(p, "a column without name or value");
    }
    if (v.kind == JSON_NULL) {
        return json_pull_ok(p);
    }
    c->value = (struct value){VALUE_TEXT, v.text};
    bool shortened = c->type_oid == BYTEA && v.kind == JSON_STRING;
    return json_pull_ok(p) && (!shortened || restore_bytea(p, &c->value));
}

static bool
take_tuple(struct json_pull *p, struct plugin_tuple *t)
{
    if (t->there) {
        return json_pull_refuse(p, "a tuple comes twice");
    }
    t->there = true;
    json_pull_open(p, '[');
    while (json_pull_item(p)) {
        struct plugin_column *c = plugin_add_column(t, p->arena);
        if (!c) {
            p->no_memory = true;
            return false;
        }
        if (!take_column(p, c)) {
            return false;
        }
    }
    return json_pull_ok(p);
}

static bool
take_type(struct json_pull *p, struct plugin_message *m)
{
    struct slice v;
    if (!take_text(p, &v)) {
        return false;
    }
    bool known = v.len == 1 && strchr("BCIUDTM", v.data[0]) != NULL && v.data[0] != 0;
    if (!known || (m->type != 0 && (m->type != 'T' || v.data[0] != 'T'))) {
        return json_pull_refuse(p, "an unknown action");
    }
    m->type = (char)v.data[0];
    return true;
}

static bool
take_flag(struct json_pull *p, bool *out)
{
    struct json_scalar v;
    if (!json_pull_scalar(p, &v)) {
        return false;
    }
    *out = v.kind == JSON_TRUE;
    return *out || v.kind == JSON_FALSE || json_pull_refuse(p, "neither true nor false");
}

/* *more: there are members behind it that are wanted. */
static bool
take_member(struct json_pull *p, struct slice name, struct plugin_table *t, bool head,
    struct plugin_message *m)
{
    if (is(name, "action")) {
        return take_type(p, m);
    } else if (is(name, "xid")) {
        return take_u32(p, &m->xid);
    } else if (is(name, "timestamp")) {
        return take_time(p, &m->us);
    } else if (is(name, "lsn")) {
        return take_lsn(p, &m->lsn);
    } else if (is(name, "nextlsn")) {
        return take_lsn(p, &m->end_lsn);
    } else if (is(name, "schema")) {
        return take_text(p, &t->schema);
    } else if (is(name, "table")) {
        return take_text(p, &t->name);
    } else if (is(name, "columns") && !head) {
        return take_tuple(p, &m->new);
    } else if (is(name, "identity") && !head) {
        return take_tuple(p, &m->old);
    } else if (is(name, "transactional")) {
        return take_flag(p, &m->transactional);
    } else if (is(name, "prefix")) {
        return take_text(p, &m->prefix);
    } else if (is(name, "content")) {
        return take_text(p, &m->content);
    }
    return json_pull_skip(p);
}

static bool
take_object(struct json_pull *p, bool head, struct plugin_message *m)
{
    struct slice name;
    struct plugin_table table = {0};
    json_pull_open(p, '{');
    while (json_pull_member(p, &name)) {
        bool rows = is(name, "columns") || is(name, "identity");
        if (head && rows && table.name.data) {
            break; /* what chooses by table has seen enough */
        }
        if (!take_member(p, name, &table, head, m)) {
            return false;
        }
    }
    if (!json_pull_ok(p) || !strchr("IUDT", m->type) || m->type == 0) {
        return json_pull_ok(p);
    }
    if (!table.schema.data || !table.name.data) {
        return json_pull_refuse(p, "a row without its table");
    }
    struct plugin_table *t = plugin_add_table(m, p->arena);
    if (!t) {
        p->no_memory = true;
        return false;
    }
    *t = table;
    return true;
}

static const char *
fault_of(const struct plugin_message *m)
{
    switch (m->type) {
    case 'B':
    case 'C':
        return m->xid == 0 || m->lsn == 0 || m->end_lsn <= m->lsn
                   ? "begin or commit without transaction or positions"
                   : NULL;
    case 'I':
        return m->new.there ? NULL : "an insert without columns";
    case 'U':
        return m->new.there && m->old.there ? NULL : "an update without columns or identity";
    case 'D':
        return m->old.there ? NULL : "a delete without identity";
    case 'T':
        return NULL;
    case 'M':
        return m->prefix.data && m->content.data ? NULL : "a message without prefix or content";
    default:
        return "no action";
    }
}

static bool
parse(struct slice bytes, struct arena *arena, bool head, struct plugin_message *m, struct err *err)
{
    struct json_pull p;
    json_pull_init(&p, bytes, arena);
    *m = (struct plugin_message){.old_nulls = true};
    do {
        if (!take_object(&p, head, m)) {
            break;
        }
    } while (m->type == 'T' && p.at < p.end && *p.at++ == '\n');
    const char *fault = head ? NULL : fault_of(m);
    if (json_pull_ok(&p) && fault) {
        (void)json_pull_refuse(&p, fault);
    }
    if (json_pull_ok(&p) && !head && p.at != p.end) {
        (void)json_pull_refuse(&p, "something stands behind the message");
    }
    if (p.wrong) {
        return err_set(err, ERR_FATAL, "message of %zu bytes is damaged at offset %zu: %s",
            bytes.len, (size_t)(p.at - p.start), p.wrong);
    }
    return !p.no_memory ||
           err_set(err, ERR_RETRY, "message of %zu bytes does not fit in memory", bytes.len);
}

bool
wal2json_parse(struct slice bytes, struct arena *arena, struct plugin_message *out, struct err *err)
{
    return parse(bytes, arena, false, out, err);
}

bool
wal2json_parse_head(
    struct slice bytes, struct arena *arena, struct plugin_message *out, struct err *err)
{
    return parse(bytes, arena, true, out, err);
}

static bool
wal2json_open(struct decoder **out, struct err *err)
{
    (void)err;
    *out = plugin_decoder_new(&wal2json_decoder, wal2json_parse);
    return true;
}

const struct decoder_ops wal2json_decoder = {
    .name = "wal2json",
    .summary = "PostgreSQL logical decoding by the plugin wal2json, format version 2",
    .content = 1,
    .open = wal2json_open,
    .feed = plugin_decoder_feed,
    .reset = plugin_decoder_reset,
    .free = plugin_decoder_free,
};
