/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket file left behind by a killed agent refuses connections, which is how it is told from a
 * living one. The new socket is bound under a name of its own and renamed over the old one, so that
 * there is no moment at which a client finds nothing, and none at which the file has other rights
 * than 0600.
 */
#include "agent/control/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/parse.h"

enum { BACKLOG = 64 };

static bool
unix_address(const char *path, struct sockaddr_un *out, struct err *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof out->sun_path) {
        err_set(err, ERR_CONFIG, "control socket '%s': the path has %zu bytes, a socket allows %zu",
            path, len, sizeof out->sun_path - 1);
        return err_hint(err, "set control.socket to a shorter path");
    }
    memcpy(out->sun_path, path, len);
    return true;
}

/* True when nothing living is there. */
static bool
check_free(const char *path, const struct sockaddr_un *address, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT || err_sys(err, ERR_CONFIG, errno, "control socket '%s'", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        err_set(err, ERR_CONFIG, "control socket '%s': there is a file that is no socket", path);
        return err_hint(err, "remove it, or set control.socket to another path");
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_sys(err, ERR_FATAL, errno, "make a socket");
    }
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(fd);
    if (rc == ECONNREFUSED || rc == ENOENT) {
        return true;
    }
    if (rc != 0 && rc != EAGAIN && rc != EINPROGRESS) {
        return err_sys(err, ERR_CONFIG, rc, "control socket '%s'", path);
    }
    err_set(
        err, ERR_CONFIG, "control socket '%s': another agent is running and answers there", path);
    return err_hint(err, "tidegate status shows it; another migration needs its own --dir");
}

static bool
bind_unix(int fd, const char *path, struct listen_file *file, struct err *err)
{
    char temporary[sizeof(struct sockaddr_un) + 32];
    snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid());
    struct sockaddr_un address;
    if (!unix_address(temporary, &address, err)) {
        return false;
    }
    (void)unlink(temporary);
    /* On Linux the file takes the descriptor's mode, less the umask. */
    struct stat st;
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(temporary, 0600) != 0 || listen(fd, BACKLOG) != 0 || lstat(temporary, &st) != 0 ||
        rename(temporary, path) != 0) {
        int saved = errno;
        (void)unlink(temporary);
        return err_sys(err, ERR_CONFIG, saved, "control socket '%s'", path);
    }
    *file = (struct listen_file){st.st_dev, st.st_ino};
    return true;
}

bool
listen_unix(const char *path, int *fd, struct listen_file *file, struct err *err)
{
    struct sockaddr_un address;
    if (!unix_address(path, &address, err) || !check_free(path, &address, err)) {
        return false;
    }
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) {
        return err_sys(err, ERR_FATAL, errno, "make a socket");
    }
    if (!bind_unix(s, path, file, err)) {
        close(s);
        return false;
    }
    *fd = s;
    return true;
}

void
listen_unix_remove(const char *path, const struct listen_file *file)
{
    struct stat st;
    if (lstat(path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino) {
        (void)unlink(path);
    }
}

struct tcp_address {
    struct sockaddr_storage any;
    socklen_t len;
};

static bool
is_loopback(const char *host, in_port_t port, struct tcp_address *out)
{
    *out = (struct tcp_address){0};
    if (strcmp(host, "[::1]") == 0) {
        struct sockaddr_in6 six = {
            .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = port};
        memcpy(&out->any, &six, sizeof six);
        out->len = sizeof six;
        return true;
    }
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = port};
    const char *number = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (inet_pton(AF_INET, number, &four.sin_addr) != 1 ||
        ntohl(four.sin_addr.s_addr) >> 24 != 127) {
        return false;
    }
    memcpy(&out->any, &four, sizeof four);
    out->len = sizeof four;
    return true;
}

static bool
tcp_address(const char *text, struct tcp_address *out, struct err *err)
{
    char host[64];
    uint64_t port;
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (!colon || len >= sizeof host || !parse_u64(colon + 1, 1, UINT16_MAX, &port)) {
        err_set(err, ERR_CONFIG, "control.listen '%s' is not HOST:PORT", text);
        return err_hint(err, "for example 127.0.0.1:7720");
    }
    memcpy(host, text, len);
    host[len] = '\0';
    if (!is_loopback(host, htons((uint16_t)port), out)) {
        err_set(err, ERR_CONFIG, "control.listen '%s' is not a loopback address", text);
        return err_hint(
            err, "whoever reaches the port controls the migration: use 127.0.0.1 or [::1]");
    }
    return true;
}

bool
listen_tcp(const char *address, int *fd, struct err *err)
{
    struct tcp_address a = {0};
    if (!tcp_address(address, &a, err)) {
        return false;
    }
    int s = socket(a.any.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(s, (const struct sockaddr *)&a.any, a.len) != 0 || listen(s, BACKLOG) != 0) {
        int saved = errno;
        if (s >= 0) {
            close(s);
        }
        return err_sys(err, ERR_CONFIG, saved, "control.listen '%s'", address);
    }
    *fd = s;
    return true;
}
