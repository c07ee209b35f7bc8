/* SPDX-License-Identifier: Apache-2.0
 *
 * A position that is written down was durable before: so the note may be old, never wrong.
 */
#include "agent/pipeline/durable_note.h"

#include <stddef.h>

#include "agent/spool/spool.h"
#include "agent/store/store.h"

#define EVERY_US 5000000

bool
durable_note_keep(struct durable_note *n, struct store *store, const struct spool *spool,
    int64_t mono_us, bool now, struct err *err)
{
    if (!store || !spool || (!now && mono_us - n->at_us < EVERY_US)) {
        return true;
    }
    uint64_t position = spool_durable(spool);
    n->at_us = mono_us;
    if (position == n->position) {
        return true;
    }
    n->position = position;
    return store_set_u64(store, STORE_SPOOL_DURABLE, position, err);
}
