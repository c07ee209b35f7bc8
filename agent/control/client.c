/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl over a unix socket, one easy handle for the client's life. Proxies of the environment are
 * switched off: the request never leaves the machine.
 */
#include "agent/control/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/control/status_read.h"

enum { REPLY_MAX = 256 * 1024 * 1024, TIMEOUT_MS = 120 * 1000 };

struct client {
    CURL *curl;
    char *socket;
};

bool
client_open(const char *socket, struct client **out, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return err_set(err, ERR_FATAL, "start the HTTP client");
    }
    CURL *curl = curl_easy_init();
    if (!curl) {
        curl_global_cleanup();
        return err_set(err, ERR_FATAL, "start the HTTP client");
    }
    struct client *c = x_zalloc(sizeof *c);
    c->curl = curl;
    c->socket = x_strdup(socket);
    *out = c;
    return true;
}

void
client_close(struct client *c)
{
    if (c) {
        curl_easy_cleanup(c->curl);
        curl_global_cleanup();
        x_free(c->socket);
        x_free(c);
    }
}

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
    struct buf *b = arg;
    buf_bytes(b, data, size * n);
    return b->failed ? 0 : size * n;
}

static bool
setup(struct client *c, const char *method, const char *path, const char *body,
    struct client_reply *out)
{
    char url[512];
    snprintf(url, sizeof url, "http://localhost%s", path);
    curl_easy_reset(c->curl);
    CURLcode rc = curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    rc = rc ? rc : curl_easy_setopt(c->curl, CURLOPT_URL, url);
    rc = rc ? rc : curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    rc = rc ? rc : curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    rc = rc ? rc : curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    rc = rc ? rc : curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    rc = rc ? rc : curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &out->body);
    if (strcmp(method, "POST") == 0) {
        rc = rc ? rc : curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
        rc = rc ? rc : curl_easy_setopt(c->curl, CURLOPT_COPYPOSTFIELDS, body ? body : "");
    }
    return rc == CURLE_OK;
}

static bool
no_connection(struct client *c, CURLcode rc, struct client_reply *out, struct err *err)
{
    long sys = 0;
    (void)curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &sys);
    if (rc == CURLE_COULDNT_CONNECT) {
        if (sys == EACCES || sys == EPERM) {
            err_sys(err, ERR_CONFIG, (int)sys, "control socket '%s'", c->socket);
            return err_hint(err, "run it as the user that the agent runs as");
        }
        out->no_agent = true;
        err_set(err, ERR_RECONNECT, "no agent is running: nobody answers at '%s'", c->socket);
        return err_hint(err, "tidegate run starts one; -c FILE or --dir DIR selects the migration");
    }
    if (rc == CURLE_GOT_NOTHING || rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR ||
        rc == CURLE_PARTIAL_FILE) {
        out->no_agent = true;
        return err_set(err, ERR_RECONNECT, "the agent at '%s' ended", c->socket);
    }
    return err_set(
        err, ERR_RECONNECT, "control socket '%s': %s", c->socket, curl_easy_strerror(rc));
}

bool
client_call(struct client *c, const char *method, const char *path, const char *body,
    struct client_reply *out, struct err *err)
{
    *out = (struct client_reply){0};
    buf_init(&out->body, REPLY_MAX);
    if (!setup(c, method, path, body, out)) {
        return err_set(err, ERR_CONFIG, "control socket '%s': the path cannot be used", c->socket);
    }
    CURLcode rc = curl_easy_perform(c->curl);
    if (rc != CURLE_OK) {
        return no_connection(c, rc, out, err);
    }
    (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &out->status);
    out->json = json_loadb((const char *)out->body.data, out->body.len, 0, NULL);
    if (out->status >= 200 && out->status < 300) {
        return true;
    }
    status_read_error(out->json, err);
    if (err->text[0] == '\0') {
        return err_set(err, ERR_FATAL, "%s %s: the agent answered %ld", method, path, out->status);
    }
    return false;
}

void
client_reply_done(struct client_reply *r)
{
    json_decref(r->json);
    r->json = NULL;
    buf_done(&r->body);
}

static bool
unreadable(const char *path, struct err *err)
{
    err_set(err, ERR_FATAL, "GET %s: the answer is not understood", path);
    return err_hint(err, "agent and command line may be of different versions");
}

bool
client_status(struct client *c, struct agent_status *out, bool *no_agent, struct err *err)
{
    struct client_reply r;
    struct status_time now = {clock_mono_us(&clock_system), clock_wall_us(&clock_system)};
    bool ok = client_call(c, "GET", "/status", NULL, &r, err) &&
              (status_read(r.json, &now, out) || unreadable("/status", err));
    *no_agent = r.no_agent;
    client_reply_done(&r);
    return ok;
}

bool
client_cutover_report(struct client *c, struct cutover_report *out, bool *no_agent, struct err *err)
{
    struct client_reply r;
    bool ok = client_call(c, "GET", "/cutover", NULL, &r, err) &&
              (status_read_cutover(r.json, out) || unreadable("/cutover", err));
    *no_agent = r.no_agent;
    client_reply_done(&r);
    return ok;
}

bool
client_mark(struct client *c, uint64_t *lsn, bool *no_agent, struct err *err)
{
    struct client_reply r;
    bool ok = client_call(c, "POST", "/mark", NULL, &r, err);
    if (ok) {
        const char *text = json_string_value(json_object_get(r.json, "lsn"));
        ok = (text && parse_lsn(text, lsn)) || unreadable("/mark", err);
    }
    *no_agent = r.no_agent;
    client_reply_done(&r);
    return ok;
}
