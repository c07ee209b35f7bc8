/* SPDX-License-Identifier: Apache-2.0
 *
 * Down by half, up by an eighth: a group that has to wait costs the time of a whole one, a smaller
 * one only a few more round trips.
 */
#include "sinks/postgres/pace.h"

#include <assert.h>

#define GROWTH 8u /* a part of so many at a time */

void
pace_init(struct pace *p, uint32_t rows_max)
{
    assert(rows_max >= PACE_ROWS_FIRST);
    *p = (struct pace){.rows = PACE_ROWS_FIRST, .rows_max = rows_max, .patience = PACE_STAY_MIN};
}

void
pace_beside(struct pace *p)
{
    p->beside = true;
}

void
pace_waited(struct pace *p)
{
    if (p->waited || p->follows) {
        return;
    }
    p->waited = true;
    if (p->rows > PACE_ROWS_MIN) {
        p->rows = p->rows / 2 > PACE_ROWS_MIN ? p->rows / 2 : PACE_ROWS_MIN;
        return;
    }
    p->stay = p->patience;
    p->patience = p->patience * 2 < PACE_STAY_MAX ? p->patience * 2 : PACE_STAY_MAX;
}

bool
pace_next(struct pace *p)
{
    if (p->beside && !p->waited && !p->follows) {
        p->rows += p->rows / GROWTH;
        p->rows = p->rows < p->rows_max ? p->rows : p->rows_max;
        p->patience = p->rows >= PACE_ROWS_FIRST ? PACE_STAY_MIN : p->patience;
    }
    p->beside = p->waited = false;
    p->follows = p->stay > 0;
    p->stay -= p->follows;
    return p->follows;
}

uint64_t
pace_rows(const struct pace *p)
{
    return p->follows ? UINT64_MAX : p->rows;
}
