/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's half of side files: one open side for each transaction that the source streams while
 * it is still open, and the list of the linked files. Records gather in a small buffer that grows;
 * the file is made when the first block is full, so that a short transaction that rolls back costs
 * nothing.
 *
 * Bounds, whatever the number of open transactions: descriptors, and bytes of buffers. What grows
 * with a transaction is what has to be known of it at its end: its SCHEMA records, and four bytes
 * for each subtransaction that was rolled back.
 *
 * Locking: everything belongs to the writer's thread but for what is marked.
 */
#ifndef TG_SPOOL_SIDE_SET_H
#define TG_SPOOL_SIDE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/change/record.h"
#include "agent/spool/block.h"
#include "agent/spool/format.h"

struct side;
struct spool;

/* A linked file. */
struct side_file {
    uint64_t segment, serial, bytes;
    uint64_t before; /* bytes of all side files that were linked before this one */
};

struct side_set {
    struct side *first; /* the open ones, by the transaction's id */
    unsigned fds;       /* descriptors among them */
    uint64_t clock;     /* counts uses: the side with the lowest is the one unused for longest */
    size_t memory;      /* of all buffers */
    uint64_t buffered;  /* bytes in them */
    uint64_t due;       /* written and to be synced by spool_sync */
    uint64_t next_serial;
    uint64_t linked; /* bytes of all files that were ever linked, as counted by `before` */

    /* under the spool's lock */
    uint64_t bytes;          /* of all side files, open ones too */
    uint32_t open_count;     /* open ones that have a file */
    struct side_file *files; /* in order of their LINK records */
    size_t count, cap;
};

/* Takes a DATA or SCHEMA record with `stream`. ERR_RETRY: nothing was taken. */
bool side_append(struct spool *s, const struct record *rec, struct err *err) must_use;
/* Takes an ABORT: notes the subtransaction, or drops the transaction. */
bool side_abort(struct spool *s, const struct record *rec, struct err *err) must_use;
/* All open sides are void. */
bool side_drop_all(struct spool *s, struct err *err) must_use;
/* Makes the sides durable that have much to be made durable, so that no commit has to wait for all
 * of a large transaction. */
bool side_sync_due(struct spool *s, struct err *err) must_use;
/* Frees the memory, leaves the files. */
void side_set_done(struct spool *s);

/* --- for side_link.c ---------- */

/* The open side of a transaction that has something to be linked; NULL: there is none. */
struct side *side_find(struct spool *s, uint32_t xid);
bool side_has_changes(const struct side *side);
/* Writes what is buffered and the ABORTED records, and makes the file durable. It takes nothing
 * more then. ERR_RETRY: call again. */
bool side_finish(
    struct spool *s, struct side *side, const struct record *begin, struct err *err) must_use;
/* Gives the file of a finished side its linked name, durably; fills in the link. */
bool side_rename(struct spool *s, struct side *side, uint64_t segment, struct link *out,
    struct err *err) must_use;
/* A LINK record leads to it now: puts its SCHEMA records into the spool's, frees it. */
void side_linked(struct spool *s, struct side *side);
/* Removes the file, if there is one, and frees it. */
bool side_drop(struct spool *s, struct side *side, struct err *err) must_use;

/* --- linked files (side_link.c) ---------- */

/* Under the lock. */
void side_push_file(struct side_set *set, uint64_t segment, uint64_t serial, uint64_t bytes);

/* Takes the BEGIN of a streamed transaction, and behind it a LINK to its side file if anything is
 * in it. ERR_RETRY: nothing was taken, call again with the same record. */
bool side_begin(struct spool *s, const struct record *begin, struct err *err) must_use;

/* What the LINK records of the newest segment lead to. */
struct side_links {
    uint64_t segment;  /* its number */
    uint64_t *serials; /* free() */
    size_t count, cap;
};

/* At opening, for each LINK of the newest segment: puts the SCHEMA records of its file into the
 * spool's. ERR_FATAL when the file is missing or damaged. */
bool side_recover(
    struct spool *s, struct side_links *links, const struct link *link, struct err *err) must_use;
/* Then: removes files that no LINK leads to (not when reading alone) and lists the others. */
bool side_load(struct spool *s, struct side_links *links, struct err *err) must_use;
/* Removes the files of segments in front of the first. */
bool side_retire(struct spool *s, struct err *err) must_use;
/* What `before` would be of the first file linked from segment `number` or later. Under the lock.
 */
uint64_t side_before(const struct spool *s, uint64_t number);

#endif
