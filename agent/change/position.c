/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions are compared as numbers; how a source counts is none of our business.
 */
#include "agent/change/position.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/base/parse.h"

int
position_compare(struct position a, struct position b)
{
    if (a.commit != b.commit) {
        return a.commit < b.commit ? -1 : 1;
    }
    return (a.ordinal > b.ordinal) - (a.ordinal < b.ordinal);
}

const char *
position_format(struct position p, char out[POSITION_SIZE])
{
    char lsn[FORMAT_SIZE];
    format_lsn(p.commit, lsn);
    if (p.ordinal == 0) {
        snprintf(out, POSITION_SIZE, "%s", lsn);
    } else {
        snprintf(out, POSITION_SIZE, "%s+%" PRIu32, lsn, p.ordinal);
    }
    return out;
}
