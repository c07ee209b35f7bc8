/* SPDX-License-Identifier: Apache-2.0
 *
 * One change at a time, so that one that the target refuses is undone alone and the transaction
 * goes on without it, or with the same change put another way. Slow: it waits for every answer.
 */
#ifndef TG_SINKS_POSTGRES_ISOLATE_H
#define TG_SINKS_POSTGRES_ISOLATE_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/change/change.h"

struct apply;

/* Applies a row or TRUNCATE in the open target transaction, by the rule of a->refusal, and waits
 * for the answer. False with a->undone: the target is as before the change and the next one may
 * come; the error says why. */
bool isolate_change(struct apply *a, const struct change *c, struct err *err) must_use;

#endif
