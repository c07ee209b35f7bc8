/* SPDX-License-Identifier: Apache-2.0
 *
 * How often the end of a protocol sequence is sent to a busy server, which does its housekeeping
 * there (statistics that autovacuum lives on). A COMMIT behind one waits for its answer, a whole
 * trip in which nothing else is done: far away that comes more rarely, for no more than a fiftieth
 * of the time. Pure: only numbers.
 */
#ifndef TG_SINKS_POSTGRES_SYNC_INTERVAL_H
#define TG_SINKS_POSTGRES_SYNC_INTERVAL_H

#include <stdint.h>

#define SYNC_INTERVAL_US     100000
#define SYNC_INTERVAL_MAX_US 1000000
#define SYNC_TRIPS           50

/* `trip_us`: of a question to the server (pg_trip). */
static inline int64_t
sync_interval_us(int64_t trip_us)
{
    if (trip_us >= SYNC_INTERVAL_MAX_US / SYNC_TRIPS) {
        return SYNC_INTERVAL_MAX_US;
    }
    return trip_us > SYNC_INTERVAL_US / SYNC_TRIPS ? trip_us * SYNC_TRIPS : SYNC_INTERVAL_US;
}

#endif
