/* SPDX-License-Identifier: Apache-2.0
 *
 * The PostgreSQL sink: whole transactions in commit order, exactly once. The position goes into the
 * same transaction as the data (replication origin, or a table of our own where the role may not
 * use origins).
 */
#ifndef TG_SINKS_POSTGRES_SINK_H
#define TG_SINKS_POSTGRES_SINK_H

#include "sinks/sink.h"

extern const struct sink_ops sink_postgresql_ops;

#endif
