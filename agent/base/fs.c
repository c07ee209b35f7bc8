/* SPDX-License-Identifier: Apache-2.0
 *
 * fs_system: thin calls of the kernel that finish short transfers and interrupted calls, and turn
 * errno into a negative result. Every descriptor is opened with O_CLOEXEC.
 */
#include "agent/base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int
result(int rc)
{
    return rc < 0 ? -errno : rc;
}

static int
system_open(const struct fs *fs, const char *path, int flags, mode_t mode)
{
    (void)fs;
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return result(fd);
}

static int
system_close(const struct fs *fs, int fd)
{
    (void)fs;
    /* On Linux the descriptor is gone even when the call was interrupted. */
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static int
system_pwrite_all(const struct fs *fs, int fd, const void *data, size_t len, uint64_t offset)
{
    (void)fs;
    const unsigned char *p = data;
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        p += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static ssize_t
system_pread_all(const struct fs *fs, int fd, void *data, size_t len, uint64_t offset)
{
    (void)fs;
    unsigned char *p = data;
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(fd, p + got, len - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static int
system_datasync(const struct fs *fs, int fd)
{
    (void)fs;
    /* No second try on failure: the kernel may have dropped the dirty pages already. */
    return result(fdatasync(fd));
}

static int
system_truncate(const struct fs *fs, int fd, uint64_t size)
{
    (void)fs;
    int rc;
    do {
        rc = ftruncate(fd, (off_t)size);
    } while (rc < 0 && errno == EINTR);
    return result(rc);
}

static int
system_allocate(const struct fs *fs, int fd, uint64_t size)
{
    (void)fs;
    int rc;
    do {
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
    } while (rc < 0 && errno == EINTR);
    return result(rc);
}

/* An error of the disk is kept by the kernel for the next fdatasync of the same descriptor. */
static void
system_start_write(const struct fs *fs, int fd, uint64_t offset, uint64_t len)
{
    (void)fs;
    (void)sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

static int
system_size(const struct fs *fs, int fd, uint64_t *out)
{
    (void)fs;
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    *out = (uint64_t)st.st_size;
    return 0;
}

/* The kernel grants a write lease only where this descriptor is the file's only one. Somebody may
 * open the file before it is given back; he waits for that moment, and the signal that tells us
 * must be one that is ignored: SIGIO would end the process. */
static int
system_alone(const struct fs *fs, int fd)
{
    (void)fs;
    bool granted = fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
    if (granted) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    }
    return granted;
}

static int
system_rename(const struct fs *fs, const char *from, const char *to)
{
    (void)fs;
    return result(rename(from, to));
}

static int
system_unlink(const struct fs *fs, const char *path)
{
    (void)fs;
    return result(unlink(path));
}

static int
system_mkdir(const struct fs *fs, const char *path, mode_t mode)
{
    (void)fs;
    if (mkdir(path, mode) == 0) {
        return 0;
    }
    int error = errno;
    struct stat st;
    if (error == EEXIST && stat(path, &st) == 0) {
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    }
    return -error;
}

static int
system_sync_dir(const struct fs *fs, const char *path)
{
    int fd = system_open(fs, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return fd;
    }
    int rc = result(fsync(fd));
    close(fd);
    return rc;
}

static int
system_list(
    const struct fs *fs, const char *path, int (*each)(const char *name, void *arg), void *arg)
{
    (void)fs;
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return -errno;
    }
    int rc = 0;
    while (rc == 0) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (e == NULL) {
            rc = -errno;
            break;
        }
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            rc = each(e->d_name, arg);
        }
    }
    closedir(dir);
    return rc;
}

static int
system_space(const struct fs *fs, const char *path, struct fs_space *out)
{
    (void)fs;
    struct statvfs v;
    if (statvfs(path, &v) < 0) {
        return -errno;
    }
    out->total = (uint64_t)v.f_blocks * v.f_frsize;
    out->free = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

const struct fs fs_system = {
    .open = system_open,
    .close = system_close,
    .pwrite_all = system_pwrite_all,
    .pread_all = system_pread_all,
    .datasync = system_datasync,
    .truncate = system_truncate,
    .allocate = system_allocate,
    .start_write = system_start_write,
    .size = system_size,
    .rename = system_rename,
    .unlink = system_unlink,
    .mkdir = system_mkdir,
    .sync_dir = system_sync_dir,
    .list = system_list,
    .alone = system_alone,
    .space = system_space,
};
