/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of test_decoding, which comes with every PostgreSQL (contrib/test_decoding), with the
 * option include-timestamp:
 *
 *   BEGIN 738          COMMIT 738 (at 2026-11-28 14:51:18.465044+00)
 *   table public.t: INSERT: id[integer]:1 "V x"[text]:'it''s' n[numeric]:null b[bit varying]:B'1'
 *   table public.t: UPDATE: [old-key: id[integer]:1 new-tuple:] id[integer]:2
 * v[text]:unchanged-toast-datum table public.t: DELETE: id[integer]:1          or (no-tuple-data)
 *   table public.t, public.u: TRUNCATE: restart_seqs cascade          or (no-flags)
 *   message: transactional: 1 prefix: p, sz: 5 content:hello
 *
 * Names are quoted as in SQL, and so are the names of types, which alone may hold brackets. Values
 * of numbers, oid and boolean are bare words, all others are quoted; backslashes mean themselves.
 * Old tuples are printed without their NULLs. No message tells a position, and BEGIN tells nothing
 * that COMMIT does not: both records of a transaction have the COMMIT as their payload.
 */
#include "decoders/test_decoding.h"

#include <string.h>

#include "decoders/plugin_decoder.h"
#include "decoders/plugin_message.h"

struct text {
    const uint8_t *start, *at, *end;
    struct arena *arena;
    const char *wrong; /* NULL: nothing so far */
    bool no_memory;
};

static bool
refuse(struct text *t, const char *why)
{
    if (!t->wrong) {
        t->wrong = why;
    }
    return false;
}

static bool
ok(const struct text *t)
{
    return !t->wrong && !t->no_memory;
}

static bool
looks_at(const struct text *t, const char *words)
{
    size_t len = strlen(words);
    return (size_t)(t->end - t->at) >= len && memcmp(t->at, words, len) == 0;
}

static bool
skip(struct text *t, const char *words)
{
    if (!looks_at(t, words)) {
        return false;
    }
    t->at += strlen(words);
    return true;
}

/* Between two `quote`s, which are doubled inside; the cursor stands at the first. */
static bool
take_quoted(struct text *t, uint8_t quote, struct slice *out)
{
    const uint8_t *from = ++t->at, *at = from;
    size_t doubled = 0;
    for (; at < t->end; at++) {
        if (*at != quote) {
            continue;
        }
        if (at + 1 == t->end || at[1] != quote) {
            break;
        }
        doubled++;
        at++;
    }
    if (at >= t->end) {
        return refuse(t, "a quote is not closed");
    }
    size_t len = (size_t)(at - from);
    t->at = at + 1;
    *out = slice_of(from, len);
    if (doubled == 0) {
        return true;
    }
    uint8_t *copy = arena_alloc(t->arena, len), *to = copy;
    if (!copy) {
        t->no_memory = true;
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        *to++ = from[i];
        i += from[i] == quote;
    }
    *out = slice_of(copy, (size_t)(to - copy));
    return true;
}

static bool
ends_name(uint8_t c)
{
    return c == '.' || c == ',' || c == ':' || c == '[' || c == ' ';
}

/* An identifier. */
static bool
take_name(struct text *t, struct slice *out)
{
    if (looks_at(t, "\"")) {
        if (!take_quoted(t, '"', out)) {
            return false;
        }
    } else {
        const uint8_t *from = t->at;
        while (t->at < t->end && !ends_name(*t->at)) {
            t->at++;
        }
        *out = slice_of(from, (size_t)(t->at - from));
    }
    if (out->len == 0) {
        return refuse(t, "a name is missing");
    }
    return !memchr(out->data, 0, out->len) || refuse(t, "a NUL in a name");
}

/* "[type]:" */
static bool
skip_type(struct text *t)
{
    bool quoted = false;
    if (!skip(t, "[")) {
        return refuse(t, "a type is missing");
    }
    for (; t->at < t->end; t->at++) {
        quoted ^= *t->at == '"';
        if (!quoted && looks_at(t, "]:")) {
            t->at += 2;
            return true;
        }
    }
    return refuse(t, "a type is not closed");
}

static bool
take_value(struct text *t, struct value *v)
{
    v->status = VALUE_TEXT;
    if (looks_at(t, "B'")) {
        t->at++;
    }
    if (looks_at(t, "'")) {
        return take_quoted(t, '\'', &v->bytes);
    }
    const uint8_t *from = t->at;
    while (t->at < t->end && *t->at != ' ') {
        t->at++;
    }
    v->bytes = slice_of(from, (size_t)(t->at - from));
    if (slice_eq(v->bytes, slice_str("null"))) {
        *v = (struct value){.status = VALUE_NULL};
    } else if (slice_eq(v->bytes, slice_str("unchanged-toast-datum"))) {
        *v = (struct value){.status = VALUE_UNCHANGED};
    } else if (v->bytes.len == 0) {
        return refuse(t, "a value is missing");
    }
    return true;
}

static bool
take_tuple(struct text *t, struct plugin_tuple *tuple)
{
    if (skip(t, " (no-tuple-data)")) {
        return true;
    }
    tuple->there = true;
    while (ok(t) && t->at < t->end && !looks_at(t, " new-tuple:")) {
        struct plugin_column *c = plugin_add_column(tuple, t->arena);
        if (!c) {
            t->no_memory = true;
            return false;
        }
        if (!skip(t, " ")) {
            return refuse(t, "a blank is missing between two columns");
        }
        if (!take_name(t, &c->name) || !skip_type(t) || !take_value(t, &c->value)) {
            return false;
        }
    }
    return ok(t);
}

static bool
take_update(struct text *t, struct plugin_message *m)
{
    if (skip(t, " old-key:")) {
        if (!take_tuple(t, &m->old)) {
            return false;
        }
        if (!skip(t, " new-tuple:")) {
            return refuse(t, "an old key without a new tuple");
        }
    }
    return take_tuple(t, &m->new);
}

static bool
take_truncate(struct text *t, struct plugin_message *m)
{
    if (skip(t, " (no-flags)")) {
        return true;
    }
    m->restart = skip(t, " restart_seqs");
    m->cascade = skip(t, " cascade");
    return m->restart || m->cascade || refuse(t, "unknown flags of a truncate");
}

static bool
take_tables(struct text *t, struct plugin_message *m)
{
    do {
        struct plugin_table *table = plugin_add_table(m, t->arena);
        if (!table) {
            t->no_memory = true;
            return false;
        }
        if (!take_name(t, &table->schema)) {
            return false;
        }
        if (!skip(t, ".")) {
            return refuse(t, "a table without a schema");
        }
        if (!take_name(t, &table->name)) {
            return false;
        }
    } while (skip(t, ", "));
    return true;
}

static bool
take_change(struct text *t, bool head, struct plugin_message *m)
{
    static const char *const operations[] = {": INSERT:", ": UPDATE:", ": DELETE:", ": TRUNCATE:"};
    if (!take_tables(t, m)) {
        return false;
    }
    for (size_t i = 0; i < sizeof operations / sizeof operations[0] && m->type == 0; i++) {
        m->type = skip(t, operations[i]) ? operations[i][2] : '\0';
    }
    if (m->type == 0 || (m->tables_len > 1 && m->type != 'T')) {
        return refuse(t, "an unknown operation");
    }
    if (head) {
        t->at = t->end;
        return true;
    }
    switch (m->type) {
    case 'I':
        return take_tuple(t, &m->new);
    case 'U':
        return take_update(t, m);
    case 'D':
        return take_tuple(t, &m->old);
    default:
        return take_truncate(t, m);
    }
}

static bool
take_xid(struct text *t, uint32_t *xid)
{
    const uint8_t *from = t->at;
    while (t->at < t->end && *t->at >= '0' && *t->at <= '9') {
        t->at++;
    }
    return (plugin_parse_u32(slice_of(from, (size_t)(t->at - from)), xid) && *xid != 0) ||
           refuse(t, "it names no transaction");
}

static bool
take_commit(struct text *t, struct plugin_message *m)
{
    m->type = 'C';
    if (!take_xid(t, &m->xid)) {
        return false;
    }
    if (!skip(t, " (at ")) {
        return true;
    }
    if (t->at == t->end || t->end[-1] != ')' ||
        !plugin_parse_time(slice_of(t->at, (size_t)(t->end - 1 - t->at)), &m->us)) {
        return refuse(t, "a time is not understood");
    }
    t->at = t->end;
    return true;
}

/* The prefix is not quoted: the size tells where it ends. */
static bool
take_message(struct text *t, struct plugin_message *m)
{
    m->type = 'M';
    m->transactional = looks_at(t, "1 ");
    if (!skip(t, "1 prefix: ") && !skip(t, "0 prefix: ")) {
        return refuse(t, "a message without prefix");
    }
    for (const uint8_t *from = t->at; t->at < t->end; t->at++) {
        struct text size = *t;
        uint32_t len;
        if (!skip(&size, ", sz: ")) {
            continue;
        }
        const uint8_t *digits = size.at;
        while (size.at < size.end && *size.at >= '0' && *size.at <= '9') {
            size.at++;
        }
        struct slice number = slice_of(digits, (size_t)(size.at - digits));
        if (skip(&size, " content:") && plugin_parse_u32(number, &len) &&
            (size_t)(size.end - size.at) == len) {
            m->prefix = slice_of(from, (size_t)(t->at - from));
            m->content = slice_of(size.at, len);
            t->at = t->end;
            return true;
        }
    }
    return refuse(t, "a message without its size");
}

static bool
take(struct text *t, bool head, struct plugin_message *m)
{
    if (skip(t, "table ")) {
        return take_change(t, head, m);
    }
    if (skip(t, "BEGIN ")) {
        m->type = 'B';
        return take_xid(t, &m->xid);
    }
    if (skip(t, "COMMIT ")) {
        return take_commit(t, m);
    }
    if (skip(t, "message: transactional: ")) {
        return take_message(t, m);
    }
    return refuse(t, "it is none that is known");
}

static bool
parse(struct slice bytes, struct arena *arena, bool head, struct plugin_message *m, struct err *err)
{
    *m = (struct plugin_message){0};
    if (bytes.len == 0) {
        return err_set(err, ERR_FATAL, "message of 0 bytes is none of test_decoding");
    }
    struct text t = {
        .start = bytes.data, .at = bytes.data, .end = bytes.data + bytes.len, .arena = arena};
    if (take(&t, head, m) && t.at == t.end) {
        return true;
    }
    if (t.no_memory) {
        return err_set(err, ERR_RETRY, "message of %zu bytes does not fit in memory", bytes.len);
    }
    return err_set(err, ERR_FATAL, "message of %zu bytes is damaged at offset %zu: %s", bytes.len,
        (size_t)(t.at - t.start), t.wrong ? t.wrong : "something stands behind it");
}

bool
test_decoding_parse(
    struct slice bytes, struct arena *arena, struct plugin_message *out, struct err *err)
{
    return parse(bytes, arena, false, out, err);
}

bool
test_decoding_parse_head(
    struct slice bytes, struct arena *arena, struct plugin_message *out, struct err *err)
{
    return parse(bytes, arena, true, out, err);
}

static bool
test_decoding_open(struct decoder **out, struct err *err)
{
    (void)err;
    *out = plugin_decoder_new(&test_decoding_decoder, test_decoding_parse);
    return true;
}

const struct decoder_ops test_decoding_decoder = {
    .name = "test_decoding",
    .summary = "PostgreSQL logical decoding by the plugin test_decoding",
    .content = 2,
    .open = test_decoding_open,
    .feed = plugin_decoder_feed,
    .reset = plugin_decoder_reset,
    .free = plugin_decoder_free,
};
