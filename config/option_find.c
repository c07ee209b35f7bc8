/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking things up in the option table.
 */
#include <string.h>

#include "config/options.h"

const struct option *
option_find(const char *path)
{
    for (size_t i = 0; i < option_count; i++) {
        if (strcmp(option_table[i].path, path) == 0) {
            return &option_table[i];
        }
    }
    return NULL;
}

size_t
option_index(const struct option *o)
{
    return (size_t)(o - option_table);
}

bool
option_section_exists(const char *path)
{
    for (size_t i = 0; i < option_section_count; i++) {
        if (strcmp(option_sections[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

size_t
option_section_len(const struct option *o)
{
    const char *dot = strrchr(o->path, '.');
    return dot ? (size_t)(dot - o->path) : 0;
}

const char *
option_key(const struct option *o)
{
    const char *dot = strrchr(o->path, '.');
    return dot ? dot + 1 : o->path;
}

bool
option_of_sink(const struct option *o)
{
    return strncmp(o->path, "sinks[].", 8) == 0;
}
