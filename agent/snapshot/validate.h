/* SPDX-License-Identifier: Apache-2.0
 *
 * Constraints that went in as NOT VALID are checked against the data, without keeping writers out.
 */
#ifndef TG_SNAPSHOT_VALIDATE_H
#define TG_SNAPSHOT_VALIDATE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/snapshot/reporter.h"

/* Foreign keys and checks that are not valid on the target and valid on the source, one at a time.
 * One that does not hold is left, named to the reporter. */
bool validate_constraints(PGconn *source, PGconn *target, const struct stop *stop,
    struct reporter *report, struct err *err) must_use;

/* *none: validate_constraints would find nothing to look at. */
bool validate_is_done(PGconn *target, bool *none, struct err *err) must_use;

#endif
