/* SPDX-License-Identifier: Apache-2.0
 *
 * A change's values as the parameters of its statement. Binary values are passed where they lie;
 * text values are copied, because libpq finds their end by a NUL byte that the feed does not have.
 */
#ifndef TG_SINKS_POSTGRES_BIND_H
#define TG_SINKS_POSTGRES_BIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/change/change.h"
#include "sinks/postgres/shape.h"

struct bind {
    uint32_t n, cap;
    const char **values;
    int *lengths, *formats;
    size_t bytes; /* of the message that they make, nearly */
    struct buf text;
};

#define BIND_STATEMENT_BYTES 48 /* of protocol around the parameters */
#define BIND_PARAMETER_BYTES 6

void bind_init(struct bind *b);
void bind_done(struct bind *b); /* accepts an all-zero one */
/* Valid as long as the change, and until the next call. */
bool bind_change(
    struct bind *b, const struct change *c, const struct shape *s, struct err *err) must_use;
/* Empties it, with room for so many parameters, which the caller fills in. */
void bind_room(struct bind *b, uint32_t parameters);
/* One more parameter behind the others, in binary; `data` stays the caller's. */
void bind_append(struct bind *b, const void *data, int len);
/* Gives back memory that only a huge row needed. */
void bind_trim(struct bind *b);

#endif
