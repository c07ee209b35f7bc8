/* SPDX-License-Identifier: Apache-2.0
 *
 * Hands the plugins' names to the configuration, which itself knows none.
 */
#include "agent/cli/common.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/source/source.h"
#include "config/describe.h"
#include "config/load.h"
#include "sinks/sink.h"

enum { TYPES_MAX = 32 };

static void
sink_names(const char *out[TYPES_MAX])
{
    const struct sink_ops *const *all = sink_all();
    size_t n = 0;
    for (; all[n] && n + 1 < TYPES_MAX; n++) {
        out[n] = all[n]->name;
    }
    out[n] = NULL;
}

static void
source_names(const char *out[TYPES_MAX])
{
    const struct source_ops *const *all = source_all();
    size_t n = 0;
    for (; all[n] && n + 1 < TYPES_MAX; n++) {
        out[n] = all[n]->name;
    }
    out[n] = NULL;
}

void
common_help_file(FILE *to)
{
    struct buf b;
    buf_init(&b, DESCRIBE_MAX);
    describe_help(&b);
    fprintf(to, "\nIn the configuration file (`tidegate config reference` tells all):\n%s",
        buf_cstr(&b));
    buf_done(&b);
}

static bool
load(const struct common_args *c, bool client_only, bool keys, struct config **out, struct err *err)
{
    const char *sinks[TYPES_MAX], *sources[TYPES_MAX];
    sink_names(sinks);
    source_names(sources);
    struct config_input in = {
        .file = c->config,
        .source = c->source,
        .target = c->target,
        .dir = c->dir,
        .name = c->name,
        .sink_types = sinks,
        .source_types = sources,
        .client_only = client_only,
        .keys = keys,
    };
    return config_load(&in, out, err);
}

bool
common_load(const struct common_args *c, bool client_only, struct config **out, struct err *err)
{
    return load(c, client_only, false, out, err);
}

bool
common_load_keys(const struct common_args *c, struct config **out, struct err *err)
{
    return load(c, true, true, out, err);
}

static void
wipe(char **s)
{
    if (*s) {
        explicit_bzero(*s, strlen(*s));
        x_free(*s);
        *s = NULL;
    }
}

void
common_done(struct common_args *c)
{
    wipe(&c->source);
    wipe(&c->target);
}
