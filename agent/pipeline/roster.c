/* SPDX-License-Identifier: Apache-2.0
 *
 * A sink is known by its name. Its target's record of what it holds goes by the origin, which is
 * given once and stored: the first sink of a migration has the slot's name, all others their own
 * behind it, so that neither order nor the coming and going of others moves it.
 */
#include "agent/pipeline/roster.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/parse.h"
#include "config/names.h"

#define TYPE_POSTGRESQL "postgresql"

const struct sink_row *
roster_find(const struct sink_row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool
roster_configured(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->sinks_len; i++) {
        if (strcmp(config->sinks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool
roster_check(const struct config *config, const struct sink_row *known, size_t n, struct err *err)
{
    const char *gone = NULL, *come = NULL;
    for (size_t i = 0; i < n; i++) {
        gone = gone || roster_configured(config, known[i].name) ? gone : known[i].name;
    }
    for (size_t i = 0; i < config->sinks_len; i++) {
        const struct sink_config *s = &config->sinks[i];
        const struct sink_row *row = roster_find(known, n, s->name);
        come = come || row ? come : s->name;
        if (row && strcmp(row->type, s->type) != 0) {
            err_set(err, ERR_CONFIG, "sink '%s' was of type %s, and the configuration says %s",
                s->name, row->type, s->type);
            return err_hint(err, "give the new one another name");
        }
    }
    if (gone && come) {
        err_set(err, ERR_CONFIG,
            "sink '%s' is gone from the configuration and sink '%s' is new in it, both at once",
            gone, come);
        return err_hint(err,
            "a sink keeps its name for as long as the migration lives; if these are two different "
            "targets, remove one and start, then add the other and start again");
    }
    return true;
}

static bool
fill(const struct sink_config *s, struct sink_row *out)
{
    *out = (struct sink_row){0};
    snprintf(out->name, sizeof(out->name), "%s", s->name);
    snprintf(out->type, sizeof(out->type), "%s", s->type);
    return strcmp(s->type, TYPE_POSTGRESQL) == 0;
}

bool
roster_first(const struct config *config, size_t i, struct sink_row *out, struct err *err)
{
    const struct sink_config *s = &config->sinks[i];
    out->copies = fill(s, out);
    origin_name(config, i, out->origin, sizeof(out->origin));
    if (out->copies && strcmp(s->start, "copy") != 0) {
        err_set(err, ERR_CONFIG, "sink '%s' is to start at '%s', but the migration begins only now",
            s->name, s->start);
        return err_hint(err,
            "remove 'start' from the sink: at the beginning every target gets a copy; a sink that "
            "is added later may start without one");
    }
    return true;
}

static bool
start_at(
    const struct sink_config *s, uint64_t oldest, uint64_t newest, uint64_t *out, struct err *err)
{
    char from[FORMAT_SIZE], to[FORMAT_SIZE];
    if (!parse_lsn(s->start, out)) {
        return err_set(err, ERR_CONFIG, "sink '%s': '%s' is no position", s->name, s->start);
    }
    if (*out < oldest) {
        err_set(err, ERR_CONFIG,
            "sink '%s' is to start at %s, but the oldest position that the spool still holds is %s",
            s->name, s->start, format_lsn(oldest, from));
        return err_hint(err, "bring the target to a later state, or let it start with a copy");
    }
    if (*out > newest) {
        err_set(err, ERR_CONFIG,
            "sink '%s' is to start at %s, but the spool ends at %s: changes between the two would "
            "be left out",
            s->name, s->start, format_lsn(newest, to));
        return err_hint(err,
            "check the position; when it is right, let the agent run until it has passed it "
            "(`tidegate status`), and add the sink then");
    }
    return true;
}

bool
roster_later(const struct config *config, size_t i, uint64_t oldest, uint64_t newest,
    struct sink_row *out, struct err *err)
{
    const struct sink_config *s = &config->sinks[i];
    bool may_copy = fill(s, out);
    origin_name_later(config, i, out->origin, sizeof(out->origin));
    if (strcmp(s->start, "copy") == 0) {
        /* A snapshot taken from now on holds everything that the spool has by now. */
        out->copies = may_copy;
        out->start = newest;
        return true;
    }
    if (strcmp(s->start, "spool") == 0) {
        out->start = oldest;
        return true;
    }
    return start_at(s, oldest, newest, &out->start, err);
}
