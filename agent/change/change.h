/* SPDX-License-Identifier: Apache-2.0
 *
 * What happened, in the words that every stage speaks. A decoder produces it, a sink consumes it.
 * Values are the source's own bytes with a status, never parsed.
 *
 * Ownership: a change and all it points to is borrowed from the decoder's arena until the next
 * feed(). `relation` stays valid until a newer version of it was produced.
 */
#ifndef TG_CHANGE_CHANGE_H
#define TG_CHANGE_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/change/position.h"
#include "agent/change/relation.h"

enum change_kind {
    CHANGE_BEGIN = 1,
    CHANGE_COMMIT,
    CHANGE_DISCARD, /* the transaction begun last is void and will come again */
    CHANGE_MARK,    /* the feed has reached `position` with no transaction open */
    CHANGE_INSERT,
    CHANGE_UPDATE,
    CHANGE_DELETE,
    CHANGE_TRUNCATE,
    CHANGE_MESSAGE, /* logical message of the source */
    /* Prepared transactions (two-phase commit). BEGIN rows PREPARE is one whose outcome is not
     * known yet; later BEGIN and one of the other two, without rows, tell it. All have `gid`. */
    CHANGE_PREPARE,
    CHANGE_COMMIT_PREPARED,
    CHANGE_ROLLBACK_PREPARED,
};

enum value_status {
    VALUE_NULL = 'n',
    VALUE_UNCHANGED = 'u', /* stored out of line and not touched: the source did not send it */
    VALUE_TEXT = 't',
    VALUE_BINARY = 'b',
};

struct value {
    enum value_status status;
    struct slice bytes; /* of TEXT and BINARY */
};

/* One value for each column of the relation, in its order. */
struct tuple {
    uint16_t len; /* 0: there is no such tuple */
    struct value *values;
};

enum old_kind {
    OLD_NONE, /* update that left the key alone: the key is in the new tuple */
    OLD_KEY,  /* `old` holds the replica identity's columns, the others are NULL and mean nothing */
    OLD_FULL, /* `old` holds the whole row */
};

struct change {
    enum change_kind kind;
    /* BEGIN: commit = position the transaction is going to have as far as the source foretells it.
     * COMMIT, PREPARE and the like, MARK: final. Rows: commit as in BEGIN, and the ordinal. */
    struct position position;
    uint32_t xid;
    int64_t commit_us; /* source's commit time, Unix microseconds; BEGIN and what ends it */
    const char *gid;   /* name of the prepared transaction; BEGIN and what ends it; else NULL */

    const struct relation *relation; /* rows */
    enum old_kind old_kind;
    struct tuple old; /* update, delete */
    struct tuple new; /* insert, update */

    const struct relation *const *truncated; /* TRUNCATE */
    uint32_t truncated_len;
    bool cascade, restart_identity;
    bool partial; /* tables of the statement were left out of the list: they may refer to these, and
                     must stay as they are */

    const char *prefix; /* MESSAGE */
    struct slice content;
    bool transactional;
};

const char *change_kind_name(enum change_kind kind); /* "insert" ... */
/* The replica identity's columns as "id=17, region='eu'" for messages, at most cap bytes, cut with
 * "...". Binary values of common types (int2/4/8, uuid, text) are shown readable, others as \x hex.
 */
const char *change_describe_key(const struct change *c, char *out, size_t cap);

#endif
