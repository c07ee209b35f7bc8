/* SPDX-License-Identifier: Apache-2.0
 *
 * The sources that exist. No other file names one.
 */
#include <string.h>

#include "agent/source/source.h"

extern const struct source_ops source_pg_logical;

static const struct source_ops *const sources[] = {
    &source_pg_logical,
    NULL,
};

const struct source_ops *const *
source_all(void)
{
    return sources;
}

const struct source_ops *
source_find(const char *name)
{
    for (size_t i = 0; sources[i]; i++) {
        if (strcmp(sources[i]->name, name) == 0) {
            return sources[i];
        }
    }
    return NULL;
}
