/* SPDX-License-Identifier: Apache-2.0
 *
 * What pipe.c, pipe_answer.c and pipe_copy.c share. Nobody else includes this.
 */
#ifndef TG_SINKS_POSTGRES_PIPE_INTERN_H
#define TG_SINKS_POSTGRES_PIPE_INTERN_H

#include "sinks/postgres/pipe.h"

/* The connection's own failure; returns false. */
bool pipe_lost(struct pipe *p, struct err *err);
/* Judges the oldest entry's answer, and takes it off when it is well. */
bool pipe_take_answer(struct pipe *p, PGresult *res, struct err *err) must_use;
/* An answer that is an error: says which, for an entry that need not be in the flight; false. */
bool pipe_answer_failed(
    struct pipe *p, const struct flight_entry *e, const PGresult *res, struct err *err);

/* While a COPY is open: */
bool pipe_copy_push(struct pipe *p, struct err *err) must_use;
/* The server speaks only to say that it failed. */
bool pipe_copy_turn(struct pipe *p, int timeout_ms, struct err *err) must_use;

#endif
