/* SPDX-License-Identifier: Apache-2.0
 *
 * Dead letters applied to PostgreSQL: each in a transaction that also writes the letter's token
 * into table tidegate.replayed, where the next attempt finds it.
 */
#ifndef TG_SINKS_POSTGRES_REPLAY_H
#define TG_SINKS_POSTGRES_REPLAY_H

#include "sinks/sink.h"

extern const struct sink_replay_ops replay_postgresql_ops;

#endif
