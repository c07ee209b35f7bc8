/* SPDX-License-Identifier: Apache-2.0
 *
 * The list is made source first, then targets, then this machine, and removed in that order: the
 * local state is what tells a later run what was changed on the servers, so it goes last.
 */
#include "agent/cleanup/cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/cleanup/cleanup.intern.h"

struct cleanup_work *
cleanup_add(struct cleanup *c, enum cleanup_place place,
    bool (*remove)(struct cleanup *c, const struct cleanup_work *w, struct err *err),
    const char *fmt, ...)
{
    c->works = x_realloc(c->works, (c->works_len + 1) * sizeof *c->works);
    struct cleanup_work *w = &c->works[c->works_len++];
    *w = (struct cleanup_work){.item.place = place, .item.stays = remove == NULL, .remove = remove};
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(w->item.text, sizeof w->item.text, fmt, ap);
    va_end(ap);
    return w;
}

static bool
open_state(struct cleanup *c, struct err *err)
{
    char *path = x_printf("%s/state.db", c->options.config->dir);
    bool there = access(path, F_OK) == 0;
    x_free(path);
    if (!there) {
        return true;
    }
    if (!store_open(c->options.config->dir, &c->store, err)) {
        return err_wrap(err, "cleanup");
    }
    enum phase phase;
    c->finished = cleanup_phase(c, &phase) && phase == PHASE_DONE;
    return store_sinks(c->store, &c->sinks, &c->sinks_len, err);
}

bool
cleanup_phase(const struct cleanup *c, enum phase *out)
{
    char *name = NULL;
    struct err err = ERR_INIT;
    bool known =
        c->store && store_get(c->store, "phase", &name, &err) && name && phase_parse(name, out);
    x_free(name);
    return known;
}

bool
cleanup_open(const struct cleanup_options *o, struct cleanup **out, struct err *err)
{
    struct cleanup *c = x_zalloc(sizeof *c);
    c->options = *o;
    bool ok = open_state(c, err) && (o->skip_source || cleanup_look_source(c, err)) &&
              (o->skip_target || cleanup_look_targets(c, err)) && cleanup_look_local(c, err);
    if (!ok) {
        cleanup_free(c);
        return false;
    }
    *out = c;
    return true;
}

void
cleanup_free(struct cleanup *c)
{
    if (!c) {
        return;
    }
    PQfinish(c->source);
    for (size_t i = 0; i < CONFIG_SINKS_MAX; i++) {
        PQfinish(c->targets[i]);
    }
    store_close(c->store);
    for (size_t i = 0; i < c->works_len; i++) {
        x_free(c->works[i].path);
    }
    x_free(c->works);
    x_free(c->sinks);
    x_free(c);
}

const struct cleanup_item *
cleanup_item(const struct cleanup *c, size_t i)
{
    return &c->works[i].item;
}

size_t
cleanup_count(const struct cleanup *c)
{
    return c->works_len;
}

bool
cleanup_run(struct cleanup *c,
    void (*report)(const struct cleanup_item *item, const struct err *err, void *arg), void *arg,
    struct err *err)
{
    bool all = true;
    for (size_t i = 0; i < c->works_len; i++) {
        const struct cleanup_work *w = &c->works[i];
        if (!w->remove || (!all && w->item.place == CLEANUP_LOCAL)) {
            continue;
        }
        struct err why = ERR_INIT;
        bool ok = w->remove(c, w, &why);
        report(&w->item, ok ? NULL : &why, arg);
        if (!ok && all) {
            *err = why;
        }
        all = all && ok;
    }
    return all;
}
