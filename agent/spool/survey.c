/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the names. What does not have the exact form of one of ours is unknown, also a
 * number with fewer digits: nobody reads such a file.
 */
#include "agent/spool/survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/spool/side.h"

static void *
grow(void *items, size_t len, size_t *cap, size_t size)
{
    if (len < *cap) {
        return items;
    }
    *cap = *cap ? *cap * 2 : 64;
    return x_realloc(items, *cap * size);
}

static void
push(struct survey_list *l, uint64_t number)
{
    l->items = grow(l->items, l->len, &l->cap, sizeof(*l->items));
    l->items[l->len++] = number;
}

static bool
take_side(struct survey *s, const char *name)
{
    struct survey_side side = {.known = false};
    if (!side_name_parse(name, &side.segment, &side.serial)) {
        return false;
    }
    s->sides = grow(s->sides, s->sides_len, &s->sides_cap, sizeof(*s->sides));
    s->sides[s->sides_len++] = side;
    return true;
}

static int
on_name(const char *name, void *arg)
{
    struct survey *s = arg;
    uint64_t number;
    bool tmp;
    if (segment_name_parse(name, &tmp, &number)) {
        push(tmp ? &s->unfinished : &s->segments, number);
    } else if (strcmp(name, "lock") != 0 && !take_side(s, name)) {
        s->unknown = grow(s->unknown, s->unknown_len, &s->unknown_cap, sizeof(*s->unknown));
        snprintf(s->unknown[s->unknown_len++], sizeof(*s->unknown), "%s", name);
    }
    return 0;
}

static int
compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int
by_number(const void *a, const void *b)
{
    return compare_u64(*(const uint64_t *)a, *(const uint64_t *)b);
}

static int
by_place(const void *a, const void *b)
{
    const struct survey_side *x = a, *y = b;
    int c = compare_u64(x->segment, y->segment);
    return c != 0 ? c : compare_u64(x->serial, y->serial);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void
sort(void *items, size_t len, size_t size, int (*order)(const void *, const void *))
{
    if (len > 1) {
        qsort(items, len, size, order);
    }
}

bool
survey_read(const struct fs *fs, const char *path, struct survey *out, struct err *err)
{
    *out = (struct survey){0};
    int rc = fs->list(fs, path, on_name, out);
    if (rc == -ENOENT) {
        (void)err_set(err, ERR_CONFIG, "there is no spool at '%s'", path);
        return err_hint(err, "give its directory, or -c FILE or --dir DIR of the migration");
    }
    sort(out->segments.items, out->segments.len, sizeof(uint64_t), by_number);
    sort(out->unfinished.items, out->unfinished.len, sizeof(uint64_t), by_number);
    sort(out->sides, out->sides_len, sizeof(*out->sides), by_place);
    sort(out->unknown, out->unknown_len, sizeof(*out->unknown), by_name);
    return rc >= 0 || segment_io(err, rc, "list spool", path);
}

void
survey_done(struct survey *s)
{
    x_free(s->segments.items);
    x_free(s->unfinished.items);
    x_free(s->sides);
    x_free(s->unknown);
    *s = (struct survey){0};
}

struct survey_side *
survey_find_side(struct survey *s, uint64_t segment, uint64_t serial)
{
    struct survey_side key = {.segment = segment, .serial = serial};
    return s->sides_len == 0 ? NULL
                             : bsearch(&key, s->sides, s->sides_len, sizeof(*s->sides), by_place);
}
