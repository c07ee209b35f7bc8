/* SPDX-License-Identifier: Apache-2.0
 *
 * Names sort as the log does (at least ten digits, zero-filled). A header must say the number that
 * the name says: a file that was copied to another name is found.
 */
#include "agent/spool/segment.h"

#include <errno.h>
#include <inttypes.h>

#include "agent/base/parse.h"

void
segment_name(uint64_t number, bool tmp, char out[SEGMENT_NAME_MAX])
{
    snprintf(out, SEGMENT_NAME_MAX, "%010" PRIu64 ".%s", number, tmp ? "tmp" : "seg");
}

bool
segment_name_parse(const char *name, bool *tmp, uint64_t *number)
{
    char digits[SEGMENT_NAME_MAX];
    size_t n = strspn(name, "0123456789");

    if (n < 10 || n > 20) {
        return false;
    }
    *tmp = strcmp(name + n, ".tmp") == 0;
    if (!*tmp && strcmp(name + n, ".seg") != 0) {
        return false;
    }
    memcpy(digits, name, n);
    digits[n] = '\0';
    return parse_u64(digits, 1, UINT64_MAX, number);
}

bool
segment_path(
    const char *dir, uint64_t number, bool tmp, char out[SEGMENT_PATH_MAX], struct err *err)
{
    char name[SEGMENT_NAME_MAX];
    segment_name(number, tmp, name);
    return segment_path_of(dir, name, out, err);
}

bool
segment_path_of(const char *dir, const char *name, char out[SEGMENT_PATH_MAX], struct err *err)
{
    int n = snprintf(out, SEGMENT_PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= SEGMENT_PATH_MAX) {
        return err_set(err, ERR_CONFIG, "path of the spool is too long");
    }
    return true;
}

bool
segment_damaged(struct err *err, const char *path, uint64_t offset, const char *why)
{
    (void)err_set(
        err, ERR_FATAL, "spool segment '%s' is damaged at byte %" PRIu64 ": %s", path, offset, why);
    return err_hint(err,
        "nothing behind this place can be trusted; keep the directory for analysis, "
        "check the disk, and start over with a new spool and a new copy");
}

bool
segment_io(struct err *err, int rc, const char *what, const char *path)
{
    int sys = -rc;
    bool passes = sys == ENOSPC || sys == EDQUOT || sys == EMFILE || sys == ENFILE || sys == ENOMEM;
    (void)err_sys(err, passes ? ERR_RETRY : ERR_FATAL, sys, "%s '%s'", what, path);
    if (sys == ENOSPC || sys == EDQUOT) {
        (void)err_hint(err, "free space on the file system of the spool");
    }
    return false;
}

static bool
read_header(
    const struct fs *fs, int fd, const char *path, struct segment_header *out, struct err *err)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    uint32_t version;

    ssize_t got = fs->pread_all(fs, fd, bytes, sizeof(bytes), 0);
    if (got < 0) {
        return segment_io(err, (int)got, "read spool segment", path);
    }
    if ((size_t)got < sizeof(bytes)) {
        return segment_damaged(err, path, (uint64_t)got, "the segment's header is cut off");
    }
    const char *why = segment_header_decode(bytes, out, &version);
    if (why != NULL && version == 1) {
        (void)err_set(
            err, ERR_CONFIG, "spool segment '%s' is of version 1, made by an older tidegate", path);
        return err_hint(err, "let that version deliver it, or begin anew");
    }
    if (why != NULL && version != 0 && version != SEGMENT_VERSION) {
        (void)err_set(err, ERR_CONFIG,
            "spool segment '%s' has format version %u, this program reads %u", path, version,
            SEGMENT_VERSION);
        return err_hint(err, "use the program version that wrote the spool");
    }
    return why == NULL || segment_damaged(err, path, 0, why);
}

/* Is it the file that its name says? */
static bool
check_name(const struct segment_header *h, const char *path, enum file_kind kind, uint64_t number,
    struct err *err)
{
    const char *why = NULL;
    if (h->kind != kind) {
        why = kind == FILE_SEGMENT ? "this is a side file, not a segment"
                                   : "this is a segment, not a side file";
    } else if (h->number != number) {
        why = "the header has another number than the file's name";
    }
    return why == NULL || segment_damaged(err, path, 0, why);
}

bool
segment_read_header(const struct fs *fs, int fd, const char *path, uint64_t number,
    struct segment_header *out, struct err *err)
{
    return read_header(fs, fd, path, out, err) && check_name(out, path, FILE_SEGMENT, number, err);
}

bool
segment_read_side_header(const struct fs *fs, int fd, const char *path, uint64_t serial,
    struct segment_header *out, struct err *err)
{
    return read_header(fs, fd, path, out, err) && check_name(out, path, FILE_SIDE, serial, err);
}

bool
segment_read_footer(const struct fs *fs, int fd, const struct segment *seg,
    struct segment_footer *out, const char **why, int *rc)
{
    uint8_t bytes[FOOTER_SIZE];

    *why = "the segment has no footer";
    if (seg->size < SEGMENT_HEADER_SIZE + FOOTER_SIZE) {
        return true;
    }
    uint64_t at = seg->size - FOOTER_SIZE;
    ssize_t got = fs->pread_all(fs, fd, bytes, sizeof(bytes), at);
    if (got < 0) {
        *rc = (int)got;
        return false;
    }
    if ((size_t)got < sizeof(bytes)) {
        return true;
    }
    *why = segment_footer_decode(bytes, out);
    if (*why == NULL && !segment_packed(seg) && out->offset != seg->header.base + at) {
        *why = "the footer belongs to another place";
    }
    if (*why == NULL && (out->index > at || at - out->index != index_size(out->entries))) {
        *why = "the index does not end where the footer begins";
    }
    return true;
}
