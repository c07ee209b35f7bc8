/* SPDX-License-Identifier: Apache-2.0
 *
 * The state file with arbitrary content: it is refused with a class and a text, or it works. Input:
 * one byte; then, when that is odd, the file itself; when it is even, changes of a good one, each
 * of them place(2), length(1) and the bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX (1u << 17)
#define WORD     "tides"

static char dir[256];
static uint8_t good[FILE_MAX], bytes[FILE_MAX];
static size_t good_len;

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static const char *
path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void
remove_all(void)
{
    static const char *const names[] = {
        "state.db", "state.db-wal", "state.db-shm", "state.db-journal", "lock"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)unlink(path_of(names[i]));
    }
}

static void
remove_dir(void)
{
    remove_all();
    (void)rmdir(dir);
}

static void
make_good(void)
{
    struct store *s;
    struct err err = ERR_INIT;
    struct table_row row = {.oid = 16400, .schema = "public", .name = "orders", .sync = 77};
    const char *tmp = getenv("TMPDIR");

    snprintf(dir, sizeof(dir), "%s/fuzz-store-XXXXXX", tmp ? tmp : "/tmp");
    check(mkdtemp(dir) != NULL);
    atexit(remove_dir);
    check(store_open(dir, &s, &err) && store_set(s, "phase", "streaming", &err) &&
          store_set_u64(s, "slot_start", 4711, &err));
    for (int i = 0; i < 3; i++, row.oid++) {
        check(store_table_put(s, &row, &err));
    }
    store_close(s);
    int fd = open(path_of("state.db"), O_RDONLY);
    ssize_t n = read(fd, good, sizeof(good));
    close(fd);
    check(n > 0);
    good_len = (size_t)n;
}

/* The content that the input stands for. */
static size_t
make_file(const uint8_t *data, size_t size)
{
    if (data[0] & 1) {
        size_t len = size - 1 < sizeof(bytes) ? size - 1 : sizeof(bytes);
        memcpy(bytes, data + 1, len);
        return len;
    }
    memcpy(bytes, good, good_len);
    for (size_t at = 1; at + 3 < size;) {
        size_t place = ((size_t)data[at] | (size_t)data[at + 1] << 8) % good_len;
        size_t len = data[at + 2];
        at += 3;
        len = len < size - at ? len : size - at;
        len = len < good_len - place ? len : good_len - place;
        memcpy(bytes + place, data + at, len);
        at += len > 0 ? len : 1;
    }
    return good_len;
}

static void
refused(const struct err *err)
{
    check(err->class != ERR_NONE && err->text[0] != '\0');
}

static void
use(struct store *s)
{
    struct err err = ERR_INIT;
    char *value = NULL;
    uint64_t number;
    bool found;
    struct table_row *rows = NULL;
    size_t n = 0;

    if (!store_get(s, "phase", &value, &err)) {
        refused(&err);
    }
    x_free(value);
    if (!store_get_u64(s, "slot_start", &number, &found, &err)) {
        refused(&err);
    }
    if (store_tables(s, &rows, &n, &err)) {
        for (size_t i = 0; i < n; i++) {
            check(memchr(rows[i].name, '\0', sizeof(rows[i].name)) != NULL);
            check(rows[i].state <= TABLE_READY);
        }
    } else {
        refused(&err);
    }
    x_free(rows);
}

/* What is said to be durable is there, in this and in the next life. */
static void
write_and_look(struct store **s)
{
    struct err err = ERR_INIT;
    char *value = NULL;
    if (!store_set(*s, "fuzz", WORD, &err)) {
        refused(&err);
        return;
    }
    for (int life = 0; life < 2; life++) {
        check(store_get(*s, "fuzz", &value, &err));
        check(value && strcmp(value, WORD) == 0);
        x_free(value);
        if (life == 0) {
            store_close(*s);
            *s = NULL;
            check(store_open(dir, s, &err));
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store *s = NULL;
    struct err err = ERR_INIT;

    if (good_len == 0) {
        make_good();
    }
    if (size == 0) {
        return 0;
    }
    size_t len = make_file(data, size);
    remove_all();
    int fd = open(path_of("state.db"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    check(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
    if (!store_open(dir, &s, &err)) {
        refused(&err);
        return 0;
    }
    use(s);
    write_and_look(&s);
    store_close(s);
    return 0;
}
