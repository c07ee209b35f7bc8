/* SPDX-License-Identifier: Apache-2.0
 *
 * One message of a source's feed, as the source sent it, with the little that must be known without
 * decoding it. Sources produce records, the spool keeps them, decoders read them.
 *
 *   a feed in commit order:  [SCHEMA] BEGIN (SCHEMA | DATA)* COMMIT   BEGIN ...   MARK   BEGIN ...
 *                            BEGIN DATA* DISCARD   <- the connection broke; the same transaction
 * comes again
 */
#ifndef TG_CHANGE_RECORD_H
#define TG_CHANGE_RECORD_H

#include <stdint.h>

#include "agent/base/buf.h"

enum record_kind {
    RECORD_BEGIN =
        1, /* position: the transaction's commit position as the BEGIN message foretells it
              (PostgreSQL: LSN of the commit record, which is below the end position) */
    RECORD_DATA = 2,   /* position: where the change stands in the source's log */
    RECORD_COMMIT = 3, /* position: end of the commit; this is the transaction's position */
    RECORD_SCHEMA = 4, /* metadata that later records need; `key` names the object (relation or type
                          id). A later one with the same key replaces it */
    RECORD_DISCARD = 5, /* the transaction begun last is void; empty payload */
    RECORD_MARK =
        6, /* nothing is committed between the last position and this one; empty payload */
};

struct record {
    enum record_kind kind;
    uint32_t xid;         /* of BEGIN; else 0 */
    uint32_t key;         /* of SCHEMA; else 0 */
    uint64_t position;    /* see kind */
    int64_t received_us;  /* wall clock of the agent */
    struct slice payload; /* the message, verbatim; borrowed */
};

#endif
