/* SPDX-License-Identifier: Apache-2.0
 *
 * Which sinks a migration has, decided from those it had and those the configuration names. Pure.
 */
#ifndef TG_PIPELINE_ROSTER_H
#define TG_PIPELINE_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/store/store.h"
#include "config/config.h"

/* The row of that name; NULL: there is none. */
const struct sink_row *roster_find(const struct sink_row *rows, size_t n, const char *name);
bool roster_configured(const struct config *config, const char *name);

/* What may not change while a migration lives. ERR_CONFIG: sinks have come and gone at the same
 * time, which looks like a new name for the same target; or a known one has another type. */
bool roster_check(
    const struct config *config, const struct sink_row *known, size_t n, struct err *err) must_use;

/* A sink at the set-up, number `i` of the configuration. ERR_CONFIG: it wants to begin with a
 * spool that is not there yet. */
bool roster_first(
    const struct config *config, size_t i, struct sink_row *out, struct err *err) must_use;

/* A sink that comes later: its name on the target never depends on the others. `oldest` and
 * `newest`: positions between which the spool can serve it. ERR_CONFIG: it cannot. */
bool roster_later(const struct config *config, size_t i, uint64_t oldest, uint64_t newest,
    struct sink_row *out, struct err *err) must_use;

#endif
