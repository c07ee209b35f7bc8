/* SPDX-License-Identifier: Apache-2.0
 *
 * What every session that changes rows on the target sets first.
 */
#ifndef TG_SINKS_POSTGRES_SESSION_H
#define TG_SINKS_POSTGRES_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "sinks/sink.h"

bool session_settings(PGconn *conn, const struct sink_params *p, struct err *err) must_use;

#endif
