/* SPDX-License-Identifier: Apache-2.0
 *
 * Goes down the tree with the path of the table beside it ("copy.jobs", "sinks[].dsn"). Defaults
 * are laid down before the file is, so that a field is never without a value and needs no flag "was
 * given".
 */
#include "config/bind.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "config/nearest.h"
#include "config/value.h"

#define PATH_SIZE 128

/* The place in the configuration that the members of a mapping go to. */
struct scope {
    const char *section; /* "", "copy", "sinks[]" */
    void *base;
    struct mark *at; /* by option_index */
};

static bool bind_members(
    struct bind *b, const struct document_node *map, const struct scope *s, struct err *err);

/* Puts "file:line:column: " before an error that value.c or secret.c made. */
static bool
locate(const struct bind *b, struct mark at, struct err *err)
{
    return err_wrap(err, "%s:%u:%u", b->file, at.line, at.column);
}

static bool
bind_text(struct bind *b, const struct option *o, const struct scope *s,
    const struct document_node *n, struct err *err)
{
    bool secret = (o->flags & OPTION_SECRET) != 0;
    if (document_is_empty(n)) {
        document_error(err, b->file, n->at, "'%s' has no value", o->path);
        return err_hint(err, "leave the line out to have the default");
    }
    bool key = strncmp(o->path, "spool.", 6) == 0;
    if (secret && b->skip_secrets && !(b->keys && key) && secret_has_reference(n->text)) {
        return true;
    }
    struct buf text;
    buf_init(&text, 2 * SECRET_MAX);
    bool ok = buf_reserve(&text, SECRET_MAX + 1) != NULL &&
              secret_expand(n->text, secret, b->secrets, &text, err);
    if (!ok) {
        err_wrap(err, "'%s'", o->path);
    } else if (o->type == OPTION_LIST) {
        ok = value_append(o, s->base, buf_cstr(&text), n->text, err);
    } else {
        ok = value_set(o, s->base, buf_cstr(&text), n->text, err);
    }
    secret_wipe(&text);
    return ok ? true : locate(b, n->at, err);
}

static bool
bind_list(struct bind *b, const struct option *o, const struct scope *s,
    const struct document_node *n, struct err *err)
{
    if (n->kind != DOCUMENT_LIST) {
        document_error(err, b->file, n->at, "'%s' must be a list", o->path);
        return err_hint(err, "write [a, b], or one line with '- ' for each entry");
    }
    for (const struct document_node *e = n->first; e; e = e->next) {
        if (e->kind != DOCUMENT_SCALAR) {
            return document_error(err, b->file, e->at, "'%s' is a list of texts", o->path);
        }
        if (!bind_text(b, o, s, e, err)) {
            return false;
        }
    }
    return true;
}

static bool
bind_option(struct bind *b, const struct option *o, const struct scope *s,
    const struct document_node *n, struct err *err)
{
    if (o->flags & OPTION_PLANNED) {
        document_error(err, b->file, n->key_at, "'%s' is not available in this version", o->path);
        return err_hint(err, "take the line out");
    }
    s->at[option_index(o)] = n->at;
    if (o->type == OPTION_LIST) {
        return bind_list(b, o, s, n, err);
    }
    if (n->kind != DOCUMENT_SCALAR) {
        return document_error(err, b->file, n->at, "'%s' must be a single value", o->path);
    }
    return bind_text(b, o, s, n, err);
}

static bool
bind_sinks(struct bind *b, const struct document_node *n, struct err *err)
{
    if (document_is_empty(n)) {
        return true;
    }
    if (n->kind != DOCUMENT_LIST) {
        document_error(err, b->file, n->at, "'sinks' must be a list");
        return err_hint(err, "each sink begins with '- name: ...'");
    }
    for (const struct document_node *e = n->first; e; e = e->next) {
        size_t i = b->config->sinks_len;
        struct sink_config *sink = bind_new_sink(b->config);
        if (!sink) {
            return document_error(err, b->file, e->at, "more than %d sinks", CONFIG_SINKS_MAX);
        }
        b->marks->sink[i] = e->at;
        if (e->kind != DOCUMENT_MAP) {
            document_error(err, b->file, e->at, "a sink must be a mapping with a name");
            return err_hint(err, "each sink begins with '- name: ...'");
        }
        struct scope s = {"sinks[]", sink, b->marks->sink_at[i]};
        if (!bind_members(b, e, &s, err)) {
            return false;
        }
    }
    return true;
}

static bool
bind_section(struct bind *b, const char *section, const struct document_node *n, struct err *err)
{
    struct scope s = {section, b->config, b->marks->at};
    if (document_is_empty(n)) {
        return true; /* all its lines are comments */
    }
    if (n->kind != DOCUMENT_MAP) {
        return document_error(err, b->file, n->at, "'%s' must be a mapping of options", section);
    }
    return bind_members(b, n, &s, err);
}

static bool
path_join(char out[PATH_SIZE], const char *section, const char *key)
{
    int n = snprintf(out, PATH_SIZE, "%s%s%s", section, *section ? "." : "", key);
    return n > 0 && n < PATH_SIZE;
}

/* Offers the names that may stand in `section`: options and, at the top, sections. */
static void
offer_keys(struct nearest *near, const char *section)
{
    size_t len = strlen(section);
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (option_section_len(o) == len && strncmp(o->path, section, len) == 0) {
            nearest_offer(near, option_key(o));
        }
    }
    for (size_t i = 0; i < option_section_count && len == 0; i++) {
        const char *name = option_sections[i].path;
        nearest_offer(near, strcmp(name, "sinks[]") == 0 ? "sinks" : name);
    }
}

/* An option of that very name in another section; NULL when none or when it is not the only one. */
static const struct option *
elsewhere(const char *key)
{
    const struct option *found = NULL;
    for (size_t i = 0; i < option_count; i++) {
        if (strcmp(option_key(&option_table[i]), key) == 0) {
            if (found) {
                return NULL;
            }
            found = &option_table[i];
        }
    }
    return found;
}

static bool
unknown_key(struct bind *b, const char *section, const struct document_node *n, struct err *err)
{
    struct nearest near;
    nearest_init(&near, n->key);
    offer_keys(&near, section);
    const struct option *other = elsewhere(n->key);
    char place[PATH_SIZE + 16] = "";
    if (*section) {
        snprintf(place, sizeof(place), " in '%s'", section);
    }
    if (option_find(n->key)) {
        document_error(err, b->file, n->key_at,
            "unknown key '%s'%s, did you mean '%s' below '%.*s:'?", n->key, place,
            option_key(option_find(n->key)), (int)strcspn(n->key, ".["), n->key);
    } else if (near.best) {
        document_error(err, b->file, n->key_at, "unknown key '%.80s'%s, did you mean '%s'?", n->key,
            place, near.best);
    } else if (other) {
        document_error(err, b->file, n->key_at, "unknown key '%.80s'%s, did you mean '%s'?", n->key,
            place, other->path);
    } else {
        document_error(err, b->file, n->key_at, "unknown key '%.80s'%s", n->key, place);
    }
    return err_hint(err, "'tidegate config reference' lists every option");
}

static bool
bind_members(
    struct bind *b, const struct document_node *map, const struct scope *s, struct err *err)
{
    for (const struct document_node *n = map->first; n; n = n->next) {
        char path[PATH_SIZE];
        bool ok;
        bool fits = path_join(path, s->section, n->key);
        const struct option *o = fits ? option_find(path) : NULL;
        if (o && strchr(n->key, '.') == NULL) {
            ok = bind_option(b, o, s, n, err);
        } else if (fits && strcmp(path, "sinks") == 0) {
            ok = bind_sinks(b, n, err);
        } else if (fits && *path && strcmp(path, "sinks[]") != 0 && option_section_exists(path)) {
            ok = bind_section(b, path, n, err);
        } else {
            ok = unknown_key(b, s->section, n, err);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool
bind_document(struct bind *b, const struct document *d, struct err *err)
{
    struct scope top = {"", b->config, b->marks->at};
    if (!d->root || document_is_empty(d->root)) {
        return true;
    }
    if (d->root->kind != DOCUMENT_MAP) {
        document_error(err, b->file, d->root->at, "the file must be a mapping of options");
        return err_hint(err, "'tidegate config example' prints one to start from");
    }
    return bind_members(b, d->root, &top, err);
}

void
bind_defaults(struct config *c)
{
    for (size_t i = 0; i < option_count; i++) {
        if (!option_of_sink(&option_table[i])) {
            value_set_default(&option_table[i], c);
        }
    }
}

struct sink_config *
bind_new_sink(struct config *c)
{
    if (c->sinks_len >= CONFIG_SINKS_MAX) {
        return NULL;
    }
    struct sink_config *sink = &c->sinks[c->sinks_len++];
    for (size_t i = 0; i < option_count; i++) {
        if (option_of_sink(&option_table[i])) {
            value_set_default(&option_table[i], sink);
        }
    }
    return sink;
}
