/* SPDX-License-Identifier: Apache-2.0
 *
 * Dead letters of a table that is copied anew: the copy holds what they hold, and applied behind it
 * they would put old rows over new ones. So they go before the copy begins.
 *
 * Locking: one thread.
 */
#ifndef TG_PIPELINE_RESYNC_LETTERS_H
#define TG_PIPELINE_RESYNC_LETTERS_H

#include "agent/base/stop.h"
#include "agent/pipeline/delivery.h"

/* `steps` are those of the sink. The table is out of the stream, so no further letters come.
 * ERR_CONFIG when a letter is about other tables, too. */
bool resync_letters_drop(struct store *store, const struct key_ring *keys,
    const struct delivery_options *steps, const struct resync_row *row, const struct stop *stop,
    struct err *err) must_use;

#endif
