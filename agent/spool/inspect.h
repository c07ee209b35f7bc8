/* SPDX-License-Identifier: Apache-2.0
 *
 * Offline views of a spool directory for `tidegate spool ls` and `spool verify`: reads the files
 * alone, repairs nothing, works beside a running agent.
 */
#ifndef TG_SPOOL_INSPECT_H
#define TG_SPOOL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

struct spool_segment_info {
    const char *file; /* name inside the directory; valid during the callback */
    uint64_t number, bytes;
    uint64_t first_position, last_position; /* of the commits in it; 0: none ends here */
    uint64_t records, transactions;
    bool sealed;
    int64_t first_received_us, last_received_us;
};

/* Calls `each` in order of the log. */
bool spool_list(const char *path, void (*each)(const struct spool_segment_info *info, void *arg),
    void *arg, struct err *err) must_use;

struct spool_verdict {
    uint64_t segments, blocks, records, bytes;
    uint64_t torn_bytes; /* behind the last valid block of the newest segment: not an error */
};
/* Every checksum and every order rule. False with ERR_FATAL "damaged" naming file and offset. */
bool spool_verify(const char *path, struct spool_verdict *out, struct err *err) must_use;

#endif
