/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd around agent/control/routes.h. Each listening socket is a daemon with a few polling
 * threads, because a handler may wait for the source (/mark) and must not hold up /status
 * meanwhile. A request's body is collected up to a small ceiling; the reply is built whole.
 */
#include "agent/control/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/control/host_guard.h"
#include "agent/control/listen.h"
#include "agent/control/routes.h"

enum { BODY_MAX = 16 * 1024, REPLY_MAX = 256 * 1024 * 1024, THREADS = 3, IDLE_SECONDS = 30 };

struct endpoint {
    struct server *server;
    struct MHD_Daemon *daemon;
    bool guarded; /* reachable by a browser */
};

struct server {
    struct routes routes;
    struct endpoint local, tcp;
    char *path;
    struct listen_file file;
};

/* One request on its way. */
struct exchange {
    struct buf body;
    bool too_long;
};

static const char *
query_value(const char *name, void *arg)
{
    struct MHD_Connection *c = arg;
    const char *value = NULL;
    if (MHD_lookup_connection_value_n(c, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL) ==
        MHD_NO) {
        return NULL;
    }
    return value ? value : "";
}

static enum MHD_Result
send_reply(struct MHD_Connection *c, struct routes_reply *reply)
{
    if (reply->body.failed) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_FATAL, "the answer does not fit into %d bytes", REPLY_MAX);
        routes_fail(reply, 500, &err);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.len, reply->body.data, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    enum MHD_Result rc =
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    if (rc == MHD_YES) {
        rc = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    if (rc == MHD_YES && reply->allow) {
        rc = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    }
    if (rc == MHD_YES) {
        rc = MHD_queue_response(c, reply->status, response);
    }
    MHD_destroy_response(response);
    return rc;
}

static bool
is_foreign(const struct endpoint *e, struct MHD_Connection *c)
{
    return e->guarded &&
           !host_guard_allows(MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
               MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN));
}

/* Dead letters show rows: only who may open the unix socket sees them. */
static bool
is_private(const struct endpoint *e, const char *path)
{
    static const char letters[] = "/dead-letters";
    return e->guarded && strncmp(path, letters, sizeof letters - 1) == 0;
}

static enum MHD_Result
answer(const struct endpoint *e, struct MHD_Connection *c, const char *method, const char *path,
    const struct exchange *x)
{
    struct routes_reply reply = {0};
    buf_init(&reply.body, REPLY_MAX);
    struct err err = ERR_INIT;
    if (is_foreign(e, c)) {
        err_set(&err, ERR_CONFIG, "a Host or Origin that is not this machine is refused");
        routes_fail(&reply, 403, &err);
    } else if (is_private(e, path)) {
        err_set(&err, ERR_CONFIG, "dead letters are shown on the unix socket alone");
        routes_fail(&reply, 403, &err);
    } else if (x->too_long) {
        err_set(&err, ERR_CONFIG, "the body is longer than %d bytes", BODY_MAX);
        routes_fail(&reply, 413, &err);
    } else {
        struct routes_request q = {
            .method = method,
            .path = path,
            .body = slice_of(x->body.data, x->body.len),
            .query = query_value,
            .arg = c,
        };
        routes_handle(&e->server->routes, &q, &reply);
    }
    enum MHD_Result rc = send_reply(c, &reply);
    buf_done(&reply.body);
    return rc;
}

/* Called for the header, for each piece of the body, and with no piece at its end. */
static enum MHD_Result
on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *data, size_t *data_len, void **state)
{
    (void)version;
    struct exchange *x = *state;
    if (!x) {
        x = x_zalloc(sizeof *x);
        buf_init(&x->body, BODY_MAX);
        *state = x;
        return MHD_YES;
    }
    if (*data_len > 0) {
        buf_bytes(&x->body, data, *data_len);
        x->too_long = x->body.failed;
        *data_len = 0;
        return MHD_YES;
    }
    return answer(cls, c, method, url, x);
}

static void
on_completed(
    void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)c;
    (void)code;
    struct exchange *x = *state;
    if (x) {
        buf_done(&x->body);
        x_free(x);
        *state = NULL;
    }
}

/* Takes the descriptor in any case. */
static bool
start_endpoint(struct endpoint *e, struct server *s, int fd, const char *where, struct err *err)
{
    e->server = s;
    e->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL, NULL,
        on_request, e, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)THREADS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_CONNECTION_LIMIT, 64U, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_END);
    if (!e->daemon) {
        close(fd);
        return err_set(err, ERR_FATAL, "control plane: cannot serve '%s'", where);
    }
    return true;
}

/* The directories above a path; those that are there already keep their mode. */
static bool
make_parents(const char *path, struct err *err)
{
    char *parent = x_strdup(path);
    bool ok = true;
    for (char *slash = strchr(parent + 1, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(parent, 0700) != 0 && errno != EEXIST) {
            ok = err_sys(
                err, ERR_CONFIG, errno, "make directory '%s' for the control socket", parent);
        }
        *slash = '/';
    }
    x_free(parent);
    return ok;
}

static bool
start_local(struct server *s, const char *path, struct err *err)
{
    if (!make_parents(path, err)) {
        return false;
    }
    int fd = -1;
    if (!listen_unix(path, &fd, &s->file, err)) {
        return false;
    }
    s->path = x_strdup(path);
    return start_endpoint(&s->local, s, fd, path, err);
}

static bool
start_tcp(struct server *s, const char *address, struct err *err)
{
    int fd = -1;
    s->tcp.guarded = true;
    return listen_tcp(address, &fd, err) && start_endpoint(&s->tcp, s, fd, address, err);
}

bool
server_start(struct agent *a, const struct config *config, const struct clock *clock,
    struct server **out, struct err *err)
{
    struct server *s = x_zalloc(sizeof *s);
    s->routes = (struct routes){.agent = a, .config = config, .clock = clock};
    if (!start_local(s, config->control.socket, err) ||
        (config->control.listen && !start_tcp(s, config->control.listen, err))) {
        server_stop(s);
        return false;
    }
    *out = s;
    return true;
}

void
server_stop(struct server *s)
{
    if (!s) {
        return;
    }
    /* The file goes first: a client that comes now finds nobody instead of a closing door. */
    if (s->path) {
        listen_unix_remove(s->path, &s->file);
        x_free(s->path);
    }
    if (s->tcp.daemon) {
        MHD_stop_daemon(s->tcp.daemon);
    }
    if (s->local.daemon) {
        MHD_stop_daemon(s->local.daemon);
    }
    x_free(s);
}
