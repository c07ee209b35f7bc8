/* SPDX-License-Identifier: Apache-2.0
 *
 * Materialized views: their content is made on the target, not carried.
 */
#ifndef TG_SNAPSHOT_MATVIEWS_H
#define TG_SNAPSHOT_MATVIEWS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/snapshot/reporter.h"

/* Refreshes those that are populated on the source and exist on the target, each after those it
 * reads. One that fails is named to the reporter; the others go on. */
bool matviews_refresh(PGconn *source, PGconn *target, const struct stop *stop,
    struct reporter *report, struct err *err) must_use;

#endif
