/* SPDX-License-Identifier: Apache-2.0
 *
 * The contents of one large object, in pieces, so that memory does not depend on its size.
 */
#ifndef TG_SNAPSHOT_LARGE_OBJECT_IO_H
#define TG_SNAPSHOT_LARGE_OBJECT_IO_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/snapshot/table_copy.h"

#define LARGE_OBJECT_PIECE (1U << 20)

/* Up to LARGE_OBJECT_PIECE bytes of the source's object from `offset` on, as the one field of *out;
 * fewer only at its end. */
bool large_object_get(const struct copier *c, uint32_t oid, uint64_t offset, PGresult **out,
    struct err *err) must_use;
/* Writes such a piece. */
bool large_object_put(const struct copier *c, uint32_t oid, uint64_t offset, const PGresult *piece,
    struct err *err) must_use;
/* An empty one on the target; ERR_CONFIG when there is one of that oid. */
bool large_object_create(const struct copier *c, uint32_t oid, struct err *err) must_use;
/* Everything of the source's object into the target's, from the start; adds to *bytes. */
bool large_object_pour(
    const struct copier *c, uint32_t oid, uint64_t *bytes, struct err *err) must_use;
/* Sets the length of the target's object; inside of a transaction. */
bool large_object_cut(
    const struct copier *c, uint32_t oid, uint64_t size, struct err *err) must_use;

#endif
