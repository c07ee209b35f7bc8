/* SPDX-License-Identifier: Apache-2.0
 *
 * The file operations that durability depends on, as a struct of functions, so that a test double
 * can lose un-synced bytes, tear a write, or say ENOSPC. Every function returns >= 0, or -errno.
 */
#ifndef TG_BASE_FS_H
#define TG_BASE_FS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fs_space {
    uint64_t total, free; /* bytes; free is what an unprivileged user may still take */
};

struct fs {
    int (*open)(const struct fs *fs, const char *path, int flags, mode_t mode);
    int (*close)(const struct fs *fs, int fd);
    /* Writes all of it or fails (-ENOSPC after a part of it is possible); never a short count. */
    int (*pwrite_all)(const struct fs *fs, int fd, const void *data, size_t len, uint64_t offset);
    /* Bytes read, less than len only at the end of the file. */
    ssize_t (*pread_all)(const struct fs *fs, int fd, void *data, size_t len, uint64_t offset);
    int (*datasync)(const struct fs *fs, int fd);
    int (*truncate)(const struct fs *fs, int fd, uint64_t size);
    /* Takes room for the first `size` bytes, which leaves the file as long as it is; NULL or
     * -EOPNOTSUPP: it cannot. */
    int (*allocate)(const struct fs *fs, int fd, uint64_t size);
    /* Has the disk begin with these bytes, so that the next datasync finds less to do. Promises
     * nothing; NULL: does nothing. */
    void (*start_write)(const struct fs *fs, int fd, uint64_t offset, uint64_t len);
    int (*size)(const struct fs *fs, int fd, uint64_t *out);
    int (*rename)(const struct fs *fs, const char *from, const char *to);
    int (*unlink)(const struct fs *fs, const char *path);
    int (*mkdir)(const struct fs *fs, const char *path, mode_t mode); /* existing is fine */
    int (*sync_dir)(const struct fs *fs, const char *path);
    int (*list)(const struct fs *fs, const char *path, int (*each)(const char *name, void *arg),
        void *arg); /* any order, no . and .. */
    /* 1: nobody else has this file open, in any process; 0: somebody has, or it cannot be known.
     * NULL: never known. */
    int (*alone)(const struct fs *fs, int fd);
    int (*space)(const struct fs *fs, const char *path, struct fs_space *out);
};

extern const struct fs fs_system;

#endif
