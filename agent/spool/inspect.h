/* SPDX-License-Identifier: Apache-2.0
 *
 * Offline views of a spool directory for `tidegate spool ls`: reads the files alone, repairs
 * nothing, works beside a running agent.
 */
#ifndef TG_SPOOL_INSPECT_H
#define TG_SPOOL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

struct key_ring;

struct spool_segment_info {
    const char *file; /* name inside the directory; valid during the callback */
    uint64_t number, bytes;
    uint64_t first_position, last_position; /* of the commits in it; 0: none ends here */
    uint64_t records, transactions;
    bool sealed;
    bool packed;     /* written again, compressed or with another key */
    uint64_t key_id; /* 0: not encrypted */
    int64_t first_received_us, last_received_us;
    const char *damage; /* NULL: header and footer are right; else only file and number count */
};

/* Calls `each` in order of the log. False after the whole list when something was damaged: err is
 * the first damage. `keys` may be NULL: an encrypted newest segment is then counted by the headers
 * of its blocks. */
bool spool_list(const char *path, const struct key_ring *keys,
    void (*each)(const struct spool_segment_info *info, void *arg), void *arg,
    struct err *err) must_use;

struct spool_side_info {
    const char *file; /* as above */
    uint64_t segment; /* that links it; 0: its transaction is still open at the source */
    uint64_t serial, bytes, key_id;
    uint64_t xid;
    const char *damage; /* NULL: the header is right */
};
/* Calls `each` for all side files, the open ones first. As spool_list. */
bool spool_list_sides(const char *path, void (*each)(const struct spool_side_info *info, void *arg),
    void *arg, struct err *err) must_use;

#endif
