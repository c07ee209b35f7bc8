/* SPDX-License-Identifier: Apache-2.0
 *
 * After an fdatasync that failed the kernel calls the pages clean: they are still read as they were
 * written, the next fdatasync has nothing to do and says that all is well, and a power cut takes
 * them. A process that starts over cannot know that this happened to the one before it. So the
 * bytes are written once more, onto themselves, which makes the pages dirty again.
 */
#include "agent/spool/rewrite.h"

#include "agent/base/arena.h"

#define AT_ONCE (256u * 1024)

int
rewrite_tail(const struct fs *fs, int fd, uint64_t from)
{
    uint8_t *bytes = x_malloc(AT_ONCE);
    int rc = 0;
    for (;;) {
        ssize_t got = fs->pread_all(fs, fd, bytes, AT_ONCE, from);
        if (got <= 0) {
            rc = (int)got;
            break;
        }
        rc = fs->pwrite_all(fs, fd, bytes, (size_t)got, from);
        if (rc < 0) {
            break;
        }
        from += (uint64_t)got;
    }
    x_free(bytes);
    return rc < 0 ? rc : fs->datasync(fs, fd);
}
