/* SPDX-License-Identifier: Apache-2.0
 *
 * What the source's catalogs know about the entries of a schema that come behind the data: the
 * table each belongs to, and what decides when and how it may be made.
 */
#ifndef TG_SNAPSHOT_FACTS_H
#define TG_SNAPSHOT_FACTS_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/snapshot/post.h"
#include "agent/snapshot/toc.h"

/* *out: one element for each entry of `behind` (x_free). */
bool facts_read(
    PGconn *source, const struct toc *behind, struct post_facts **out, struct err *err) must_use;

#endif
