/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the server is to count by itself the rows that the last statements of a group touch, or
 * we look at its answers before the COMMIT. Its counting costs a few microseconds a statement and
 * less than one a row. An answer costs the way there and back: some 40 microseconds on one machine,
 * mostly hidden behind other work; but with a target ten milliseconds away there is nothing else to
 * do than to wait for it, once in every group. Pure: only numbers.
 */
#ifndef TG_SINKS_POSTGRES_COUNTING_H
#define TG_SINKS_POSTGRES_COUNTING_H

#include <stdbool.h>
#include <stdint.h>

/* At most, for each COUNTING_NEAR_US of the way: */
#define COUNTING_STATEMENTS 6u
#define COUNTING_ROWS       100u
#define COUNTING_NEAR_US    200

/* `trip_us`: of a question to the server (pg_trip). */
static inline bool
counting_pays(int64_t trip_us, uint64_t statements, uint64_t rows)
{
    uint64_t far = trip_us > COUNTING_NEAR_US ? (uint64_t)trip_us / COUNTING_NEAR_US : 1;
    return statements <= COUNTING_STATEMENTS * far && rows <= COUNTING_ROWS * far;
}

#endif
