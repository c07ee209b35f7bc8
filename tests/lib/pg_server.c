/* SPDX-License-Identifier: Apache-2.0
 *
 * The postmaster is our direct child, started under another user when the test runs as root, and
 * told by the kernel to quit when we die. One server per program.
 */
#include "tests/lib/pg_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 64

static struct pg_server *at_exit;
static char bindir[256];
static const char *const *kept_settings;

static const char *
find_bindir(void)
{
    const char *given = getenv("PG_BINDIR");
    if (given && given[0]) {
        return given;
    }
    glob_t g;
    int newest = 0;
    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc; i++) {
            int version = (int)strtol(g.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);
            if (version > newest) {
                newest = version;
                snprintf(bindir, sizeof bindir, "/usr/lib/postgresql/%d/bin", version);
            }
        }
        globfree(&g);
    }
    return newest ? bindir : NULL;
}

/* In the child: another user than root, no output but the log, and no life without the parent. */
static void
become_server(const char *log, pid_t parent)
{
    if (geteuid() == 0) {
        const struct passwd *pw = getpwnam("postgres");
        if (!pw || initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
            setuid(pw->pw_uid) != 0) {
            _exit(126);
        }
    }
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent) {
        _exit(125);
    }
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
        _exit(124);
    }
    unsetenv("LD_PRELOAD");
    if (chdir("/") != 0) {
        _exit(123);
    }
}

static pid_t
spawn(const struct pg_server *s, char *const *argv)
{
    char log[96];
    snprintf(log, sizeof log, "%s/log", s->dir);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become_server(log, parent);
        execv(argv[0], argv);
        _exit(127);
    }
    return pid;
}

static bool
wait_child(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void
show_log(const struct pg_server *s)
{
    char log[96], line[512];
    snprintf(log, sizeof log, "%s/log", s->dir);
    FILE *f = fopen(log, "r");
    while (f && fgets(line, sizeof line, f)) {
        fputs(line, stderr);
    }
    if (f) {
        fclose(f);
    }
}

static void
add_args(char **argv, int *n, const char *const *args)
{
    for (int i = 0; args[i] && *n < ARGS_MAX - 1; i++) {
        argv[(*n)++] = strdup(args[i]);
    }
}

static void
free_args(char **argv)
{
    for (int i = 0; argv[i]; i++) {
        free(argv[i]);
    }
}

static bool
run_initdb(struct pg_server *s, const char *bin)
{
    char program[300], data[96];
    snprintf(program, sizeof program, "%s/initdb", bin);
    snprintf(data, sizeof data, "%s/data", s->dir);
    char *argv[ARGS_MAX] = {0};
    int n = 0;
    add_args(argv, &n,
        (const char *const[]){program, "-N", "--no-instructions", "-A", "trust", "-U", "postgres",
            "-E", "UTF8", "--locale=C.UTF-8", "-D", data, NULL});
    bool ok = wait_child(spawn(s, argv));
    free_args(argv);
    return ok;
}

static bool
start_postmaster(struct pg_server *s, const char *bin, const char *const *settings)
{
    static const char *const ours[] = {"listen_addresses=", "fsync=off", "full_page_writes=off",
        "shared_buffers=16MB", "max_connections=40", "max_wal_senders=8",
        "max_replication_slots=40", "autovacuum=off", "max_prepared_transactions=4", NULL};
    char program[300], data[96];
    snprintf(program, sizeof program, "%s/postgres", bin);
    snprintf(data, sizeof data, "%s/data", s->dir);
    char *argv[ARGS_MAX] = {0};
    int n = 0;
    add_args(argv, &n, (const char *const[]){program, "-D", data, "-k", s->dir, NULL});
    const char *const *lists[2] = {ours, settings};
    for (int l = 0; l < 2; l++) {
        for (int i = 0; lists[l] && lists[l][i]; i++) {
            add_args(argv, &n, (const char *const[]){"-c", lists[l][i], NULL});
        }
    }
    s->pid = spawn(s, argv);
    free_args(argv);
    for (int i = 0; s->pid > 0 && i < 3000; i++) {
        if (PQping(s->dsn) == PQPING_OK) {
            return true;
        }
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            s->pid = 0;
            break;
        }
        usleep(10000);
    }
    return false;
}

static void
stop_at_exit(void)
{
    if (at_exit) {
        pg_server_stop(at_exit);
    }
}

static bool
make_directory(struct pg_server *s)
{
    snprintf(s->dir, sizeof s->dir, "/tmp/tidegate-pg.XXXXXX");
    if (!mkdtemp(s->dir)) {
        return false;
    }
    const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    return geteuid() != 0 || (pw && chown(s->dir, pw->pw_uid, pw->pw_gid) == 0);
}

bool
pg_server_start(struct pg_server *s, const char *const *settings)
{
    memset(s, 0, sizeof *s);
    const char *bin = find_bindir();
    if (!bin) {
        fprintf(stderr, "no PostgreSQL server binary is installed\n");
        return false;
    }
    if (!make_directory(s)) {
        fprintf(stderr, "cannot make a directory for the server: %s\n", strerror(errno));
        return false;
    }
    snprintf(s->dsn, sizeof s->dsn, "host=%s port=5432 user=postgres dbname=postgres", s->dir);
    kept_settings = settings;
    if (!at_exit) {
        atexit(stop_at_exit);
    }
    at_exit = s;
    if (!run_initdb(s, bin) || !start_postmaster(s, bin, settings)) {
        show_log(s);
        pg_server_stop(s);
        return false;
    }
    return true;
}

/* The postmaster ends its children itself unless it is killed; then they notice within a second. */
static void
end_process(struct pg_server *s, int signal)
{
    if (s->pid <= 0) {
        return;
    }
    kill(s->pid, signal);
    for (int i = 0; i < 1000; i++) {
        if (waitpid(s->pid, NULL, WNOHANG) != 0) {
            s->pid = 0;
            return;
        }
        usleep(10000);
    }
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void
pg_server_stop(struct pg_server *s)
{
    end_process(s, SIGQUIT);
    if (s->dir[0]) {
        nftw(s->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    }
    memset(s, 0, sizeof *s);
    if (at_exit == s) {
        at_exit = NULL;
    }
}

bool
pg_server_crash(struct pg_server *s)
{
    /* SIGQUIT: an immediate shutdown, without a checkpoint; the next start replays what was
     * flushed. */
    end_process(s, SIGQUIT);
    return start_postmaster(s, find_bindir(), kept_settings);
}

static void
no_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

PGconn *
pg_server_connect(const struct pg_server *s, const char *extra)
{
    char dsn[320];
    snprintf(dsn, sizeof dsn, "%s %s", s->dsn, extra ? extra : "");
    PGconn *conn = PQconnectdb(dsn);
    if (PQstatus(conn) != CONNECTION_OK) {
        fprintf(stderr, "%s", PQerrorMessage(conn));
        abort();
    }
    PQsetNoticeProcessor(conn, no_notice, NULL);
    return conn;
}

void
pg_do(PGconn *conn, const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s\n%s", sql, PQresultErrorMessage(res));
        abort();
    }
    PQclear(res);
}

const char *
pg_get(PGconn *conn, const char *sql)
{
    static char value[65536];
    PGresult *res = PQexec(conn, sql);
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s\n%s", sql, PQresultErrorMessage(res));
        abort();
    }
    const char *v = "";
    if (PQntuples(res) > 0) {
        v = PQgetisnull(res, 0, 0) ? "NULL" : PQgetvalue(res, 0, 0);
    }
    snprintf(value, sizeof value, "%s", v);
    PQclear(res);
    return value;
}
