/* SPDX-License-Identifier: Apache-2.0
 *
 * The order rules of a log (FORMAT.md, "Record") as a pure state machine: the writer asks it before
 * it takes a record, the readers of whole segments check with it what they find.
 */
#ifndef TG_SPOOL_ORDER_H
#define TG_SPOOL_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/change/record.h"

struct order {
    uint64_t position; /* of the last COMMIT or MARK */
    bool open;         /* a transaction is open */
};

/* NULL: `rec` may follow. Else the rule that it breaks. */
static inline const char *
order_fault(const struct order *o, const struct record *rec)
{
    switch (rec->kind) {
    case RECORD_BEGIN:
        return o->open ? "BEGIN inside of a transaction" : NULL;
    case RECORD_DATA:
    case RECORD_LINK:
        return o->open ? NULL : "DATA outside of a transaction";
    case RECORD_COMMIT:
        if (!o->open) {
            return "COMMIT without BEGIN";
        }
        return rec->position > o->position ? NULL : "COMMIT does not move the position on";
    case RECORD_SCHEMA:
        return NULL;
    case RECORD_DISCARD:
        return o->open ? NULL : "DISCARD without BEGIN";
    case RECORD_MARK:
        if (o->open) {
            return "MARK inside of a transaction";
        }
        return rec->position > o->position ? NULL : "MARK does not move the position on";
    case RECORD_ABORTED:
    case RECORD_ABORT:
        return "a kind that does not stand in the log";
    }
    return "unknown kind of record";
}

/* Takes a record without fault. */
static inline void
order_step(struct order *o, const struct record *rec)
{
    if (rec->kind == RECORD_BEGIN) {
        o->open = true;
    } else if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_DISCARD) {
        o->open = false;
    }
    if (rec->kind == RECORD_COMMIT || rec->kind == RECORD_MARK) {
        o->position = rec->position;
    }
}

#endif
