/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether prepared transactions are prepared on the targets too, and from which position on.
 *
 * Decided once, at set-up. It begins when the copy is over: a transaction that is prepared before a
 * table's snapshot and committed behind it is not in the copy, and its prepare would count as
 * lying before it. What was prepared before the slot is switched comes with its commit. A sink that
 * is copied to afterwards may meet such a transaction: doubts.h.
 */
#ifndef TG_PIPELINE_TWO_PHASE_H
#define TG_PIPELINE_TWO_PHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pg/spares.h"
#include "agent/store/store.h"
#include "config/config.h"

/* Asks source and targets as far as the configuration leaves it open; in sessions of its own, so
 * any thread will do. */
bool two_phase_ask(const struct config *config, bool *on, struct err *err) must_use;
/* Stores the answer. */
bool two_phase_decide(struct store *store, bool on, struct err *err) must_use;
/* True when sink `number` of the configuration may join: ERR_CONFIG when names of prepared
 * transactions would meet there, and two_phase is `on`; with `auto` that is a warning. */
bool two_phase_admits(
    const struct config *config, struct store *store, size_t number, struct err *err) must_use;
/* When all tables are copied: the position from which on the source may send prepared transactions
 * when they are prepared; 0: it was decided against. */
bool two_phase_from(struct store *store, uint64_t *from, struct err *err) must_use;
/* True when every prepared transaction that is open on the source is on all targets, too, and
 * whole; else ERR_CONFIG names one that is not. */
bool two_phase_at_targets(const struct config *config, struct store *store,
    struct pg_spares *spares, struct err *err) must_use;
/* The source's session for it, while there is time. */
bool two_phase_open_ahead(
    const struct config *config, struct pg_spares *spares, struct err *err) must_use;

/* A new slot's snapshot waits for every transaction that is open on the source's server. Those that
 * are prepared by now are waited for here, where it can be said and stopped: when there are any,
 * waiting(why, arg) is called once. ERR_CANCELLED: stopped. */
bool two_phase_wait_for_open(const struct config *config, const struct stop *stop,
    void (*waiting)(const struct err *why, void *arg), void *arg, struct err *err) must_use;

#endif
