/* SPDX-License-Identifier: Apache-2.0
 *
 * A segment as a file: its name, its header and footer, and what is known of it without reading its
 * blocks.
 */
#ifndef TG_SPOOL_SEGMENT_H
#define TG_SPOOL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/spool/format.h"

#define SEGMENT_PATH_MAX 4096
#define SEGMENT_NAME_MAX 32

/* One entry of the index that a spool keeps in memory. */
struct segment {
    struct segment_header header;
    struct tally tally;
    uint64_t data_end; /* log offset behind the last block that may be read */
    uint64_t log_end;  /* sealed: log offset behind its footer, where the next one begins */
    uint64_t size;     /* bytes of the file, index and footer included */
    bool sealed;
    bool kept_as_is; /* packing it was tried, and did not pay */
};

static inline bool
segment_packed(const struct segment *seg)
{
    return (seg->header.flags & FILE_PACKED) != 0;
}

/* "<number>.seg", or ".tmp" for one being made. */
void segment_name(uint64_t number, bool tmp, char out[SEGMENT_NAME_MAX]);
/* True and the number for names of that form. */
bool segment_name_parse(const char *name, bool *tmp, uint64_t *number);
/* "<dir>/<name>"; false with ERR_CONFIG when it is too long. */
bool segment_path_of(
    const char *dir, const char *name, char out[SEGMENT_PATH_MAX], struct err *err) must_use;
bool segment_path(const char *dir, uint64_t number, bool tmp, char out[SEGMENT_PATH_MAX],
    struct err *err) must_use;

/* ERR_FATAL: these bytes of this file are not what was written. Returns false. */
bool segment_damaged(struct err *err, const char *path, uint64_t offset, const char *why);
/* The class by what the file system said: no room and no descriptors may pass (ERR_RETRY), else
 * ERR_FATAL. Returns false. */
bool segment_io(struct err *err, int rc, const char *what, const char *path);

/* Reads and checks the header; `number` is what the name says. feed_id 0 is not compared. */
bool segment_read_header(const struct fs *fs, int fd, const char *path, uint64_t number,
    struct segment_header *out, struct err *err) must_use;
/* The same of a side file. */
bool segment_read_side_header(const struct fs *fs, int fd, const char *path, uint64_t serial,
    struct segment_header *out, struct err *err) must_use;
/* Reads the last bytes of a file of `size` bytes. *why: NULL when they are a right footer of this
 * segment; its index and mac are not looked at. False: the file cannot be read. */
bool segment_read_footer(const struct fs *fs, int fd, const struct segment *seg,
    struct segment_footer *out, const char **why, int *rc) must_use;

#endif
