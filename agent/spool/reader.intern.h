/* SPDX-License-Identifier: Apache-2.0
 *
 * The struct of a reader, shared by reader.c (files and blocks) and reader_want.c (records).
 *
 * Locking: see reader.c.
 */
#ifndef TG_SPOOL_READER_INTERN_H
#define TG_SPOOL_READER_INTERN_H

#include "agent/spool/internal.h"
#include "agent/spool/scan.h"
#include "agent/spool/side.h"

enum reader_mode { MODE_SKIP, MODE_ORPHAN, MODE_LIVE };

struct spool_reader {
    struct spool *spool;
    struct spool_reader *next;
    int event;
    _Atomic bool waiting;     /* wants to be woken at the next flush */
    _Atomic uint64_t at;      /* log offset */
    _Atomic uint64_t side_at; /* the same for side files, counted as side_file.before is */
    _Atomic int64_t received_us;

    uint64_t number;       /* of the segment it reads or reads next; 0: the first there will be */
    uint64_t start_number; /* carried schemas of this one are wanted */
    uint64_t start;        /* position */
    int fd;                /* -1: not open yet */
    char path[SEGMENT_PATH_MAX];
    struct codec codec; /* of the open file */
    struct scan scan;

    /* the block that is being handed out */
    const uint8_t *next_byte, *payload, *payload_end;
    uint32_t left;                   /* records */
    uint64_t block_offset, block_at; /* in the log, in the file */
    struct record_base base;

    /* the side file of the LINK record read last */
    bool linked;  /* it is being handed out */
    bool walking; /* `walk` is open */
    struct side_where where;
    struct side_walk walk;
    uint64_t walked; /* bytes of it that are in side_at */

    enum reader_mode mode;
    uint64_t boundary;     /* SKIP ends in the block at this log offset, */
    size_t boundary_bytes; /* behind so many bytes of its payload */
    bool ahead;            /* the start is beyond all that the spool had when it was opened */
    bool drop;             /* ahead: the open transaction is left out */
};

/* ERR_FATAL: these bytes of the file it reads are not what was written. Returns false. */
bool reader_damaged(
    const struct spool_reader *r, uint64_t offset, const char *why, struct err *err);
/* Is the record just read to be handed out? */
bool reader_want(
    struct spool_reader *r, const struct record *rec, bool *out, struct err *err) must_use;
/* `rec` is a LINK: what it leads to comes next. In transactions that are left out (not `wanted`)
 * the SCHEMA records count nevertheless, as those in the log do. */
bool reader_enter_side(
    struct spool_reader *r, const struct record *rec, bool wanted, struct err *err) must_use;
/* The next record of the side file; *got = false: that was all. May be called again after
 * ERR_RETRY. */
bool reader_next_of_side(
    struct spool_reader *r, struct record *rec, bool *got, struct err *err) must_use;
/* Accepts that there is none. */
void reader_leave_side(struct spool_reader *r);

#endif
