/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers are cut after a number of letters, so that no request takes for ever; a caller goes on at
 * "next".
 */
#include "agent/control/letters_json.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/base/parse.h"

enum { LIST_MAX = 1000, REPLAY_MAX = 100 };

struct answer {
    struct json_writer w;
    bool body;
    const char *decoder; /* of the bodies */
    struct position last;
};

/* "16/B374D848+17" */
static bool
read_position(const char *text, struct position *out)
{
    char lsn[40];
    const char *plus = strchr(text, '+');
    uint64_t ordinal = 0;
    size_t len = plus ? (size_t)(plus - text) : strlen(text);
    if (len >= sizeof lsn || (plus && !parse_u64(plus + 1, 0, UINT32_MAX, &ordinal))) {
        return false;
    }
    memcpy(lsn, text, len);
    lsn[len] = '\0';
    out->ordinal = (uint32_t)ordinal;
    return parse_lsn(lsn, &out->commit);
}

static bool
read_choice(const struct params *p, struct letter_choice *c, struct err *err)
{
    const char *id = NULL, *after = NULL;
    if (!params_text(p, "sink", &c->sink, err) || !params_text(p, "id", &id, err) ||
        !params_text(p, "after", &after, err) || !params_bool(p, "body", &c->body, err)) {
        return false;
    }
    if (id && !parse_u64(id, 1, INT64_MAX, &c->id)) {
        return err_set(err, ERR_CONFIG, "'%s' is not the number of a dead letter", id);
    }
    if (after && !read_position(after, &c->after)) {
        return err_set(err, ERR_CONFIG, "'%s' is not a position", after);
    }
    return true;
}

static void
write_name(struct json_writer *w, const struct letter *l)
{
    char at[POSITION_SIZE];
    json_kv_u64(w, "id", l->id);
    json_kv_string(w, "sink", l->sink);
    json_kv_string(w, "position", position_format(l->position, at));
    json_kv_string(w, "relation", l->relation);
    json_kv_string(w, "operation", l->operation);
}

static void
write_bytes(struct json_writer *w, struct slice s)
{
    static const char digits[] = "0123456789abcdef";
    struct buf hex;
    buf_init(&hex, 2 * s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        buf_u8(&hex, (uint8_t)digits[s.data[i] >> 4]);
        buf_u8(&hex, (uint8_t)digits[s.data[i] & 15]);
    }
    json_string_n(w, hex.data, hex.len);
    buf_done(&hex);
}

static bool
write_letter(const struct letter_view *v, void *arg, struct err *err)
{
    (void)err;
    struct answer *a = arg;
    const struct letter *l = v->letter;
    char iso[CLOCK_ISO_SIZE];
    json_object_begin(&a->w);
    write_name(&a->w, l);
    json_kv_u64(&a->w, "xid", l->xid);
    clock_format_iso(l->parked_us, iso);
    json_kv_string(&a->w, "time", iso);
    json_key(&a->w, "key");
    json_string_n(&a->w, v->key.data, v->key.len);
    json_kv_string(&a->w, "sqlstate", l->sqlstate[0] ? l->sqlstate : NULL);
    json_key(&a->w, "error");
    json_string_n(&a->w, v->error.data, v->error.len);
    if (a->body) {
        json_kv_string(&a->w, "decoder", a->decoder);
        json_key(&a->w, "body");
        write_bytes(&a->w, v->body);
    }
    json_object_end(&a->w);
    a->last = l->position;
    return true;
}

static void
begin(struct answer *a, struct buf *out, const char *list)
{
    json_init(&a->w, out);
    json_object_begin(&a->w);
    json_key(&a->w, list);
    json_array_begin(&a->w);
}

static void
end(struct answer *a, bool more)
{
    char at[POSITION_SIZE];
    json_array_end(&a->w);
    json_kv_string(&a->w, "next", more ? position_format(a->last, at) : NULL);
    json_object_end(&a->w);
}

/* Positions are those of one sink: without its name the answer is not cut. */
static uint32_t
most(const struct letter_choice *c, uint32_t limit)
{
    return c->sink ? limit : UINT32_MAX;
}

bool
letters_list(const struct letter_desk *d, const struct params *p, struct buf *out, struct err *err)
{
    struct letter_choice c = {0};
    bool more = false;
    if (!read_choice(p, &c, err)) {
        return false;
    }
    c.max = most(&c, LIST_MAX);
    const struct decoder_ops *decoder = c.body ? letter_desk_decoder(d, err) : NULL;
    if (c.body && !decoder) {
        return false;
    }
    struct answer a = {.body = c.body, .decoder = decoder ? decoder->name : NULL};
    begin(&a, out, "letters");
    bool ok = letter_desk_list(d, &c, &more, write_letter, &a, err);
    end(&a, more);
    return ok && buf_ok(out, "list of dead letters", err);
}

bool
letters_drop(const struct letter_desk *d, const struct params *p, struct buf *out, struct err *err)
{
    struct letter_choice c = {0};
    bool removed = false;
    if (!read_choice(p, &c, err)) {
        return false;
    }
    if (c.id == 0) {
        return err_set(err, ERR_CONFIG, "parameter 'id' is missing");
    }
    if (!letters_remove(d->store, c.id, &removed, err)) {
        return false;
    }
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_bool(&w, "dropped", removed);
    json_object_end(&w);
    return true;
}

static void
write_result(const struct letter *l, const struct err *why, void *arg)
{
    struct answer *a = arg;
    json_object_begin(&a->w);
    write_name(&a->w, l);
    json_kv_bool(&a->w, "applied", !why);
    json_kv_string(&a->w, "sqlstate", why && why->sqlstate[0] ? why->sqlstate : NULL);
    json_kv_string(&a->w, "error", why ? why->text : NULL);
    json_kv_string(&a->w, "hint", why && why->hint[0] ? why->hint : NULL);
    json_object_end(&a->w);
    a->last = l->position;
}

bool
letters_replay(
    const struct letter_desk *d, const struct params *p, struct buf *out, struct err *err)
{
    struct letter_choice c = {0};
    bool more = false;
    if (!read_choice(p, &c, err)) {
        return false;
    }
    if (!c.sink) {
        return err_set(err, ERR_CONFIG, "parameter 'sink' is missing");
    }
    c.max = REPLAY_MAX;
    struct answer a = {0};
    begin(&a, out, "results");
    bool ok = letter_desk_replay(d, &c, &more, write_result, &a, err);
    end(&a, more);
    return ok && buf_ok(out, "results of a replay", err);
}
