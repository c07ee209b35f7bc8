/* SPDX-License-Identifier: Apache-2.0
 *
 * A side file as a file (FORMAT.md, "Side files"): its names, and reading one that a LINK record
 * leads to. What the log's readers see of it: SCHEMA and DATA with the id of the (sub)transaction
 * that made them, those of aborted subtransactions left out.
 *
 * Memory: one buffer, and four bytes for each aborted subtransaction.
 */
#ifndef TG_SPOOL_SIDE_H
#define TG_SPOOL_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/spool/format.h"
#include "agent/spool/scan.h"
#include "agent/spool/segment.h"

#define SIDE_NAME_MAX 64

/* "<segment>-<serial>.side"; "<serial>.open" for segment 0: not linked yet. */
void side_name(uint64_t segment, uint64_t serial, char out[SIDE_NAME_MAX]);
/* True and the numbers for names of that form. */
bool side_name_parse(const char *name, uint64_t *segment, uint64_t *serial);
/* "<dir>/<name>"; false with ERR_CONFIG when it is too long. */
bool side_path(const char *dir, uint64_t segment, uint64_t serial, char out[SEGMENT_PATH_MAX],
    struct err *err) must_use;

/* Which side file, and what is wanted of it. */
struct side_where {
    const struct fs *fs;
    const char *dir;             /* of the spool; borrowed during side_walk_open */
    const struct key_ring *keys; /* may be NULL; borrowed during side_walk_open */
    uint64_t feed_id;            /* 0: not compared */
    uint64_t segment;            /* in which the LINK record stands */
    struct link link;            /* its payload */
    bool schemas;  /* SCHEMA records alone: blocks without them are skipped by their headers */
    size_t buffer; /* bytes, 0: 256 KiB; a block that does not fit gets memory of its own for a
                      while */
};

struct side_walk {
    struct scan scan;
    struct codec codec;
    struct link link;
    bool schemas;
    int fd;
    char path[SEGMENT_PATH_MAX];
    uint32_t *aborted; /* ascending */
    size_t aborted_count, aborted_cap;
    uint32_t xid; /* of the transaction */
    uint64_t blocks, records;

    /* the block that is being handed out */
    const uint8_t *next_byte, *payload_end;
    uint32_t left; /* records */
    uint32_t flags, seen;
    uint64_t block_at;
    struct record_base base;
};

/* ERR_FATAL damaged: the file is missing, or not the one that the LINK means. side_walk_close also
 * after a failure. */
bool side_walk_open(struct side_walk *w, const struct side_where *where, struct err *err) must_use;
/* The next record with xid and without stream, borrowed until the next call. *got = false: that was
 * all. ERR_FATAL names file and offset. After ERR_RETRY the same call may be made again. */
bool side_walk_next(struct side_walk *w, struct record *rec, bool *got, struct err *err) must_use;
/* Accepts an all-zero walk. */
void side_walk_close(struct side_walk *w, const struct fs *fs);
/* Bytes of the file that were walked over. */
uint64_t side_walk_at(const struct side_walk *w);

struct side_verdict {
    uint64_t blocks, records, bytes; /* records without ABORTED, blocks and bytes with them */
};
/* Reads every byte of a side file and checks all that is said about it; `where` as for
 * side_walk_open, `link` comes from struct replay's `link`. Adds to *out. False: ERR_FATAL
 * "damaged" with file and offset, ERR_CONFIG without its key, or the file cannot be read. */
bool side_verify(
    const struct side_where *where, struct side_verdict *out, struct err *err) must_use;

#endif
