/* SPDX-License-Identifier: Apache-2.0
 *
 * A double of struct fs: files in memory that behave as POSIX promises and no better. What was not
 * synced is lost in a crash, in part, torn, or not at all, as the seed decides; a new name lives
 * only when its directory was synced; space can run out; the Nth call of a kind can fail.
 *
 * Directories are kept from mkdir on (only the files' names are at risk). One thread.
 */
#ifndef TG_TESTS_LIB_FAKE_FS_H
#define TG_TESTS_LIB_FAKE_FS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/fs.h"

enum fake_op {
    FAKE_OPEN,
    FAKE_PWRITE, /* a part is written before it fails */
    FAKE_PREAD,
    FAKE_DATASYNC, /* what it should have written is lost, though still to be read until a crash */
    FAKE_TRUNCATE,
    FAKE_ALLOCATE, /* only asks whether there is room now */
    FAKE_RENAME,
    FAKE_UNLINK,
    FAKE_SYNC_DIR,
    FAKE_SPACE,
    FAKE_OPS,
};

struct fake_fs;

struct fake_fs *fake_fs_new(void);
void fake_fs_free(struct fake_fs *f);
const struct fs *fake_fs_get(struct fake_fs *f);

/* From now on it knows who has a file open; without that a spool recycles none. */
void fake_fs_tells_alone(struct fake_fs *f);

/* Loses what a power cut loses; all descriptors are gone. The same seed gives the same loss. */
void fake_fs_crash(struct fake_fs *f, uint64_t seed);
/* The machine stops before the nth changing operation from now on (1: the next): it and all later
 * ones fail with -EIO and do nothing, until fake_fs_crash. 0: never. */
void fake_fs_stop_before(struct fake_fs *f, uint64_t nth);
/* Changing operations so far: pwrite, datasync, truncate, rename, unlink, sync_dir, creating open.
 */
uint64_t fake_fs_changes(const struct fake_fs *f);
/* The nth call of `op` from now on (1: the next) fails with -error, once. */
void fake_fs_fail(struct fake_fs *f, enum fake_op op, unsigned nth, int error);
/* Bytes of all files together; writes beyond it fail with -ENOSPC after a part. */
void fake_fs_capacity(struct fake_fs *f, uint64_t bytes);
uint64_t fake_fs_used(const struct fake_fs *f);
/* The bytes themselves, to be looked at and changed in place (as a decaying disk would). NULL: no
 * such file. */
uint8_t *fake_fs_file(struct fake_fs *f, const char *path, size_t *len);
/* Puts a file there, durably. */
void fake_fs_put(struct fake_fs *f, const char *path, const void *data, size_t len);
/* Descriptors that are open. */
unsigned fake_fs_open_count(const struct fake_fs *f);

#endif
