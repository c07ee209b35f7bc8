/* SPDX-License-Identifier: Apache-2.0
 *
 * The change of a letter is decoded here, from the records that the document holds.
 */
#include "agent/cli/letters_view.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/cli/change_json.h"
#include "agent/cli/column_mask.h"
#include "agent/pipeline/letter.h"

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static long long
id_of(const json_t *o)
{
    return (long long)json_integer_value(json_object_get(o, "id"));
}

void
letters_view_list(struct buf *out, const json_t *letters)
{
    for (size_t i = 0; i < json_array_size(letters); i++) {
        const json_t *l = json_array_get(letters, i);
        const char *key = text_of(l, "key"), *state = text_of(l, "sqlstate");
        buf_printf(out, "%-6lld %s  %s  %s  %s %s", id_of(l), text_of(l, "sink"),
            text_of(l, "position"), text_of(l, "time"), text_of(l, "operation"),
            text_of(l, "relation"));
        if (key[0]) {
            buf_str(out, " key (");
            buf_str(out, key);
            buf_str(out, ")");
        }
        buf_str(out, "\n       ");
        buf_str(out, text_of(l, "error"));
        buf_printf(out, "%s%s%s\n", state[0] ? " [" : "", state, state[0] ? "]" : "");
    }
}

static int
digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_bytes(const char *hex, struct buf *out)
{
    for (; hex[0] && hex[1]; hex += 2) {
        int high = digit(hex[0]), low = digit(hex[1]);
        if (high < 0 || low < 0) {
            return false;
        }
        buf_u8(out, (uint8_t)(high * 16 + low));
    }
    return hex[0] == '\0' && !out->failed;
}

/* The position of a letter is that of its change, whose number the decoder does not know. */
static void
place(struct change *c, const char *position)
{
    const char *plus = strchr(position, '+');
    uint64_t ordinal = 0;
    if (plus && parse_u64(plus + 1, 0, UINT32_MAX, &ordinal)) {
        c->position.ordinal = (uint32_t)ordinal;
    }
}

static bool
write_change(struct buf *out, const json_t *letter, const struct buf *body,
    struct column_mask *mask, struct err *err)
{
    const char *name = text_of(letter, "decoder");
    const struct decoder_ops *ops = decoder_find(name[0] ? name : "pgoutput");
    struct decoder *decoder = NULL;
    struct change c;
    if (!ops || !ops->open(&decoder, err)) {
        return false;
    }
    bool ok = letter_decode(decoder, slice_of(body->data, body->len), &c, err);
    if (ok) {
        place(&c, text_of(letter, "position"));
        change_json_write_masked(out, &c, mask);
    }
    decoder_free(decoder);
    return ok;
}

bool
letters_view_change(
    struct buf *out, const json_t *letter, struct column_mask *mask, struct err *err)
{
    struct buf body;
    buf_init(&body, LETTER_MAX);
    if (!read_bytes(text_of(letter, "body"), &body)) {
        buf_done(&body);
        return err_set(err, ERR_FATAL, "dead letter %lld is not understood", id_of(letter));
    }
    json_t *rest = json_copy((json_t *)(uintptr_t)letter);
    json_object_del(rest, "body");
    json_object_del(rest, "decoder");
    if (mask) {
        json_object_set_new(rest, "key", json_string_nocheck("***"));
        json_object_set_new(rest, "error", json_string_nocheck("***"));
    }
    char *text = json_dumps(rest, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    buf_bytes(out, text, len > 0 ? len - 1 : 0); /* without the last brace */
    buf_str(out, ",\"change\":");
    bool ok = write_change(out, letter, &body, mask, err);
    buf_str(out, "}\n");
    free(text);
    json_decref(rest);
    buf_done(&body);
    return ok && buf_ok(out, "write a change as JSON", err);
}

void
letters_view_results(struct buf *out, const json_t *results, size_t *applied, size_t *kept)
{
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *r = json_array_get(results, i);
        if (json_is_true(json_object_get(r, "applied"))) {
            ++*applied;
            continue;
        }
        ++*kept;
        const char *state = text_of(r, "sqlstate");
        buf_printf(out, "kept %lld: ", id_of(r));
        buf_str(out, text_of(r, "error"));
        buf_printf(out, "%s%s%s\n", state[0] ? " [" : "", state, state[0] ? "]" : "");
    }
}
