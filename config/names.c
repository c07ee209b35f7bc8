/* SPDX-License-Identifier: Apache-2.0
 *
 * Origins are named once for a whole server, so two sinks in one server must not share a name.
 */
#include "config/names.h"

#include <stdio.h>

void
origin_name(const struct config *config, size_t sink, char *out, size_t cap)
{
    if (sink == 0) {
        snprintf(out, cap, "%s", config->source.slot);
    } else {
        origin_name_later(config, sink, out, cap);
    }
}

void
origin_name_later(const struct config *config, size_t sink, char *out, size_t cap)
{
    snprintf(out, cap, "%s_%s", config->source.slot, config->sinks[sink].name);
}

const char *
plugin_name(enum plugin p)
{
    switch (p) {
    case PLUGIN_PGOUTPUT:
        break;
    case PLUGIN_WAL2JSON:
        return "wal2json";
    case PLUGIN_TEST_DECODING:
        return "test_decoding";
    }
    return "pgoutput";
}
