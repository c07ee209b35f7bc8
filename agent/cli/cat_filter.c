/* SPDX-License-Identifier: Apache-2.0
 *
 * The end is known at a BEGIN already: the position that it foretells lies below `to` exactly when
 * that of its COMMIT is at or below `to`. SCHEMA records are taken wherever they stand, because
 * what comes later may need them.
 */
#include "agent/cli/cat_filter.h"

#include <string.h>

#include "config/nearest.h"

static const enum change_kind selectable[] = {
    CHANGE_INSERT, CHANGE_UPDATE, CHANGE_DELETE, CHANGE_TRUNCATE, CHANGE_MESSAGE};

enum { SELECTABLE_LEN = sizeof selectable / sizeof *selectable };

static bool
add_kind(const char *word, size_t len, unsigned *out, struct err *err)
{
    char name[32];
    if (len >= sizeof name) {
        len = sizeof name - 1;
    }
    memcpy(name, word, len);
    name[len] = '\0';
    struct nearest near;
    nearest_init(&near, name);
    for (size_t i = 0; i < SELECTABLE_LEN; i++) {
        const char *known = change_kind_name(selectable[i]);
        if (strcmp(known, name) == 0) {
            *out |= 1u << selectable[i];
            return true;
        }
        nearest_offer(&near, known);
    }
    (void)err_set(err, ERR_CONFIG, "'%s' is no kind of change", name);
    return near.best ? err_hint(err, "did you mean '%s'?", near.best)
                     : err_hint(err, "insert, update, delete, truncate and message are");
}

bool
cat_filter_kinds(const char *text, unsigned *out, struct err *err)
{
    unsigned kinds = 0;
    for (;;) {
        size_t len = strcspn(text, ",");
        if (!add_kind(text, len, &kinds, err)) {
            return false;
        }
        if (text[len] == '\0') {
            *out = kinds;
            return true;
        }
        text += len + 1;
    }
}

static bool
beyond(const struct cat_filter *f, const struct record *rec)
{
    if (f->to == 0) {
        return false;
    }
    if (rec->kind == RECORD_BEGIN) {
        return rec->position >= f->to;
    }
    return (rec->kind == RECORD_MARK || rec->kind == RECORD_COMMIT) && rec->position > f->to;
}

enum cat_verdict
cat_filter_record(struct cat_filter *f, const struct record *rec)
{
    if (beyond(f, rec)) {
        return CAT_END;
    }
    if (rec->kind == RECORD_SCHEMA) {
        return CAT_TAKE;
    }
    if (rec->kind == RECORD_MARK) {
        return f->has_xid || cat_filter_is_partial(f) ? CAT_SKIP : CAT_TAKE;
    }
    if (rec->kind == RECORD_BEGIN) {
        f->skipping = f->has_xid && rec->xid != f->xid;
    }
    enum cat_verdict verdict = f->skipping ? CAT_SKIP : CAT_TAKE;
    if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_DISCARD) {
        f->skipping = false;
    }
    return verdict;
}

bool
cat_filter_is_partial(const struct cat_filter *f)
{
    return f->kinds != 0 || f->tables.include_len > 0;
}

static bool
table_wanted(const struct cat_filter *f, const struct relation *r)
{
    return table_filter_match(&f->tables, r->schema, r->name);
}

bool
cat_filter_change(const struct cat_filter *f, const struct change *c)
{
    if (f->kinds != 0 && !(f->kinds & (1u << c->kind))) {
        return false;
    }
    if (f->tables.include_len == 0) {
        return true;
    }
    if (c->kind == CHANGE_TRUNCATE) {
        for (uint32_t i = 0; i < c->truncated_len; i++) {
            if (table_wanted(f, c->truncated[i])) {
                return true;
            }
        }
        return false;
    }
    return c->relation != NULL && table_wanted(f, c->relation);
}
