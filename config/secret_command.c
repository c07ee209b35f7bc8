/* SPDX-License-Identifier: Apache-2.0
 *
 * The command gets a process group of its own, so that all of it can be ended when the time is
 * over. What it printed goes nowhere but to the caller's buffer.
 */
#include "config/secret_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"

#define LIMIT_US (30 * (int64_t)1000000)
#define PIECE    1024u

/* stdout of the child is `out`. */
static int
start(const char *command, int out, pid_t *pid)
{
    char shell[] = "/bin/sh", option[] = "-c";
    char *text = strdup(command);
    char *argv[] = {shell, option, text, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;

    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    int rc = text == NULL ? ENOMEM : posix_spawn(pid, shell, &files, &attr, argv, environ);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&files);
    free(text);
    return rc;
}

/* All that comes until the end of the stream. */
static bool
collect(int fd, int64_t end_us, struct buf *out, struct err *err)
{
    for (;;) {
        int64_t left = end_us - clock_mono_us(&clock_system);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = left > 0 ? poll(&p, 1, (int)(left / 1000) + 1) : 0;
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n == 0) {
            return err_set(err, ERR_CONFIG, "the command does not end");
        }
        uint8_t *room = buf_reserve(out, PIECE);
        if (room == NULL) {
            return err_set(err, ERR_CONFIG, "the command prints more than a secret may be");
        }
        ssize_t got = read(fd, room, PIECE);
        if (got < 0 && errno != EINTR) {
            return err_sys(err, ERR_CONFIG, errno, "cannot read what the command prints");
        }
        if (got == 0) {
            return true;
        }
        out->len += got > 0 ? (size_t)got : 0;
    }
}

/* The stream has ended; the process should end now, too. */
static bool
reap(pid_t pid, int64_t end_us, bool *gone, struct err *err)
{
    int status = 0;
    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        *gone = got == pid;
        if (*gone) {
            break;
        }
        if ((got < 0 && errno != EINTR) || clock_mono_us(&clock_system) > end_us) {
            return err_set(err, ERR_CONFIG, "the command does not end");
        }
        clock_system.sleep_us(&clock_system, 2000);
    }
    if (WIFSIGNALED(status)) {
        return err_set(err, ERR_CONFIG, "the command was ended by signal %d", WTERMSIG(status));
    }
    return WEXITSTATUS(status) == 0 ||
           err_set(err, ERR_CONFIG, "the command ended with status %d", WEXITSTATUS(status));
}

bool
secret_command_within(int64_t limit_us, const char *command, struct buf *out, struct err *err)
{
    int64_t end_us = clock_mono_us(&clock_system) + limit_us;
    int pipes[2];
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC) < 0) {
        return err_sys(err, ERR_CONFIG, errno, "cannot make a pipe");
    }
    int rc = start(command, pipes[1], &pid);
    (void)close(pipes[1]);
    if (rc != 0) {
        (void)close(pipes[0]);
        return err_sys(err, ERR_CONFIG, rc, "cannot start /bin/sh");
    }
    bool gone = false;
    bool ok = collect(pipes[0], end_us, out, err) && reap(pid, end_us, &gone, err);
    (void)close(pipes[0]);
    if (!gone) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return ok;
}

bool
secret_command(void *arg, const char *command, struct buf *out, struct err *err)
{
    (void)arg;
    return secret_command_within(LIMIT_US, command, out, err);
}
