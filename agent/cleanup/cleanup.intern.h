/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the cleanup: cleanup.c (list and order), and one for each place that makes
 * the items of that place and removes them. Nobody else includes this.
 */
#ifndef TG_CLEANUP_CLEANUP_INTERN_H
#define TG_CLEANUP_CLEANUP_INTERN_H

#include <libpq-fe.h>
#include <stdint.h>

#include "agent/cleanup/cleanup.h"
#include "agent/store/store.h"

struct cleanup_work {
    struct cleanup_item item;
    bool (*remove)(
        struct cleanup *c, const struct cleanup_work *w, struct err *err); /* NULL: stays */
    size_t sink;
    uint32_t oid;
    char *path; /* local; owned */
};

struct cleanup {
    struct cleanup_options options;
    struct store *store;    /* NULL: there is no state */
    struct sink_row *sinks; /* as the state has them */
    size_t sinks_len;
    bool finished; /* the cutover is done */
    PGconn *source;
    PGconn *targets[CONFIG_SINKS_MAX];
    struct cleanup_work *works;
    size_t works_len;
};

/* Appends; the text is the printf arguments'. The returned item is valid until the next call. */
struct cleanup_work *cleanup_add(struct cleanup *c, enum cleanup_place place,
    bool (*remove)(struct cleanup *c, const struct cleanup_work *w, struct err *err),
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* One for each place: connects, looks, adds items. */
bool cleanup_look_source(struct cleanup *c, struct err *err) must_use;
bool cleanup_look_targets(struct cleanup *c, struct err *err) must_use;
bool cleanup_look_local(struct cleanup *c, struct err *err) must_use;

#endif
