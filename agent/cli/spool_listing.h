/* SPDX-License-Identifier: Apache-2.0
 *
 * What `spool ls` shows, gathered and then written for people or as JSON.
 */
#ifndef TG_CLI_SPOOL_LISTING_H
#define TG_CLI_SPOOL_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/cli/spool_cursors.h"
#include "agent/spool/inspect.h"

struct spool_listing {
    struct spool_segment_info *segments; /* file and damage are owned copies */
    size_t segments_len, segments_cap;
    struct spool_side_info *sides;
    size_t sides_len, sides_cap;
    struct spool_cursors cursors;
};

/* Callbacks of spool_list and spool_list_sides; arg is the listing. */
void spool_listing_segment(const struct spool_segment_info *info, void *arg);
void spool_listing_side(const struct spool_side_info *info, void *arg);
void spool_listing_done(struct spool_listing *l);

/* Pure. */
void spool_listing_text(struct buf *out, const struct spool_listing *l);
void spool_listing_json(struct buf *out, const struct spool_listing *l);

#endif
