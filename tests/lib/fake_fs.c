/* SPDX-License-Identifier: Apache-2.0
 *
 * Each file has its bytes as programs see them, its bytes as the disk has them, and the list of
 * operations in between, which a sync applies to the disk's. A sync that fails forgets them, as a
 * kernel does: programs still see them, the disk never will. A crash rebuilds the bytes from the
 * disk's and a random choice of these operations, which is what a page cache that writes back in
 * any order does. Names have the same two states; their changes reach the disk in order, as
 * journaling file systems do it.
 */
#include "tests/lib/fake_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FDS 256

struct bytes {
    uint8_t *data;
    size_t len;
};

struct change {
    bool truncate;
    uint64_t offset; /* or the new size */
    struct bytes bytes;
};

struct inode {
    struct bytes now, disk;
    struct change *changes;
    size_t change_count;
};

struct name {
    char *path;
    struct inode *inode; /* NULL in a list of changes: removed */
};

struct names {
    struct name *list;
    size_t count;
};

struct fake_fs {
    struct fs fs; /* first: the functions get a pointer to it */
    struct names now, disk, changes, dirs;
    struct inode **inodes;
    size_t inode_count;
    struct inode *fds[MAX_FDS];
    uint64_t capacity, done, stop_at;
    unsigned fail_in[FAKE_OPS];
    int fail_with[FAKE_OPS];
};

static struct fake_fs *
self(const struct fs *fs)
{
    return (struct fake_fs *)(uintptr_t)fs;
}

static void *
grow(void *p, size_t bytes)
{
    p = realloc(p, bytes ? bytes : 1);
    if (p == NULL) {
        abort();
    }
    return p;
}

static void
bytes_resize(struct bytes *b, size_t len)
{
    b->data = grow(b->data, len);
    if (len > b->len) {
        memset(b->data + b->len, 0, len - b->len);
    }
    b->len = len;
}

static void
bytes_write(struct bytes *b, uint64_t offset, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }
    if (offset + len > b->len) {
        bytes_resize(b, offset + len);
    }
    memcpy(b->data + offset, data, len);
}

static void
bytes_copy(struct bytes *to, const struct bytes *from)
{
    bytes_resize(to, from->len);
    if (from->len > 0) {
        memcpy(to->data, from->data, from->len);
    }
}

static struct name *
names_find(const struct names *n, const char *path)
{
    for (size_t i = 0; i < n->count; i++) {
        if (strcmp(n->list[i].path, path) == 0) {
            return &n->list[i];
        }
    }
    return NULL;
}

static void
names_push(struct names *n, const char *path, struct inode *inode)
{
    n->list = grow(n->list, (n->count + 1) * sizeof(*n->list));
    n->list[n->count++] = (struct name){strdup(path), inode};
}

static void
names_clear(struct names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free(n->list[i].path);
    }
    free(n->list);
    *n = (struct names){0};
}

/* inode NULL removes. */
static void
names_set(struct names *n, const char *path, struct inode *inode)
{
    struct name *found = names_find(n, path);
    if (inode == NULL) {
        if (found != NULL) {
            free(found->path);
            *found = n->list[--n->count];
        }
    } else if (found != NULL) {
        found->inode = inode;
    } else {
        names_push(n, path, inode);
    }
}

static void
set_name(struct fake_fs *f, const char *path, struct inode *inode)
{
    names_set(&f->now, path, inode);
    names_push(&f->changes, path, inode);
}

static void
apply(struct bytes *disk, const struct change *c)
{
    if (c->truncate) {
        bytes_resize(disk, c->offset);
    } else {
        bytes_write(disk, c->offset, c->bytes.data, c->bytes.len);
    }
}

static void
forget_changes(struct inode *inode)
{
    for (size_t i = 0; i < inode->change_count; i++) {
        free(inode->changes[i].bytes.data);
    }
    inode->change_count = 0;
}

static void
add_change(struct inode *inode, struct change c)
{
    inode->changes = grow(inode->changes, (inode->change_count + 1) * sizeof(c));
    inode->changes[inode->change_count++] = c;
}

/* 0: go on; else what the call has to return. */
static int
before(struct fake_fs *f, enum fake_op op, bool changes)
{
    if (changes) {
        f->done++;
        if (f->stop_at != 0 && f->done >= f->stop_at) {
            return -EIO;
        }
    }
    if (f->fail_in[op] > 0 && --f->fail_in[op] == 0) {
        return -f->fail_with[op];
    }
    return 0;
}

static int
fake_open(const struct fs *fs, const char *path, int flags, mode_t mode)
{
    (void)mode;
    struct fake_fs *f = self(fs);
    struct name *name = names_find(&f->now, path);
    bool creates = name == NULL && (flags & O_CREAT);
    int rc = before(f, FAKE_OPEN, creates);
    if (rc < 0) {
        return rc;
    }
    if (name == NULL && !creates) {
        return -ENOENT;
    }
    struct inode *inode = creates ? calloc(1, sizeof(*inode)) : name->inode;
    if (creates) {
        f->inodes = grow(f->inodes, (f->inode_count + 1) * sizeof(*f->inodes));
        f->inodes[f->inode_count++] = inode;
        set_name(f, path, inode);
    }
    if (flags & O_TRUNC) {
        bytes_resize(&inode->now, 0);
        add_change(inode, (struct change){.truncate = true});
    }
    for (int fd = 3; fd < MAX_FDS; fd++) {
        if (f->fds[fd] == NULL) {
            f->fds[fd] = inode;
            return fd;
        }
    }
    return -EMFILE;
}

static struct inode *
inode_of(struct fake_fs *f, int fd)
{
    if (fd < 0 || fd >= MAX_FDS || f->fds[fd] == NULL) {
        fprintf(stderr, "fake_fs: descriptor %d is not open\n", fd);
        abort();
    }
    return f->fds[fd];
}

static int
fake_close(const struct fs *fs, int fd)
{
    inode_of(self(fs), fd);
    self(fs)->fds[fd] = NULL;
    return 0;
}

uint64_t
fake_fs_used(const struct fake_fs *f)
{
    uint64_t used = 0;
    for (size_t i = 0; i < f->now.count; i++) {
        used += f->now.list[i].inode->now.len;
    }
    return used;
}

static int
fake_pwrite_all(const struct fs *fs, int fd, const void *data, size_t len, uint64_t offset)
{
    struct fake_fs *f = self(fs);
    struct inode *inode = inode_of(f, fd);
    int rc = before(f, FAKE_PWRITE, true);
    if (f->stop_at != 0 && f->done >= f->stop_at) {
        return rc;
    }
    if (rc < 0) {
        len /= 2;
    } else if (offset + len > inode->now.len) {
        uint64_t more = offset + len - inode->now.len;
        uint64_t used = fake_fs_used(f), room = f->capacity > used ? f->capacity - used : 0;
        if (more > room) {
            len = more - room > len ? 0 : len - (more - room);
            rc = -ENOSPC;
        }
    }
    if (len > 0) {
        struct change c = {.offset = offset};
        bytes_write(&c.bytes, 0, data, len);
        add_change(inode, c);
        bytes_write(&inode->now, offset, data, len);
    }
    return rc;
}

static ssize_t
fake_pread_all(const struct fs *fs, int fd, void *data, size_t len, uint64_t offset)
{
    struct inode *inode = inode_of(self(fs), fd);
    int rc = before(self(fs), FAKE_PREAD, false);
    if (rc < 0) {
        return rc;
    }
    if (offset >= inode->now.len) {
        return 0;
    }
    size_t n = inode->now.len - offset < len ? inode->now.len - offset : len;
    memcpy(data, inode->now.data + offset, n);
    return (ssize_t)n;
}

static int
fake_datasync(const struct fs *fs, int fd)
{
    struct inode *inode = inode_of(self(fs), fd);
    struct fake_fs *f = self(fs);
    int rc = before(f, FAKE_DATASYNC, true);
    if (f->stop_at != 0 && f->done >= f->stop_at) {
        return rc;
    }
    for (size_t i = 0; rc >= 0 && i < inode->change_count; i++) {
        apply(&inode->disk, &inode->changes[i]);
    }
    forget_changes(inode);
    return rc;
}

static int
fake_truncate(const struct fs *fs, int fd, uint64_t size)
{
    struct inode *inode = inode_of(self(fs), fd);
    int rc = before(self(fs), FAKE_TRUNCATE, true);
    if (rc < 0) {
        return rc;
    }
    bytes_resize(&inode->now, size);
    add_change(inode, (struct change){.truncate = true, .offset = size});
    return 0;
}

static int
fake_allocate(const struct fs *fs, int fd, uint64_t size)
{
    struct fake_fs *f = self(fs);
    struct inode *inode = inode_of(f, fd);
    uint64_t used = fake_fs_used(f);
    int rc = before(f, FAKE_ALLOCATE, false);
    if (rc < 0 || size <= inode->now.len) {
        return rc;
    }
    return used + (size - inode->now.len) > f->capacity ? -ENOSPC : 0;
}

static int
fake_size(const struct fs *fs, int fd, uint64_t *out)
{
    *out = inode_of(self(fs), fd)->now.len;
    return 0;
}

static int
fake_alone(const struct fs *fs, int fd)
{
    struct fake_fs *f = self(fs);
    for (int other = 0; other < MAX_FDS; other++) {
        if (other != fd && f->fds[other] == inode_of(f, fd)) {
            return 0;
        }
    }
    return 1;
}

static int
fake_rename(const struct fs *fs, const char *from, const char *to)
{
    struct fake_fs *f = self(fs);
    int rc = before(f, FAKE_RENAME, true);
    if (rc < 0) {
        return rc;
    }
    struct name *name = names_find(&f->now, from);
    if (name == NULL) {
        return -ENOENT;
    }
    set_name(f, to, name->inode);
    set_name(f, from, NULL);
    return 0;
}

static int
fake_unlink(const struct fs *fs, const char *path)
{
    struct fake_fs *f = self(fs);
    int rc = before(f, FAKE_UNLINK, true);
    if (rc < 0) {
        return rc;
    }
    if (names_find(&f->now, path) == NULL) {
        return -ENOENT;
    }
    set_name(f, path, NULL);
    return 0;
}

static int
fake_mkdir(const struct fs *fs, const char *path, mode_t mode)
{
    (void)mode;
    if (names_find(&self(fs)->dirs, path) == NULL) {
        names_push(&self(fs)->dirs, path, NULL);
    }
    return 0;
}

static bool
is_in(const char *dir, const char *path)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/' && strchr(path + len + 1, '/') == NULL;
}

static int
fake_sync_dir(const struct fs *fs, const char *path)
{
    struct fake_fs *f = self(fs);
    int rc = before(f, FAKE_SYNC_DIR, true);
    if (rc < 0) {
        return rc;
    }
    size_t kept = 0;
    for (size_t i = 0; i < f->changes.count; i++) {
        struct name *change = &f->changes.list[i];
        if (is_in(path, change->path)) {
            names_set(&f->disk, change->path, change->inode);
            free(change->path);
        } else {
            f->changes.list[kept++] = *change;
        }
    }
    f->changes.count = kept;
    return 0;
}

static int
fake_list(
    const struct fs *fs, const char *path, int (*each)(const char *name, void *arg), void *arg)
{
    struct fake_fs *f = self(fs);
    int rc = 0;
    if (names_find(&f->dirs, path) == NULL) {
        return -ENOENT;
    }
    for (size_t i = 0; i < f->now.count && rc == 0; i++) {
        const char *p = f->now.list[i].path;
        if (is_in(path, p)) {
            rc = each(strrchr(p, '/') + 1, arg);
        }
    }
    return rc;
}

static int
fake_space(const struct fs *fs, const char *path, struct fs_space *out)
{
    (void)path;
    struct fake_fs *f = self(fs);
    int rc = before(f, FAKE_SPACE, false);
    uint64_t used = fake_fs_used(f);
    *out = (struct fs_space){f->capacity, f->capacity > used ? f->capacity - used : 0};
    return rc;
}

/* --- control ------------------------------------------------------------------------------------
 */

struct fake_fs *
fake_fs_new(void)
{
    struct fake_fs *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        abort();
    }
    f->capacity = UINT64_MAX / 2;
    f->fs = (struct fs){
        .open = fake_open,
        .close = fake_close,
        .pwrite_all = fake_pwrite_all,
        .pread_all = fake_pread_all,
        .datasync = fake_datasync,
        .truncate = fake_truncate,
        .allocate = fake_allocate,
        .size = fake_size,
        .rename = fake_rename,
        .unlink = fake_unlink,
        .mkdir = fake_mkdir,
        .sync_dir = fake_sync_dir,
        .list = fake_list,
        .space = fake_space,
    };
    return f;
}

void
fake_fs_tells_alone(struct fake_fs *f)
{
    f->fs.alone = fake_alone;
}

void
fake_fs_free(struct fake_fs *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->inode_count; i++) {
        forget_changes(f->inodes[i]);
        free(f->inodes[i]->changes);
        free(f->inodes[i]->now.data);
        free(f->inodes[i]->disk.data);
        free(f->inodes[i]);
    }
    free(f->inodes);
    names_clear(&f->now);
    names_clear(&f->disk);
    names_clear(&f->changes);
    names_clear(&f->dirs);
    free(f);
}

const struct fs *
fake_fs_get(struct fake_fs *f)
{
    return &f->fs;
}

static uint64_t
next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A third of the changes is lost, a third is there, a third is there in part. */
static void
lose(struct inode *inode, uint64_t *seed)
{
    for (size_t i = 0; i < inode->change_count; i++) {
        const struct change *c = &inode->changes[i];
        uint64_t fate = next_random(seed) % 3;
        if (fate == 0) {
            continue;
        }
        if (c->truncate) {
            bytes_resize(&inode->disk, c->offset);
            continue;
        }
        size_t len = fate == 1 ? c->bytes.len : next_random(seed) % (c->bytes.len + 1);
        bytes_write(&inode->disk, c->offset, c->bytes.data, len);
        if (len < c->bytes.len && next_random(seed) % 2 == 0) {
            /* The size was made durable, the data not. */
            if (inode->disk.len < c->offset + c->bytes.len) {
                bytes_resize(&inode->disk, c->offset + c->bytes.len);
            }
        }
    }
    forget_changes(inode);
    bytes_copy(&inode->now, &inode->disk);
}

void
fake_fs_crash(struct fake_fs *f, uint64_t seed)
{
    size_t kept = f->changes.count ? next_random(&seed) % (f->changes.count + 1) : 0;
    for (size_t i = 0; i < kept; i++) {
        names_set(&f->disk, f->changes.list[i].path, f->changes.list[i].inode);
    }
    names_clear(&f->changes);
    names_clear(&f->now);
    for (size_t i = 0; i < f->disk.count; i++) {
        names_push(&f->now, f->disk.list[i].path, f->disk.list[i].inode);
    }
    for (size_t i = 0; i < f->inode_count; i++) {
        lose(f->inodes[i], &seed);
    }
    memset(f->fds, 0, sizeof(f->fds));
    memset(f->fail_in, 0, sizeof(f->fail_in));
    f->stop_at = 0;
}

void
fake_fs_stop_before(struct fake_fs *f, uint64_t nth)
{
    f->stop_at = nth == 0 ? 0 : f->done + nth;
}

uint64_t
fake_fs_changes(const struct fake_fs *f)
{
    return f->done;
}

void
fake_fs_fail(struct fake_fs *f, enum fake_op op, unsigned nth, int error)
{
    f->fail_in[op] = nth;
    f->fail_with[op] = error;
}

void
fake_fs_capacity(struct fake_fs *f, uint64_t bytes)
{
    f->capacity = bytes;
}

uint8_t *
fake_fs_file(struct fake_fs *f, const char *path, size_t *len)
{
    struct name *name = names_find(&f->now, path);
    *len = name == NULL ? 0 : name->inode->now.len;
    return name == NULL ? NULL : name->inode->now.data;
}

void
fake_fs_put(struct fake_fs *f, const char *path, const void *data, size_t len)
{
    int fd = fake_open(&f->fs, path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    struct inode *inode = inode_of(f, fd);
    bytes_write(&inode->now, 0, data, len);
    bytes_copy(&inode->disk, &inode->now);
    forget_changes(inode);
    f->fds[fd] = NULL;
    names_set(&f->disk, path, inode);
}

unsigned
fake_fs_open_count(const struct fake_fs *f)
{
    unsigned n = 0;
    for (int i = 0; i < MAX_FDS; i++) {
        n += f->fds[i] != NULL;
    }
    return n;
}
