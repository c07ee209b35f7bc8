/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules that concern more than one value, or that only the whole configuration can answer. Runs
 * when everything is filled in; what a single row can say was checked by value.c before.
 */
#ifndef TG_CONFIG_VALIDATE_H
#define TG_CONFIG_VALIDATE_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "config/bind.h"
#include "config/config.h"

struct validate {
    const char *file; /* name for messages; NULL: there is none */
    const struct config_marks *marks;
    const char *const *sink_types, *const *source_types; /* NULL-terminated; NULL: not checked */
    bool client_only;                                    /* source and sinks may be missing */
};

bool validate_config(const struct validate *v, const struct config *c, struct err *err) must_use;

#endif
