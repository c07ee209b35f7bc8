/* SPDX-License-Identifier: Apache-2.0
 *
 * Which part of a feed `spool cat` shows. Asked twice: for each record before it is decoded, so
 * that transactions nobody wants cost no decoding, and for each change after it.
 */
#ifndef TG_CLI_CAT_FILTER_H
#define TG_CLI_CAT_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/change/change.h"
#include "agent/change/record.h"
#include "agent/change/table_filter.h"

struct cat_filter {
    uint64_t to; /* position of the last transaction that is wanted; 0: no end */
    uint32_t xid;
    bool has_xid;
    struct table_filter tables;
    unsigned kinds; /* bit of each enum change_kind that is wanted; 0: all */

    bool skipping; /* state: inside of a transaction that is not wanted */
};

enum cat_verdict {
    CAT_TAKE,
    CAT_SKIP,
    CAT_END, /* this and everything behind it lies beyond `to` */
};

/* "insert,delete" to bits. ERR_CONFIG: a word that is no kind of change. */
bool cat_filter_kinds(const char *text, unsigned *out, struct err *err) must_use;

enum cat_verdict cat_filter_record(struct cat_filter *f, const struct record *rec);
/* Only some changes of a transaction may be wanted: its frame is shown when one of them is. */
bool cat_filter_is_partial(const struct cat_filter *f);
/* Of a row, truncate or message. */
bool cat_filter_change(const struct cat_filter *f, const struct change *c);

#endif
