/* SPDX-License-Identifier: Apache-2.0
 *
 * What both parsers need. Dates are counted in the proleptic Gregorian calendar, as PostgreSQL
 * does.
 */
#include "decoders/plugin_message.h"

#include <string.h>

#include "agent/base/parse.h"

#define FIRST_COLUMNS 16
#define TEXT_MAX      64

struct plugin_column *
plugin_add_column(struct plugin_tuple *t, struct arena *arena)
{
    if (t->len == t->cap) {
        uint32_t cap = t->cap ? 2 * t->cap : FIRST_COLUMNS;
        struct plugin_column *more = arena_alloc(arena, cap * sizeof(*more));
        if (!more) {
            return NULL;
        }
        if (t->len > 0) {
            memcpy(more, t->columns, t->len * sizeof(*more));
        }
        t->columns = more;
        t->cap = cap;
    }
    t->columns[t->len] = (struct plugin_column){.value.status = VALUE_NULL};
    return &t->columns[t->len++];
}

/* Room doubles where the number of tables is a power of two. */
struct plugin_table *
plugin_add_table(struct plugin_message *m, struct arena *arena)
{
    uint32_t n = m->tables_len;
    if ((n & (n - 1)) == 0) {
        struct plugin_table *more = arena_alloc(arena, (n ? 2U * n : 1U) * sizeof(*more));
        if (!more) {
            return NULL;
        }
        if (n > 0) {
            memcpy(more, m->tables, n * sizeof(*more));
        }
        m->tables = more;
    }
    m->tables[n] = (struct plugin_table){0};
    m->tables_len++;
    return &m->tables[n];
}

static bool
copy_text(struct slice text, char out[TEXT_MAX])
{
    if (text.len >= TEXT_MAX || memchr(text.data, 0, text.len)) {
        return false;
    }
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

bool
plugin_parse_u32(struct slice text, uint32_t *out)
{
    char copy[TEXT_MAX];
    return text.len > 0 && copy_text(text, copy) && parse_u32(copy, out);
}

bool
plugin_parse_lsn(struct slice text, uint64_t *out)
{
    char copy[TEXT_MAX];
    return text.len > 0 && copy_text(text, copy) && parse_lsn(copy, out);
}

/* --- times -------------------------------------------------------------------------------------
 */

struct cursor {
    const char *at;
    bool ok;
};

/* Digits, at least `min` and at most `max`; *n: how many. */
static int64_t
digits(struct cursor *c, int min, int max, int *n)
{
    int64_t v = 0;
    int i = 0;
    for (; i < max && *c->at >= '0' && *c->at <= '9'; i++) {
        v = v * 10 + (*c->at++ - '0');
    }
    c->ok = c->ok && i >= min;
    if (n) {
        *n = i;
    }
    return v;
}

static void
expect(struct cursor *c, char byte)
{
    c->ok = c->ok && *c->at == byte;
    c->at += c->ok ? 1 : 0;
}

/* Days since 1970-01-01. Years begin in March here, so that the leap day is the last one. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t
fraction_us(struct cursor *c)
{
    if (*c->at != '.') {
        return 0;
    }
    c->at++;
    int n = 0;
    int64_t us = digits(c, 1, 6, &n);
    for (; n < 6; n++) {
        us *= 10;
    }
    return us;
}

/* Seconds east of Greenwich. */
static int64_t
offset_s(struct cursor *c)
{
    bool west = *c->at == '-';
    c->ok = c->ok && (west || *c->at == '+');
    c->at += c->ok ? 1 : 0;
    int64_t s = digits(c, 2, 2, NULL) * 3600;
    for (int64_t unit = 60; unit >= 1 && *c->at == ':'; unit /= 60) {
        c->at++;
        s += digits(c, 2, 2, NULL) * unit;
    }
    return west ? -s : s;
}

bool
plugin_parse_time(struct slice text, int64_t *us)
{
    char copy[TEXT_MAX];
    struct cursor c = {copy, true};
    if (!copy_text(text, copy)) {
        return false;
    }
    int64_t year = digits(&c, 4, 6, NULL);
    expect(&c, '-');
    int64_t month = digits(&c, 2, 2, NULL);
    expect(&c, '-');
    int64_t day = digits(&c, 2, 2, NULL);
    expect(&c, ' ');
    int64_t s = digits(&c, 2, 2, NULL) * 3600;
    expect(&c, ':');
    s += digits(&c, 2, 2, NULL) * 60;
    expect(&c, ':');
    s += digits(&c, 2, 2, NULL);
    int64_t fraction = fraction_us(&c);
    s -= offset_s(&c);
    if (!c.ok || *c.at != '\0' || month < 1 || month > 12 || day < 1 || day > 31) {
        return false;
    }
    *us = (days_of(year, month, day) * 86400 + s) * 1000000 + fraction;
    return true;
}
