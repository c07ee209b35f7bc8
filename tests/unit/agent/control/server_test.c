/* SPDX-License-Identifier: Apache-2.0
 *
 * Server and client together over real sockets, with a fake agent behind.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/control/client.h"
#include "agent/control/server.h"
#include "tests/unit/agent/control/fake_agent.h"

struct scene {
    struct agent agent;
    struct config config;
    struct server *server;
    struct client *client;
    char dir[64], path[96], address[32];
    uint16_t port;
};

static uint16_t
free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static int
begin(void **state)
{
    static struct scene s;
    struct err err = ERR_INIT;
    s = (struct scene){0};
    s.agent.status.phase = PHASE_STREAMING;
    snprintf(s.dir, sizeof s.dir, "/tmp/tidegate-server-XXXXXX");
    assert_non_null(mkdtemp(s.dir));
    snprintf(s.path, sizeof s.path, "%s/control.sock", s.dir);
    s.port = free_port();
    snprintf(s.address, sizeof s.address, "127.0.0.1:%u", (unsigned)s.port);
    s.config.control.socket = s.path;
    s.config.control.listen = s.address;
    assert_true(server_start(&s.agent, &s.config, &clock_system, &s.server, &err));
    assert_true(client_open(s.path, &s.client, &err));
    *state = &s;
    return 0;
}

static int
end(void **state)
{
    struct scene *s = *state;
    client_close(s->client);
    server_stop(s->server);
    return rmdir(s->dir); /* fails when the socket file was left behind */
}

/* The first line of the answer to a raw request over TCP. */
static void
raw(struct scene *s, const char *request, char *out, size_t cap)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(s->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    ssize_t n = read(fd, out, cap - 1);
    assert_true(n > 0);
    out[n] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    close(fd);
}

static void
client_reads_the_status(void **state)
{
    struct scene *s = *state;
    struct agent_status status;
    struct err err = ERR_INIT;
    bool no_agent = true;
    assert_true(client_status(s->client, &status, &no_agent, &err));
    assert_int_equal(status.phase, PHASE_STREAMING);
    assert_false(no_agent);
}

static void
client_passes_a_body_on(void **state)
{
    struct scene *s = *state;
    struct client_reply r;
    struct err err = ERR_INIT;
    assert_true(client_call(s->client, "POST", "/pause", "{\"sink\":\"cloud\"}", &r, &err));
    client_reply_done(&r);
    assert_string_equal(s->agent.paused, "cloud");
    assert_true(client_call(s->client, "POST", "/resume?sink=a%20b", NULL, &r, &err));
    client_reply_done(&r);
    assert_string_equal(s->agent.paused, "a b");
}

static void
refusal_comes_back_with_class_and_hint(void **state)
{
    struct scene *s = *state;
    struct client_reply r;
    struct err err = ERR_INIT;
    err_set(&s->agent.refuse, ERR_CONFIG, "not now");
    err_hint(&s->agent.refuse, "later");
    assert_false(client_call(s->client, "POST", "/cutover", NULL, &r, &err));
    assert_int_equal(r.status, 409);
    assert_false(r.no_agent);
    client_reply_done(&r);
    assert_int_equal(err.class, ERR_CONFIG);
    assert_string_equal(err.text, "not now");
    assert_string_equal(err.hint, "later");
}

static void
body_without_end_is_refused(void **state)
{
    struct scene *s = *state;
    struct client_reply r;
    struct err err = ERR_INIT;
    static char body[100000];
    memset(body, ' ', sizeof body - 1);
    assert_false(client_call(s->client, "POST", "/cutover", body, &r, &err));
    assert_int_equal(r.status, 413);
    assert_int_equal(s->agent.cutovers, 0);
    client_reply_done(&r);
}

static void
nobody_there_is_told_apart(void **state)
{
    struct scene *s = *state;
    struct client *c = NULL;
    struct client_reply r;
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof path, "%s/nobody.sock", s->dir);
    assert_true(client_open(path, &c, &err));
    assert_false(client_call(c, "GET", "/status", NULL, &r, &err));
    assert_true(r.no_agent);
    assert_non_null(strstr(err.text, "no agent is running"));
    client_reply_done(&r);
    client_close(c);
}

static void
agent_that_ended_is_told_apart(void **state)
{
    struct scene *s = *state;
    struct agent_status status;
    struct err err = ERR_INIT;
    bool no_agent = false;
    assert_true(client_status(s->client, &status, &no_agent, &err));
    server_stop(s->server);
    s->server = NULL;
    assert_false(client_status(s->client, &status, &no_agent, &err));
    assert_true(no_agent);
}

static void
second_server_on_the_same_socket_is_refused(void **state)
{
    struct scene *s = *state;
    struct server *other = NULL;
    struct err err = ERR_INIT;
    assert_false(server_start(&s->agent, &s->config, &clock_system, &other, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_int_equal(access(s->path, F_OK), 0);
}

static void
tcp_serves_loopback_hosts(void **state)
{
    struct scene *s = *state;
    char line[4096];
    raw(s, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", line,
        sizeof line);
    assert_string_equal(line, "HTTP/1.1 200 OK");
}

static void
tcp_refuses_foreign_hosts_and_origins(void **state)
{
    struct scene *s = *state;
    char line[4096];
    raw(s,
        "POST /stop HTTP/1.1\r\nHost: rebound.example.org\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n",
        line, sizeof line);
    assert_non_null(strstr(line, " 403 "));
    raw(s,
        "POST /stop HTTP/1.1\r\nHost: localhost\r\nOrigin: https://example.org\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n",
        line, sizeof line);
    assert_non_null(strstr(line, " 403 "));
    assert_int_equal(s->agent.stops, 0);
}

static void
tcp_does_not_show_dead_letters(void **state)
{
    struct scene *s = *state;
    char line[4096];
    raw(s, "GET /dead-letters HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", line,
        sizeof line);
    assert_non_null(strstr(line, " 403 "));
}

int
main(void)
{
#define IN_SCENE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        IN_SCENE(client_reads_the_status),
        IN_SCENE(client_passes_a_body_on),
        IN_SCENE(refusal_comes_back_with_class_and_hint),
        IN_SCENE(body_without_end_is_refused),
        IN_SCENE(nobody_there_is_told_apart),
        IN_SCENE(agent_that_ended_is_told_apart),
        IN_SCENE(second_server_on_the_same_socket_is_refused),
        IN_SCENE(tcp_serves_loopback_hosts),
        IN_SCENE(tcp_refuses_foreign_hosts_and_origins),
        IN_SCENE(tcp_does_not_show_dead_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
