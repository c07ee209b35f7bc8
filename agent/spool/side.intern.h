/* SPDX-License-Identifier: Apache-2.0
 *
 * One open side, shared by side_write.c (its bytes), side_set.c (what is known of the transaction)
 * and side_link.c (its end).
 */
#ifndef TG_SPOOL_SIDE_INTERN_H
#define TG_SPOOL_SIDE_INTERN_H

/* In place of uthash's own, which falls through switch labels without saying so. */
#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)format_sum(key, len))
#include <uthash.h>

#include "agent/spool/internal.h"
#include "agent/spool/side.h"
#include "agent/spool/side_set.h"

#define SIDE_SEEN_MAX 64u

struct side_schema {
    struct record rec; /* payload owned */
    struct side_schema *next;
};

struct side {
    uint32_t xid;             /* of the transaction */
    uint64_t used;            /* side_set.clock when it was used last */
    int fd;                   /* -1: not open */
    uint64_t serial, segment; /* serial 0: no file yet; segment 0: it is called .open */
    uint64_t end, synced;     /* bytes of the file: written, durable */
    uint64_t records;         /* taken, ABORTED left out */
    struct block block;       /* data NULL: none yet */
    struct codec codec;       /* of the file */

    /* Transactions and subtransactions of which records were taken and that are not aborted. Only
     * for saying that nothing is left; `many`: there are more than fit, something is left. */
    uint32_t seen[SIDE_SEEN_MAX], last_xid;
    unsigned seen_count;
    bool many;

    struct side_schema *schemas; /* in order of arrival, the last one of each xid and key */
    uint32_t *aborted;
    size_t aborted_count, aborted_cap, aborted_written;
    uint64_t aborted_at; /* offset of the first block with ABORTED records */
    bool finishing;      /* `aborted` is sorted, nothing is taken any more */
    UT_hash_handle hh;
};

/* --- side_write.c ---------- */

/* The record goes into the buffer, or to the file at once. ERR_RETRY: it was not taken. */
bool side_put(
    struct spool *s, struct side *side, const struct record *rec, struct err *err) must_use;
/* Writes what is buffered. */
bool side_flush(struct spool *s, struct side *side, struct err *err) must_use;
/* Everything written becomes durable. */
bool side_sync(struct spool *s, struct side *side, struct err *err) must_use;
/* Closes it and gives back its buffer; the numbers of the set no longer count them. */
void side_release(struct spool *s, struct side *side);
/* Path of its file as it is called now. */
bool side_path_of(const struct spool *s, const struct side *side, char out[SEGMENT_PATH_MAX],
    struct err *err) must_use;
/* Final: the spool takes nothing more. Returns false. */
bool side_fail(struct spool *s, int rc, const char *what, const char *path, struct err *err);
uint64_t side_buffered(const struct side *side);

#endif
