/* SPDX-License-Identifier: Apache-2.0
 *
 * One message of a source's feed, as the source sent it, with the little that must be known without
 * decoding it. Sources produce records, the spool keeps them, decoders read them.
 *
 *   a feed in commit order:  [SCHEMA] BEGIN (SCHEMA | DATA)* COMMIT   BEGIN ...   MARK   BEGIN ...
 *                            BEGIN DATA* DISCARD   <- the connection broke; the same transaction
 *                                                     comes again
 *
 * A source may send a transaction while it is still open there (`stream` is its id). Such records
 * come at any time between the others; the spool keeps them aside and hands them out in commit
 * order, so that readers see the first line and nothing else:
 *
 *   from the source:  (SCHEMA | DATA)[stream=7]*  ABORT[stream=7 xid=9]  ...  BEGIN[stream=7]
 * COMMIT to a reader:      BEGIN (SCHEMA | DATA)* COMMIT      without what ABORT made void
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
    RECORD_DISCARD = 5, /* the transaction begun last is void, and so is everything sent of
                           transactions still open at the source; empty payload */
    RECORD_MARK =
        6, /* nothing is committed between the last position and this one; empty payload */
    RECORD_LINK = 7,    /* inside the spool alone: the transaction's changes are in a side file */
    RECORD_ABORTED = 8, /* inside side files alone */
    RECORD_ABORT = 9,   /* source to spool alone: what subtransaction `xid` of the transaction
                           `stream` did is void; all of it when they are the same. Empty payload */
};

struct record {
    enum record_kind kind;
    uint32_t xid;         /* of BEGIN, of ABORT, and of records with `stream`: the (sub)transaction
                             that made it; else 0 */
    uint32_t key;         /* of SCHEMA; else 0 */
    uint32_t stream;      /* transaction that was still open at the source when it was sent: DATA,
                             SCHEMA and ABORT, and the BEGIN and COMMIT that end it; else 0. Readers
                             of the spool always see 0 */
    uint64_t position;    /* see kind */
    int64_t received_us;  /* wall clock of the agent */
    struct slice payload; /* the message, verbatim; borrowed */
};

#endif
