/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of sinks: the only place that knows their names.
 */
#include <string.h>

#include "sinks/null/sink.h"
#include "sinks/postgres/sink.h"
#include "sinks/sink.h"

static const struct sink_ops *const all[] = {
    &sink_postgresql_ops,
    &sink_null_ops,
    NULL,
};

const struct sink_ops *
sink_find(const char *name)
{
    for (size_t i = 0; all[i]; i++) {
        if (strcmp(all[i]->name, name) == 0) {
            return all[i];
        }
    }
    return NULL;
}

const struct sink_ops *const *
sink_all(void)
{
    return all;
}
