/* SPDX-License-Identifier: Apache-2.0
 *
 * One named value for each sink: prepare position, sync position and name of each, in decimal and
 * as x with hex digits behind it, all apart by spaces. There are never many: a server can prepare a
 * few hundred.
 */
#include "agent/pipeline/doubts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/parse.h"

#define VALUE_MAX (16U << 20)
#define KEY_SIZE  96

void
doubts_init(struct doubts *d, struct store *store, const char *sink)
{
    *d = (struct doubts){.store = store, .sink = sink};
}

static void
forget(struct doubts *d)
{
    for (size_t i = 0; i < d->len; i++) {
        x_free(d->items[i].gid);
    }
    x_free(d->items);
    d->items = NULL;
    d->len = 0;
}

void
doubts_done(struct doubts *d)
{
    forget(d);
}

static void
add(struct doubts *d, char *gid, uint64_t prepared, uint64_t copied)
{
    d->items = x_realloc(d->items, (d->len + 1) * sizeof *d->items);
    d->items[d->len++] = (struct doubt){.gid = gid, .prepared = prepared, .copied = copied};
}

static int
digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* NULL: it is none. */
static char *
name_of_hex(const char *hex)
{
    size_t len = strlen(hex + 1);
    if (hex[0] != 'x' || len % 2 != 0) {
        return NULL;
    }
    char *out = x_zalloc(len / 2 + 1);
    hex++;
    for (size_t i = 0; i < len; i += 2) {
        int high = digit(hex[i]), low = digit(hex[i + 1]);
        if (high < 0 || low < 0) {
            x_free(out);
            return NULL;
        }
        out[i / 2] = (char)(high * 16 + low);
    }
    return out;
}

static bool
read_all(struct doubts *d, char *text)
{
    char *rest = text, *prepared;
    while ((prepared = strtok_r(rest, " ", &rest))) {
        const char *copied = strtok_r(rest, " ", &rest), *hex = strtok_r(rest, " ", &rest);
        uint64_t p = 0, c = 0;
        char *gid = NULL;
        if (!hex || !parse_u64(prepared, 0, UINT64_MAX, &p) ||
            !parse_u64(copied, 0, UINT64_MAX, &c) || !(gid = name_of_hex(hex))) {
            return false;
        }
        add(d, gid, p, c);
    }
    return true;
}

bool
doubts_load(struct doubts *d, struct err *err)
{
    char key[KEY_SIZE], *text = NULL;
    if (!d->store) {
        return true;
    }
    snprintf(key, sizeof(key), STORE_DOUBTS "%s", d->sink);
    if (!store_get(d->store, key, &text, err)) {
        return false;
    }
    forget(d);
    bool ok = !text || read_all(d, text);
    x_free(text);
    return ok || err_set(err, ERR_FATAL, "state database: '%s' cannot be read", key);
}

static bool
save(const struct doubts *d, struct err *err)
{
    char key[KEY_SIZE];
    struct buf text;
    if (!d->store) {
        return true;
    }
    snprintf(key, sizeof(key), STORE_DOUBTS "%s", d->sink);
    buf_init(&text, VALUE_MAX);
    for (size_t i = 0; i < d->len; i++) {
        const struct doubt *x = &d->items[i];
        buf_printf(&text, "%s%" PRIu64 " %" PRIu64 " x", i ? " " : "", x->prepared, x->copied);
        for (const char *c = x->gid; *c; c++) {
            buf_printf(&text, "%02x", (unsigned)(unsigned char)*c);
        }
    }
    bool ok = buf_ok(&text, key, err) && store_set(d->store, key, buf_cstr(&text), err);
    buf_done(&text);
    return ok;
}

static struct doubt *
find(const struct doubts *d, const char *gid)
{
    for (size_t i = 0; i < d->len; i++) {
        if (strcmp(d->items[i].gid, gid) == 0) {
            return &d->items[i];
        }
    }
    return NULL;
}

const struct doubt *
doubts_find(const struct doubts *d, const char *gid)
{
    return find(d, gid);
}

bool
doubts_put(struct doubts *d, const char *gid, uint64_t prepared, uint64_t copied, struct err *err)
{
    struct doubt *x = find(d, gid);
    if (x) {
        x->prepared = prepared;
        x->copied = copied;
    } else {
        add(d, x_strdup(gid), prepared, copied);
    }
    return save(d, err);
}

bool
doubts_remove(struct doubts *d, const char *gid, struct err *err)
{
    struct doubt *x = find(d, gid);
    if (!x) {
        return true;
    }
    x_free(x->gid);
    *x = d->items[--d->len];
    return save(d, err);
}
