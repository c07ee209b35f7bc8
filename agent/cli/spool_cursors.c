/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent that does not answer is not an error: then its last words count.
 */
#include "agent/cli/spool_cursors.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "agent/control/client.h"
#include "agent/spool/spool.h"
#include "agent/store/peek.h"
#include "agent/store/store.h"

#define CURSOR_PREFIX "cursor_"

static struct spool_cursor *
add(struct spool_cursors *c, const char *name)
{
    struct spool_cursor *k = &c->sinks[c->sinks_len++];
    *k = (struct spool_cursor){.position = 0};
    snprintf(k->name, sizeof k->name, "%s", name);
    return k;
}

static bool
from_agent(const struct config *config, struct spool_cursors *out)
{
    struct err err = ERR_INIT;
    struct client *client = NULL;
    bool no_agent = false;
    if (!client_open(config->control.socket, &client, &err)) {
        return false;
    }
    struct agent_status *s = x_zalloc(sizeof *s);
    bool ok = client_status(client, s, &no_agent, &err);
    client_close(client);
    if (ok) {
        out->from = CURSORS_AGENT;
        out->durable = s->spool.durable;
        for (size_t i = 0; i < s->sinks_len && i < CONFIG_SINKS_MAX; i++) {
            add(out, s->sinks[i].name)->position = s->sinks[i].durable_position;
        }
    }
    x_free(s);
    return ok;
}

static void
on_cursor(const char *key, const char *value, void *arg)
{
    struct spool_cursors *c = arg;
    uint64_t position;
    if (c->sinks_len < CONFIG_SINKS_MAX &&
        (parse_u64(value, 0, UINT64_MAX, &position) || parse_lsn(value, &position))) {
        add(c, key + strlen(CURSOR_PREFIX))->position = position;
    }
}

static void
on_durable(const char *key, const char *value, void *arg)
{
    struct spool_cursors *c = arg;
    if (strcmp(key, STORE_SPOOL_DURABLE) == 0) {
        (void)parse_u64(value, 0, UINT64_MAX, &c->durable);
    }
}

void
spool_cursors_read(const struct config *config, struct spool_cursors *out)
{
    bool found = false;
    *out = (struct spool_cursors){.from = CURSORS_UNKNOWN};
    if (from_agent(config, out)) {
        return;
    }
    if (store_peek(config->dir, CURSOR_PREFIX, on_cursor, out, &found, &out->problem) && found &&
        store_peek(config->dir, STORE_SPOOL_DURABLE, on_durable, out, &found, &out->problem)) {
        out->from = CURSORS_STORE;
    }
}

static bool
measure_one(struct spool *spool, struct spool_cursor *k, struct err *err)
{
    struct spool_stats stats;
    struct spool_reader *reader = NULL;
    struct record rec;
    bool got = false;
    spool_stats(spool, &stats);
    if (k->position == 0 || k->position < stats.oldest) {
        return true;
    }
    if (!spool_reader_open(spool, k->position, &reader, err)) {
        return false;
    }
    k->behind = spool_reader_behind(reader);
    /* What has been read may end in the middle of a block: is there anything more at all? */
    bool ok = spool_reader_next(reader, &rec, &got, err);
    while (ok && got && rec.kind == RECORD_SCHEMA) {
        ok = spool_reader_next(reader, &rec, &got, err);
    }
    k->behind = got ? k->behind : 0;
    k->has_behind = ok;
    spool_reader_close(reader);
    return ok;
}

bool
spool_cursors_measure(struct spool_cursors *c, const struct spool_options *o, struct err *err)
{
    struct spool *spool = NULL;
    bool ok = c->sinks_len == 0 || spool_open(o, &spool, err);
    for (size_t i = 0; ok && i < c->sinks_len; i++) {
        ok = measure_one(spool, &c->sinks[i], err);
    }
    spool_close(spool);
    return ok;
}
