/* SPDX-License-Identifier: Apache-2.0
 *
 * Time as a parameter. All times are int64_t microseconds. `mono` only measures durations, `wall`
 * is Unix time. Tests and the simulation pass a virtual clock.
 */
#ifndef TG_BASE_CLOCK_H
#define TG_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*mono_us)(const struct clock *c);
    int64_t (*wall_us)(const struct clock *c);
    void (*sleep_us)(const struct clock *c, int64_t us);
};

extern const struct clock clock_system;

static inline int64_t
clock_mono_us(const struct clock *c)
{
    return c->mono_us(c);
}
static inline int64_t
clock_wall_us(const struct clock *c)
{
    return c->wall_us(c);
}

/* PostgreSQL counts microseconds from 2000-01-01 UTC. */
#define PG_EPOCH_OFFSET_US 946684800000000LL

#define CLOCK_ISO_SIZE     32
/* "2026-11-20T21:04:05.123Z" */
void clock_format_iso(int64_t wall_us, char out[CLOCK_ISO_SIZE]);

#endif
