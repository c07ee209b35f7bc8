/* SPDX-License-Identifier: Apache-2.0
 *
 * The parent prepares everything that needs memory or locks (path, environment, descriptors),
 * because between fork and exec a child of a process with threads may only make system calls. Then
 * one loop waits in poll for both pipes, the end of the child and the stop request.
 *
 * Invariant: every descriptor is close-on-exec and numbered above those the child uses; the child
 * places 0, 1, 2 and the secret's with dup2 and closes the rest.
 *
 * The child leads a session of its own: no terminal can ask for a password, Ctrl-C reaches it only
 * through our stop request, and signals go to all workers it starts. It gets SIGTERM when we die.
 */
#include "agent/base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"

#define KILL_AFTER_US 5000000
#define TICK_MS       50 /* without a pidfd the child's end is looked for this often */
#define TAIL_SIZE     4096
#define DRAIN_READS   64
#define FD_SECRET     3 /* in the child */
#define FD_EXEC_ERROR 4
#define FD_FREE       5 /* ours begin here */

struct run {
    const struct proc *p;
    const struct stop *stop;
    char *path;
    char **env;
    int null_fd, out_r, out_w, err_r, err_w, exec_r, exec_w, secret_fd, pid_fd; /* -1: not open */
    pid_t pid;
    int status;           /* of waitpid, valid when reaped */
    bool reaped;          /* the child is gone */
    bool stopping;        /* SIGTERM was sent */
    bool killed;          /* SIGKILL was sent */
    int64_t terminated;   /* monotonic time of SIGTERM */
    char tail[TAIL_SIZE]; /* the last bytes of stderr, whatever its buffer's ceiling */
    size_t tail_len;
};

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* Moves a new descriptor above those that the child uses. */
static int
above(int fd)
{
    if (fd < 0 || fd >= FD_FREE) {
        return fd;
    }
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_FREE);
    int saved = errno;
    close(fd);
    errno = saved;
    return moved;
}

static bool
open_pipe(int *r, int *w)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return false;
    }
    *r = above(fds[0]);
    *w = above(fds[1]);
    return *r >= 0 && *w >= 0;
}

static bool
open_secret(struct run *run, struct err *err)
{
    const char *at = run->p->secret;
    run->secret_fd = above(memfd_create("secret", MFD_CLOEXEC));
    /* libpq refuses a password file that others may read. */
    bool ok = run->secret_fd >= 0 && fchmod(run->secret_fd, 0600) == 0;
    for (size_t left = strlen(at); ok && left > 0;) {
        ssize_t n = write(run->secret_fd, at, left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        ok = n > 0;
        if (ok) {
            at += n;
            left -= (size_t)n;
        }
    }
    ok = ok && lseek(run->secret_fd, 0, SEEK_SET) == 0;
    return ok ||
           err_sys(err, ERR_FATAL, errno, "keep the secret for '%s' in memory", run->p->argv[0]);
}

static bool
open_stdout(struct run *run, struct err *err)
{
    const char *path = run->p->stdout_path;
    if (path == NULL && run->p->out == NULL) {
        run->out_w = above(open("/dev/null", O_WRONLY | O_CLOEXEC));
        return run->out_w >= 0 || err_sys(err, ERR_FATAL, errno, "open '/dev/null'");
    }
    if (path == NULL) {
        return open_pipe(&run->out_r, &run->out_w) || err_sys(err, ERR_FATAL, errno, "open a pipe");
    }
    run->out_w = above(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (run->out_w < 0 || fchmod(run->out_w, 0600) < 0) {
        return err_sys(err, ERR_CONFIG, errno, "create '%s'", path);
    }
    return true;
}

static bool
open_all(struct run *run, struct err *err)
{
    run->null_fd = above(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (run->null_fd < 0) {
        return err_sys(err, ERR_FATAL, errno, "open '/dev/null'");
    }
    if (!open_pipe(&run->err_r, &run->err_w) || !open_pipe(&run->exec_r, &run->exec_w)) {
        return err_sys(err, ERR_FATAL, errno, "open a pipe");
    }
    return open_stdout(run, err) && (run->p->secret == NULL || open_secret(run, err));
}

/* Where argv[0] lies, as execvp would find it. */
static bool
find_program(struct run *run, struct err *err)
{
    const char *name = run->p->argv[0], *dirs = getenv("PATH");
    if (strchr(name, '/') != NULL) {
        run->path = x_strdup(name);
        return true; /* exec says what is wrong with it */
    }
    dirs = dirs == NULL ? "/usr/local/bin:/usr/bin:/bin" : dirs;
    for (const char *d = dirs;; d++) {
        size_t len = strcspn(d, ":");
        char *path = len == 0 ? x_printf("./%s", name) : x_printf("%.*s/%s", (int)len, d, name);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0) {
            run->path = path;
            return true;
        }
        x_free(path);
        d += len;
        if (*d == '\0') {
            break;
        }
    }
    err_set(err, ERR_CONFIG, "program '%s' not found in PATH", name);
    return err_hint(err, "install the package that holds '%s' or put its folder into PATH", name);
}

static bool
same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Our environment, with `add` in place of variables of the same name. */
static void
env_add(char **env, size_t *len, char *add)
{
    for (size_t i = 0; i < *len; i++) {
        if (same_name(add, env[i])) {
            x_free(env[i]);
            env[i] = add;
            return;
        }
    }
    env[(*len)++] = add;
}

static void
build_env(struct run *run)
{
    size_t cap = 2, len = 0;
    for (char **e = environ; *e != NULL; e++) {
        cap++;
    }
    for (const char *const *e = run->p->env; e != NULL && *e != NULL; e++) {
        cap++;
    }
    run->env = x_zalloc(cap * sizeof *run->env);
    for (char **e = environ; *e != NULL; e++) {
        run->env[len++] = x_strdup(*e);
    }
    for (const char *const *e = run->p->env; e != NULL && *e != NULL; e++) {
        env_add(run->env, &len, x_strdup(*e));
    }
    if (run->p->secret != NULL) {
        env_add(run->env, &len, x_printf("%s=/dev/fd/%d", run->p->secret_env, FD_SECRET));
    }
}

/* Only system calls from here: other threads' locks are held for ever in this copy of the process.
 */
static void __attribute__((noreturn)) child_main(const struct run *run, pid_t parent)
{
    union {
        const char *const *from;
        char *const *to;
    } argv = {.from = run->p->argv};
    sigset_t none;
    int error = 0;
    for (int sig = 1; sig < NSIG; sig++) {
        (void)signal(sig, SIG_DFL); /* ignored ones would stay ignored across exec */
    }
    setsid();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent) {
        _exit(127);
    }
    if (dup2(run->exec_w, FD_EXEC_ERROR) < 0 || fcntl(FD_EXEC_ERROR, F_SETFD, FD_CLOEXEC) < 0) {
        _exit(127);
    }
    if (dup2(run->null_fd, 0) < 0 || dup2(run->out_w, 1) < 0 || dup2(run->err_w, 2) < 0 ||
        (run->secret_fd >= 0 && dup2(run->secret_fd, FD_SECRET) < 0)) {
        error = errno;
    }
    if (error == 0) {
        /* Ours are close-on-exec anyhow; this is for libraries' that are not. */
        (void)close_range(FD_FREE, ~0u, 0);
        if (run->secret_fd < 0) {
            close(FD_SECRET);
        }
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(run->path, argv.to, run->env);
        error = errno;
    }
    ssize_t n = write(FD_EXEC_ERROR, &error, sizeof error);
    (void)n;
    _exit(127);
}

static bool
start(struct run *run, struct err *err)
{
    sigset_t all, before;
    pid_t parent = getpid();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the child must not run our handlers */
    run->pid = fork();
    int error = errno;
    if (run->pid == 0) {
        child_main(run, parent);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (run->pid < 0) {
        return err_sys(err, ERR_FATAL, error, "start '%s'", run->path);
    }
    close_fd(&run->exec_w);
    close_fd(&run->out_w);
    close_fd(&run->err_w);
    close_fd(&run->secret_fd);
    run->pid_fd = pidfd_open(run->pid, 0); /* -1 on old kernels: see TICK_MS */
    ssize_t n;
    do {
        n = read(run->exec_r, &error, sizeof error);
    } while (n < 0 && errno == EINTR);
    if (n == sizeof error) {
        err_sys(err, ERR_CONFIG, error, "start '%s'", run->path);
        return err_hint(err, "check that it is a program that this user may run");
    }
    return true;
}

static void
keep_tail(struct run *run, const char *data, size_t len)
{
    if (len >= TAIL_SIZE) {
        memcpy(run->tail, data + len - TAIL_SIZE, TAIL_SIZE);
        run->tail_len = TAIL_SIZE;
        return;
    }
    size_t keep = run->tail_len < TAIL_SIZE - len ? run->tail_len : TAIL_SIZE - len;
    memmove(run->tail, run->tail + run->tail_len - keep, keep);
    memcpy(run->tail + keep, data, len);
    run->tail_len = keep + len;
}

/* Reads what is there, at most 1 MiB so that a talkative child cannot keep us from the stop
 * request. Closes *fd at the end of the file. */
static void
drain(struct run *run, int *fd, bool is_stderr)
{
    char data[16384];
    struct buf *to = is_stderr ? run->p->stderr_out : run->p->out;
    for (int i = 0; i < DRAIN_READS && *fd >= 0; i++) {
        ssize_t n = read(*fd, data, sizeof data);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            close_fd(fd);
            return;
        }
        size_t len = (size_t)n;
        if (is_stderr) {
            keep_tail(run, data, len);
            size_t room = to->max - to->len;
            len = len < room ? len : room;
        }
        buf_bytes(to, data, len);
    }
}

static void
reap(struct run *run, bool wait)
{
    pid_t got;
    do {
        got = waitpid(run->pid, &run->status, wait ? 0 : WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        run->status = -1; /* somebody else took it: we cannot say how it ended */
    }
    run->reaped = got != 0;
}

/* SIGTERM at the first look after a stop request, SIGKILL 5 s later. */
static void
apply_stop(struct run *run)
{
    int64_t now = clock_mono_us(&clock_system);
    if (!run->stopping && run->stop != NULL && stop_requested(run->stop)) {
        run->stopping = true;
        run->terminated = now;
        kill(-run->pid, SIGTERM);
    }
    if (run->stopping && !run->killed && now - run->terminated >= KILL_AFTER_US) {
        run->killed = true;
        kill(-run->pid, SIGKILL);
    }
}

static void
supervise(struct run *run)
{
    fcntl(run->err_r, F_SETFL, O_NONBLOCK);
    if (run->out_r >= 0) {
        fcntl(run->out_r, F_SETFL, O_NONBLOCK);
    }
    for (;;) {
        apply_stop(run);
        bool watch_stop = run->stop != NULL && !run->stopping;
        struct pollfd fds[] = {
            {.fd = run->err_r, .events = POLLIN},
            {.fd = run->out_r, .events = POLLIN},
            {.fd = run->pid_fd, .events = POLLIN},
            {.fd = watch_stop ? run->stop->event_fd : -1, .events = POLLIN},
        };
        int timeout = run->pid_fd < 0 || (run->stopping && !run->killed) ? TICK_MS : -1;
        (void)poll(fds, sizeof fds / sizeof *fds, timeout);
        reap(run, false); /* before the pipes: what it wrote is in them then */
        drain(run, &run->err_r, true);
        drain(run, &run->out_r, false);
        if (run->reaped) {
            return; /* without waiting for the pipes' end: a grandchild may hold them open for ever
                     */
        }
    }
}

/* The line of the tail that ends before `end`, without space behind it; *end moves before it. */
static struct slice
line_before(const struct run *run, size_t *end)
{
    size_t last = *end;
    while (last > 0 && (run->tail[last - 1] == '\n' || run->tail[last - 1] == ' ')) {
        last--;
    }
    size_t begin = last;
    while (begin > 0 && run->tail[begin - 1] != '\n') {
        begin--;
    }
    *end = begin;
    return slice_of(run->tail + begin, last - begin);
}

/* The reason of a failure. PostgreSQL's programs put the statement and a marker line behind it. */
static struct slice
reason(const struct run *run)
{
    size_t end = run->tail_len;
    struct slice last = line_before(run, &end), line = last;
    while (line.len > 0) {
        if (memmem(line.data, line.len, "error:", 6) != NULL ||
            memmem(line.data, line.len, "ERROR:", 6) != NULL ||
            memmem(line.data, line.len, "FATAL:", 6) != NULL) {
            return line;
        }
        line = line_before(run, &end);
    }
    return last;
}

static bool
verdict(struct run *run, struct err *err)
{
    struct slice why = reason(run);
    const char *name = run->p->argv[0], *line = (const char *)why.data;
    int len = (int)why.len;
    const char *colon = len > 0 ? ": " : "";
    if (run->stopping) {
        return err_set(err, ERR_CANCELLED, "'%s' stopped on request", name);
    }
    if (run->status == -1) {
        return err_set(
            err, ERR_FATAL, "'%s' ended in an unknown way%s%.*s", name, colon, len, line);
    }
    if (WIFSIGNALED(run->status)) {
        return err_set(err, ERR_FATAL, "'%s' was ended by signal %d%s%.*s", name,
            WTERMSIG(run->status), colon, len, line);
    }
    if (WEXITSTATUS(run->status) != 0) {
        return err_set(err, ERR_FATAL, "'%s' failed with status %d%s%.*s", name,
            WEXITSTATUS(run->status), colon, len, line);
    }
    if (run->p->out != NULL && !buf_ok(run->p->out, "its output", err)) {
        return err_wrap(err, "'%s'", name);
    }
    return true;
}

static void
run_done(struct run *run)
{
    close_fd(&run->null_fd);
    close_fd(&run->out_r);
    close_fd(&run->out_w);
    close_fd(&run->err_r);
    close_fd(&run->err_w);
    close_fd(&run->exec_r);
    close_fd(&run->exec_w);
    close_fd(&run->secret_fd);
    close_fd(&run->pid_fd);
    for (char **e = run->env; e != NULL && *e != NULL; e++) {
        x_free(*e);
    }
    x_free(run->env);
    x_free(run->path);
}

bool
proc_run(const struct proc *p, const struct stop *stop, struct err *err)
{
    struct run run = {
        .p = p,
        .stop = stop,
        .null_fd = -1,
        .out_r = -1,
        .out_w = -1,
        .err_r = -1,
        .err_w = -1,
        .exec_r = -1,
        .exec_w = -1,
        .secret_fd = -1,
        .pid_fd = -1,
    };
    if (stop != NULL && stop_requested(stop)) {
        return err_set(err, ERR_CANCELLED, "'%s' not started: stop requested", p->argv[0]);
    }
    bool ok = find_program(&run, err) && open_all(&run, err);
    if (ok) {
        build_env(&run);
        ok = start(&run, err);
        if (ok) {
            supervise(&run);
            ok = verdict(&run, err);
        } else if (run.pid > 0) {
            reap(&run, true);
        }
    }
    run_done(&run);
    return ok;
}
