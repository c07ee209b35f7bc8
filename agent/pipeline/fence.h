/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps writers off the source's database. Kind read_only: new sessions of the database get
 * default_transaction_read_only = on, the others are ended, except walsenders, tidegate's own and
 * those exempted. A session may still set itself writable; the fence is for well-meaning
 * applications.
 *
 * What is changed is stored before it is changed, so that a crash leaves a fence that fence_lift
 * removes.
 */
#ifndef TG_PIPELINE_FENCE_H
#define TG_PIPELINE_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/store/store.h"
#include "config/config.h"

struct fence_result {
    int64_t raised_us;       /* wall clock of this machine when the fence began to close */
    int64_t clock_offset_us; /* source's clock minus ours */
    uint32_t ended;          /* sessions */
};

/* Returns true when no session of before is left. ERR_RETRY at the deadline (monotonic). */
bool fence_raise(const struct config *config, struct store *store, int64_t deadline_us,
    const struct stop *stop, struct fence_result *out, struct err *err) must_use;
/* Puts the setting back as it was, and ends the sessions that began behind the fence: they would
 * stay read-only. Nothing to do is fine. */
bool fence_lift(const struct config *config, struct store *store, struct err *err) must_use;
/* What would stand in the fence's way, before anything is touched: missing rights, prepared
 * transactions. ERR_CONFIG with a hint. */
bool fence_check(const struct config *config, struct store *store, struct err *err) must_use;

#endif
