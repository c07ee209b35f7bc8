/* SPDX-License-Identifier: Apache-2.0
 *
 * Directories that may hold the programs are asked for `pg_dump --version`; the numbers decide, not
 * the names of directories. A directory that lacks one of the two does not count. The first one of
 * exactly the wanted version ends the search: none behind it can be better, and a distribution's
 * wrapper in PATH takes as long to answer as a small schema takes to be dumped.
 */
#include "agent/snapshot/pgtools.h"

#include <ctype.h>
#include <glob.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/parse.h"
#include "agent/base/proc.h"
#include "agent/pg/conn.h"

#define CANDIDATES_MAX 64
#define OUTPUT_MAX     (256ULL << 20)
#define STDERR_MAX     65536
#define ARGS_MAX_EXTRA 4

struct candidates {
    char *dirs[CANDIDATES_MAX];
    int majors[CANDIDATES_MAX];
    size_t len;
    int wanted;
    bool exact; /* one of the wanted version is among them */
};

int
pgtools_major(const char *version_line)
{
    static const char mark[] = "(PostgreSQL) ";
    const char *at = strstr(version_line, mark);
    char digits[8];
    uint32_t major;
    if (!at) {
        return 0;
    }
    at += strlen(mark);
    size_t n = strspn(at, "0123456789");
    if (n == 0 || n >= sizeof(digits)) {
        return 0;
    }
    memcpy(digits, at, n);
    digits[n] = 0;
    return parse_u32(digits, &major) && major < 1000 ? (int)major : 0;
}

int
pgtools_choose(const int *majors, size_t n, int wanted)
{
    int best = -1;
    for (size_t i = 0; i < n; i++) {
        if (majors[i] >= wanted && (best < 0 || majors[i] < majors[best])) {
            best = (int)i;
        }
    }
    return best;
}

/* Reads a program's whole standard output. */
bool
pgtools_read(const char *program, const char *const *args, const struct stop *stop, char **out,
    struct err *err)
{
    const char *argv[16] = {program};
    size_t n = 1;
    for (; *args && n < 15; args++) {
        argv[n++] = *args;
    }
    struct buf text, errors;
    buf_init(&text, OUTPUT_MAX);
    buf_init(&errors, STDERR_MAX);
    struct proc p = {.argv = argv, .out = &text, .stderr_out = &errors};
    bool ok = proc_run(&p, stop, err) && buf_ok(&text, program, err);
    *out = ok ? x_strdup(buf_cstr(&text)) : NULL;
    buf_done(&text);
    buf_done(&errors);
    return ok;
}

static int
major_in(const char *dir)
{
    static const char *const args[] = {"--version", NULL};
    char *dump = x_printf("%s/pg_dump", dir);
    char *restore = x_printf("%s/pg_restore", dir);
    int major = 0;
    if (access(dump, X_OK) == 0 && access(restore, X_OK) == 0) {
        struct err ignored = ERR_INIT;
        char *line;
        if (pgtools_read(dump, args, NULL, &line, &ignored)) {
            major = pgtools_major(line);
            x_free(line);
        }
    }
    x_free(dump);
    x_free(restore);
    return major;
}

static void
add_dir(struct candidates *c, const char *dir)
{
    if (c->exact || c->len == CANDIDATES_MAX || !*dir) {
        return;
    }
    for (size_t i = 0; i < c->len; i++) {
        if (strcmp(c->dirs[i], dir) == 0) {
            return;
        }
    }
    int major = major_in(dir);
    if (major) {
        c->dirs[c->len] = x_strdup(dir);
        c->majors[c->len++] = major;
        c->exact = major == c->wanted;
    }
}

static void
add_glob(struct candidates *c, const char *pattern)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            add_dir(c, found.gl_pathv[i]);
        }
    }
    globfree(&found);
}

static void
add_path(struct candidates *c)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t n = strcspn(path, ":");
        char *dir = x_strndup(path, n);
        add_dir(c, dir);
        x_free(dir);
        path += n + (path[n] == ':');
    }
}

/* What was found last, for as long as it is there and the same is asked for. */
static struct {
    pthread_mutex_t lock; /* guards the rest */
    int wanted;
    char *only, *dir;
} found = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
both_are_in(const char *dir, char **pg_dump, char **pg_restore)
{
    *pg_dump = x_printf("%s/pg_dump", dir);
    *pg_restore = x_printf("%s/pg_restore", dir);
    bool ok = access(*pg_dump, X_OK) == 0 && access(*pg_restore, X_OK) == 0;
    if (!ok) {
        x_free(*pg_dump);
        x_free(*pg_restore);
        *pg_dump = *pg_restore = NULL;
    }
    return ok;
}

static bool
was_found(int wanted, const char *only, char **pg_dump, char **pg_restore)
{
    pthread_mutex_lock(&found.lock);
    bool ok = found.dir && found.wanted == wanted && strcmp(found.only, only) == 0 &&
              both_are_in(found.dir, pg_dump, pg_restore);
    pthread_mutex_unlock(&found.lock);
    return ok;
}

static void
note_found(int wanted, const char *only, const char *dir)
{
    pthread_mutex_lock(&found.lock);
    x_free(found.only);
    x_free(found.dir);
    found.wanted = wanted;
    found.only = x_strdup(only);
    found.dir = x_strdup(dir);
    pthread_mutex_unlock(&found.lock);
}

bool
pgtools_find(int server_version, char **pg_dump, char **pg_restore, struct err *err)
{
    struct candidates c = {.wanted = server_version / 10000};
    const char *only = getenv("TIDEGATE_PG_BINDIR");
    *pg_dump = *pg_restore = NULL;
    if (was_found(c.wanted, only ? only : "", pg_dump, pg_restore)) {
        return true;
    }
    if (only && *only) {
        add_dir(&c, only);
    } else {
        /* Before PATH: a distribution's wrapper in /usr/bin stands for one of these. */
        add_glob(&c, "/usr/lib/postgresql/*/bin");
        add_glob(&c, "/usr/pgsql-*/bin");
        add_path(&c);
    }
    int wanted = c.wanted;
    int best = pgtools_choose(c.majors, c.len, wanted);
    if (best >= 0) {
        *pg_dump = x_printf("%s/pg_dump", c.dirs[best]);
        *pg_restore = x_printf("%s/pg_restore", c.dirs[best]);
        note_found(wanted, only ? only : "", c.dirs[best]);
    } else {
        int newest = 0;
        for (size_t i = 0; i < c.len; i++) {
            newest = c.majors[i] > newest ? c.majors[i] : newest;
        }
        if (newest) {
            err_set(err, ERR_CONFIG,
                "pg_dump of version %d or newer is needed for the source, the newest found is %d",
                wanted, newest);
        } else {
            err_set(err, ERR_CONFIG, "found neither pg_dump nor pg_restore");
        }
        err_hint(err,
            "install postgresql-client-%d, or set TIDEGATE_PG_BINDIR to the directory that holds "
            "pg_dump and pg_restore",
            wanted);
    }
    for (size_t i = 0; i < c.len; i++) {
        x_free(c.dirs[i]);
    }
    return best >= 0;
}

bool
pgtools_run(const char *program, const char *dsn, const char *const *args, const struct stop *stop,
    struct err *err)
{
    char *safe = NULL, *passfile = NULL;
    if (dsn && !pg_split_dsn(dsn, &safe, &passfile, err)) {
        return false;
    }
    size_t n = 0;
    while (args[n]) {
        n++;
    }
    const char **argv = x_zalloc((n + ARGS_MAX_EXTRA) * sizeof(*argv));
    size_t at = 0;
    argv[at++] = program;
    if (safe) {
        argv[at++] = "-d";
        argv[at++] = safe;
    }
    memcpy(&argv[at], args, n * sizeof(*argv));
    /* -w: never ask; there is nobody to answer. Its messages are read by people and by us. */
    static const char *const env[] = {"LC_MESSAGES=C", "PGAPPNAME=tidegate schema", NULL};
    struct buf errors;
    buf_init(&errors, STDERR_MAX);
    struct proc p = {.argv = argv,
        .env = env,
        .stderr_out = &errors,
        .secret = passfile,
        .secret_env = passfile ? "PGPASSFILE" : NULL};
    bool ok = proc_run(&p, stop, err);
    buf_done(&errors);
    x_free(argv);
    x_free(safe);
    x_free(passfile);
    return ok;
}
