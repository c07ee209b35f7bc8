/* SPDX-License-Identifier: Apache-2.0
 *
 * How many rows a group has that runs beside others, and whether the next one runs beside others at
 * all. Pure: only numbers.
 *
 * Two groups that touch the same row must wait for each other. How often that happens grows with
 * the number of rows under way, so groups get smaller when one had to wait and slowly larger when
 * one that ran beside others had not. Where even the smallest meet (a few rows that every
 * transaction updates), groups follow each other on one connection for a while, as large as they
 * may be, since joining pays there.
 */
#ifndef TG_SINKS_POSTGRES_PACE_H
#define TG_SINKS_POSTGRES_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_ROWS_MIN   32u
#define PACE_ROWS_FIRST 256u
#define PACE_STAY_MIN   16u /* groups */
#define PACE_STAY_MAX   256u

struct pace {
    uint32_t rows, rows_max;
    bool beside, waited; /* the group under way runs beside others; had to wait for one */
    bool follows;        /* it is on the connection of the one before, to be there */
    uint32_t stay;       /* so many groups more follow each other */
    uint32_t patience;
};

void pace_init(struct pace *p, uint32_t rows_max);
/* The group under way has begun while others are executed on other connections: only such a one
 * says by not having to wait that groups may be larger. */
void pace_beside(struct pace *p);
/* The group under way had to wait for rows of another one. */
void pace_waited(struct pace *p);
/* The next group begins; true: on the connection of the one before. */
bool pace_next(struct pace *p);
/* After how many rows the group under way is to end. */
uint64_t pace_rows(const struct pace *p);

#endif
