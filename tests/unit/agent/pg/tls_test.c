/* SPDX-License-Identifier: Apache-2.0
 *
 * What TLS has decrypted and libpq has not read, against a server of the test's own: the second of
 * two records is larger than the room that the rest of the first leaves in libpq's buffer, and then
 * the server is silent.
 *
 *   record 1 (small)                record 2 (16 KiB)
 *   | answer | row | half a row     other half | row | row ... | end |
 *                                                              ^ what SSL_read leaves
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/pg/query.h"
#include "agent/pg/repl.h"
#include "tests/lib/unit.h"

#define RECORD   16384u /* the largest that TLS has, and what libpq has room for */
#define ROW      200u   /* bytes of a message with one row, type and length included */
#define PATIENCE 20     /* seconds after which a test that hangs is ended */

struct fake {
    pthread_t thread;
    int listener;
    SSL_CTX *ctx;
    struct buf greeting, first, second;
};

static void
put_message(struct buf *b, char type, const void *body, size_t len)
{
    buf_u8(b, (uint8_t)type);
    buf_u32(b, (uint32_t)len + 4);
    buf_bytes(b, body, len);
}

/* Everything up to the first ReadyForQuery. */
static void
put_greeting(struct buf *b)
{
    static const uint8_t ok[4] = {0}, key[8] = {0, 0, 0, 1, 0, 0, 0, 1};
    put_message(b, 'R', ok, sizeof(ok));
    put_message(b, 'S',
        "server_version\0"
        "15.0",
        20);
    put_message(b, 'S',
        "client_encoding\0"
        "UTF8",
        21);
    put_message(b, 'K', key, sizeof(key));
    put_message(b, 'Z', "I", 1);
}

static SSL_CTX *
make_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *crt = X509_new();
    assert_true(ctx && key && crt);
    ASN1_INTEGER_set(X509_get_serialNumber(crt), 1);
    X509_gmtime_adj(X509_getm_notBefore(crt), -3600);
    X509_gmtime_adj(X509_getm_notAfter(crt), 3600);
    X509_set_pubkey(crt, key);
    assert_true(X509_sign(crt, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, crt), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(crt);
    EVP_PKEY_free(key);
    return ctx;
}

static bool
say(SSL *ssl, const struct buf *b)
{
    return SSL_write(ssl, b->data, (int)b->len) == (int)b->len;
}

/* Greets, answers one statement in two records, and says no more until the client goes. */
static void *
serve(void *arg)
{
    const struct fake *f = arg;
    uint8_t in[1024];
    int fd = accept(f->listener, NULL, NULL);
    SSL *ssl = SSL_new(f->ctx);
    SSL_set_fd(ssl, fd);
    if (recv(fd, in, 8, MSG_WAITALL) == 8 && send(fd, "S", 1, 0) == 1 && SSL_accept(ssl) == 1 &&
        SSL_read(ssl, in, sizeof(in)) > 0 && say(ssl, &f->greeting) &&
        SSL_read(ssl, in, sizeof(in)) > 0 && say(ssl, &f->first) && say(ssl, &f->second)) {
        while (SSL_read(ssl, in, sizeof(in)) > 0) {
        }
    }
    SSL_free(ssl);
    close(fd);
    return NULL;
}

/* The answer's rows begin at `row` and end with `end`; returns how many there are. */
static unsigned
fill(struct fake *f, const struct buf *row, const struct buf *end)
{
    unsigned rows = 2;
    buf_bytes(&f->first, row->data, row->len);
    buf_bytes(&f->first, row->data, row->len / 2);
    buf_bytes(&f->second, row->data + row->len / 2, row->len - row->len / 2);
    /* libpq has room for RECORD less the half row: the last half row's bytes and more stay behind.
     */
    while (f->second.len + row->len + end->len <= RECORD) {
        buf_bytes(&f->second, row->data, row->len);
        rows++;
    }
    buf_bytes(&f->second, end->data, end->len);
    assert_true(f->second.len > RECORD - row->len / 2 && f->second.len <= RECORD);
    return rows;
}

static PGconn *
begin(struct fake *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    char dsn[160];
    alarm(PATIENCE);
    f->ctx = make_context();
    f->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(f->listener, 1), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &len), 0);
    put_greeting(&f->greeting);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
    snprintf(dsn, sizeof(dsn),
        "host=127.0.0.1 port=%u user=u dbname=d sslmode=require gssencmode=disable",
        ntohs(at.sin_port));
    PGconn *conn = PQconnectdb(dsn);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    return conn;
}

static void
end(struct fake *f)
{
    pthread_join(f->thread, NULL);
    close(f->listener);
    SSL_CTX_free(f->ctx);
    buf_done(&f->greeting);
    buf_done(&f->first);
    buf_done(&f->second);
    alarm(0);
}

static struct fake
new_fake(void)
{
    struct fake f = {0};
    buf_init(&f.greeting, 4096);
    buf_init(&f.first, 4096);
    buf_init(&f.second, RECORD);
    return f;
}

static void
a_statement_gets_the_whole_of_its_answer(void **state)
{
    (void)state;
    static const uint8_t column[] = {
        0, 1, 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0};
    uint8_t value[ROW - 5] = {0, 1, 0, 0, 0, ROW - 11};
    struct fake f = new_fake();
    struct buf row, tail;
    struct err err = ERR_INIT;
    PGresult *res = NULL;
    buf_init(&row, 1024);
    buf_init(&tail, 1024);
    memset(value + 6, 'v', sizeof(value) - 6);
    put_message(&row, 'D', value, sizeof(value));
    put_message(&tail, 'C', "SELECT 1", 9);
    put_message(&tail, 'Z', "I", 1);
    put_message(&f.first, 'T', column, sizeof(column));
    int rows = (int)fill(&f, &row, &tail);
    PGconn *conn = begin(&f);
    assert_true(pg_query_long(conn, "ask", "SELECT c", 0, NULL, NULL, &res, &err));
    assert_int_equal(PQntuples(res), rows);
    PQclear(res);
    PQfinish(conn);
    buf_done(&row);
    buf_done(&tail);
    end(&f);
}

static void
the_last_message_of_a_feed_is_not_left_behind(void **state)
{
    (void)state;
    static const uint8_t both[] = {1, 0, 0};
    uint8_t frame[ROW - 5] = {'w'};
    struct fake f = new_fake();
    struct buf row, nothing;
    struct err err = ERR_INIT;
    struct pg_stream s;
    buf_init(&row, 1024);
    buf_init(&nothing, 1024);
    put_message(&row, 'd', frame, sizeof(frame));
    put_message(&f.first, 'W', both, sizeof(both));
    unsigned rows = fill(&f, &row, &nothing), got = 0;
    PGconn *conn = begin(&f);
    const struct pg_stream_options o = {.slot = "s", .publication = "p"};
    assert_true(pg_stream_start(&s, conn, &o, &err));
    bool have = true;
    while (have) {
        struct pg_frame frame_got;
        assert_true(pg_stream_read(&s, 500, &frame_got, &have, &err));
        got += have;
    }
    assert_int_equal(got, rows);
    pg_stream_stop(&s);
    buf_done(&row);
    buf_done(&nothing);
    end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_gets_the_whole_of_its_answer),
        cmocka_unit_test(the_last_message_of_a_feed_is_not_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
