/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections are opened with PQconnectPoll rather than PQconnectdb, for one reason: the verbosity
 * can be set before the server answers, so that a refused login carries its SQLSTATE and is
 * classified by that and not by the words of a translated message.
 */
#include "agent/pg/conn.h"

#include <ctype.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdarg.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"

#define DEFAULT_TIMEOUT_US 30000000LL

static const char *
option_value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o && o->keyword; o++) {
        if (strcmp(o->keyword, keyword) == 0 && o->val && o->val[0]) {
            return o->val;
        }
    }
    return NULL;
}

/* What the DSN says, with libpq's environment, service file and defaults behind it. */
static PQconninfoOption *
parse_with_defaults(const char *dsn)
{
    PQconninfoOption *given = PQconninfoParse(dsn, NULL);
    PQconninfoOption *all = PQconndefaults();
    for (PQconninfoOption *o = all; given && o && o->keyword; o++) {
        const char *v = option_value(given, o->keyword);
        if (v) {
            free(o->val);
            o->val = strdup(v);
        }
    }
    PQconninfoFree(given);
    return all;
}

static void
describe_options(const PQconninfoOption *all, char *out, size_t cap)
{
    const char *host = option_value(all, "host");
    const char *port = option_value(all, "port");
    const char *user = option_value(all, "user");
    const char *db = option_value(all, "dbname");
    snprintf(out, cap, "host=%s port=%s user=%s dbname=%s", host ? host : "local socket",
        port ? port : "5432", user ? user : "?", db ? db : (user ? user : "?"));
}

void
pg_describe_dsn(const char *dsn, char *out, size_t cap)
{
    PQconninfoOption *all = parse_with_defaults(dsn ? dsn : "");
    describe_options(all, out, cap);
    PQconninfoFree(all);
}

/* conninfo syntax: value in single quotes, \ and ' escaped by a backslash */
static void
append_conninfo(struct buf *b, const char *keyword, const char *value)
{
    buf_printf(b, "%s%s='", b->len ? " " : "", keyword);
    for (const char *p = value; *p; p++) {
        if (*p == '\'' || *p == '\\') {
            buf_u8(b, '\\');
        }
        buf_u8(b, (uint8_t)*p);
    }
    buf_u8(b, '\'');
}

static char *
passfile_line(const char *password)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_str(&b, "*:*:*:*:");
    for (const char *p = password; *p; p++) {
        if (*p == ':' || *p == '\\') {
            buf_u8(&b, '\\');
        }
        buf_u8(&b, (uint8_t)*p);
    }
    buf_u8(&b, '\n');
    char *out = b.failed ? NULL : x_strdup(buf_cstr(&b));
    buf_done(&b);
    return out;
}

static bool
bad_dsn(struct err *err, char *message)
{
    size_t n = message ? strlen(message) : 0;
    while (n && isspace((unsigned char)message[n - 1])) {
        message[--n] = 0;
    }
    /* libpq quotes the offending piece of the string, which may hold the password. */
    err_set(err, ERR_CONFIG, "cannot understand the connection string");
    err_hint(err,
        "it is either a URI, postgresql://user@host:5432/dbname, or keywords, host=... dbname=..."
        "; special characters in a URI are written as %%XX");
    if (message) {
        PQfreemem(message);
    }
    return false;
}

bool
pg_split_dsn(const char *dsn, char **safe, char **passfile, struct err *err)
{
    *safe = NULL;
    *passfile = NULL;
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(dsn, &message);
    if (!options) {
        return bad_dsn(err, message);
    }
    struct buf b;
    buf_init(&b, 65536);
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (!o->val || !o->val[0]) {
            continue;
        }
        if (strcmp(o->keyword, "password") == 0) {
            *passfile = passfile_line(o->val);
        } else if (strcmp(o->keyword, "sslpassword") != 0) {
            append_conninfo(&b, o->keyword, o->val);
        }
    }
    *safe = x_strdup(buf_cstr(&b));
    buf_done(&b);
    PQconninfoFree(options);
    return true;
}

enum err_class
pg_class_of(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum err_class class;
    } table[] = {
        {"08", ERR_RECONNECT},    /* connection exceptions */
        {"57P01", ERR_RECONNECT}, /* admin shutdown */
        {"57P02", ERR_RECONNECT}, /* crash shutdown */
        {"57P03", ERR_RECONNECT}, /* cannot connect now */
        {"57P05", ERR_RECONNECT}, /* idle session timeout */
        {"57P04", ERR_CONFIG},    /* database dropped */
        {"25P0", ERR_RECONNECT},  /* idle in transaction, transaction timeout */
        {"57014", ERR_RETRY},     /* query cancelled */
        {"40", ERR_RETRY},        /* serialization, deadlock */
        {"55P03", ERR_RETRY},     /* lock not available */
        {"55006", ERR_RETRY},     /* object in use */
        {"53", ERR_RETRY},        /* insufficient resources: disk full, connections */
        {"28", ERR_CONFIG},       /* authorization */
        {"3D000", ERR_CONFIG},    /* no such database */
        {"42501", ERR_CONFIG},    /* insufficient privilege */
        {"XX001", ERR_FATAL},     /* data corrupted */
        {"XX002", ERR_FATAL},     /* index corrupted */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0) {
            return table[i].class;
        }
    }
    return ERR_DATA;
}

/* First line of a libpq message without severity and trailing space. */
static void
first_line(const char *message, char *out, size_t cap)
{
    const char *start = message ? message : "";
    const char *fatal = strstr(start, "FATAL:  ");
    if (fatal) {
        start = fatal + 8;
    }
    size_t n = strcspn(start, "\n");
    while (n && isspace((unsigned char)start[n - 1])) {
        n--;
    }
    snprintf(out, cap, "%.*s", (int)n, n ? start : "connection lost");
}

/* "28P01: password authentication failed" -> sqlstate, rest moved to the front */
static bool
take_sqlstate(char *text, char sqlstate[6])
{
    for (int i = 0; i < 5; i++) {
        if (!isupper((unsigned char)text[i]) && !isdigit((unsigned char)text[i])) {
            return false;
        }
    }
    if (text[5] != ':' || text[6] != ' ') {
        return false;
    }
    memcpy(sqlstate, text, 5);
    sqlstate[5] = 0;
    memmove(text, text + 7, strlen(text + 7) + 1);
    return true;
}

static void
connect_hint(struct err *err, const char *sqlstate, const char *text)
{
    if (strncmp(sqlstate, "28P01", 5) == 0) {
        err_hint(err, "check user and password of the connection string, or the entry in .pgpass");
    } else if (strncmp(sqlstate, "28", 2) == 0) {
        err_hint(err,
            "check that pg_hba.conf of the server lets this user connect from here (for the "
            "change feed also to the database by a role with REPLICATION), and the password");
    } else if (strcmp(sqlstate, "3D000") == 0) {
        err_hint(err, "create the database first, or correct its name in the connection string");
    } else if (strncmp(sqlstate, "53", 2) == 0) {
        err_hint(
            err, "the server has no free connection: raise max_connections, or lower copy.jobs");
    } else if (strstr(text, "could not translate host name")) {
        err_hint(err, "check the host name in the connection string, and the name service");
    } else if (!sqlstate[0]) {
        err_hint(err,
            "check that the server runs, host and port, and that a firewall lets them through");
    }
}

static bool
connect_failed(PGconn *conn, const char *where, struct err *err)
{
    char text[512];
    char sqlstate[6] = "";
    const char *message = PQerrorMessage(conn);
    first_line(message, text, sizeof(text));
    take_sqlstate(text, sqlstate);
    enum err_class class = sqlstate[0] ? pg_class_of(sqlstate) : ERR_RECONNECT;
    if (!sqlstate[0] && (PQconnectionNeedsPassword(conn) || strstr(text, "certificate") ||
                            strstr(text, "SSL was required") || strstr(text, "invalid "))) {
        class = ERR_CONFIG;
    }
    if (class == ERR_DATA) {
        class = ERR_CONFIG;
    }
    err_set(err, class, "cannot connect to PostgreSQL (%s): %s", where, text);
    memcpy(err->sqlstate, sqlstate, sizeof(sqlstate));
    if (PQconnectionNeedsPassword(conn)) {
        err_hint(err,
            "the server wants a password: put it into the connection string by ${env:NAME} or "
            "${file:/path}, or into .pgpass");
    } else {
        connect_hint(err, sqlstate, text);
    }
    return false;
}

static bool
wait_connected(PGconn *conn, const char *where, int64_t timeout_us, struct err *err)
{
    int64_t deadline = clock_mono_us(&clock_system) + timeout_us;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        if (state == PGRES_POLLING_FAILED || PQstatus(conn) == CONNECTION_BAD) {
            return connect_failed(conn, where, err);
        }
        int64_t left = deadline - clock_mono_us(&clock_system);
        struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN};
        if (state == PGRES_POLLING_WRITING) {
            p.events = POLLOUT;
        }
        if (left <= 0 || poll(&p, 1, (int)(left / 1000) + 1) == 0) {
            err_set(err, ERR_RECONNECT,
                "cannot connect to PostgreSQL (%s): no answer within %lld s", where,
                (long long)(timeout_us / 1000000));
            err_hint(err, "check host and port, and that a firewall lets them through");
            return false;
        }
        state = PQconnectPoll(conn);
    }
    return true;
}

/* Exact values and no surprise from settings of role or database. The search path is empty, so that
 * no object of the user's can stand in for one of the catalog's. */
static bool
prepare_session(PGconn *conn, const char *where, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres';"
                  "SET extra_float_digits = 3; SET bytea_output = 'hex'; SET xmloption = 'content';"
                  "SET lc_monetary = 'C'; SET array_nulls = on;"
                  "SET standard_conforming_strings = on; SET row_security = off;"
                  "SET statement_timeout = 0; SET lock_timeout = 0;"
                  "SET idle_in_transaction_session_timeout = 0;"
                  "SET default_transaction_read_only = off;"
                  "SET default_transaction_isolation = 'read committed';");
    if (PQserverVersion(conn) >= 140000) {
        buf_str(&sql, "SET idle_session_timeout = 0;");
    }
    if (PQserverVersion(conn) >= 170000) {
        buf_str(&sql, "SET transaction_timeout = 0;");
    }
    buf_str(&sql, "SET search_path = ''");
    PGresult *res = PQexec(conn, buf_cstr(&sql));
    bool ok = PQresultStatus(res) == PGRES_COMMAND_OK;
    if (!ok) {
        pg_result_error(err, conn, res, "cannot prepare the session (%s)", where);
    }
    PQclear(res);
    buf_done(&sql);
    return ok;
}

/* UTF8 would be checked, and refused, where the database itself does not check. */
static bool
pass_bytes(PGconn *conn, const char *where, struct err *err)
{
    const char *encoding = PQparameterStatus(conn, "server_encoding");
    if (!encoding || strcmp(encoding, "SQL_ASCII") != 0) {
        return true;
    }
    return PQsetClientEncoding(conn, "SQL_ASCII") == 0 ||
           pg_conn_error(err, conn, "cannot set the client encoding (%s)", where);
}

static void
ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

/* Keywords before the DSN are defaults that it may change; those behind it are ours. */
static PGconn *
start_connect(const char *dsn, const struct pg_options *o, int64_t timeout_us)
{
    char user_timeout[32], idle[32];
    snprintf(user_timeout, sizeof(user_timeout), "%lld", (long long)(timeout_us / 1000));
    int64_t idle_s = timeout_us / 3000000;
    snprintf(idle, sizeof(idle), "%lld", (long long)(idle_s > 0 ? idle_s : 1));
    const char *keys[16], *values[16];
    int n = 0;
#define ADD(k, v) (keys[n] = (k), values[n] = (v), n++)
    ADD("keepalives_idle", idle);
    ADD("keepalives_interval", idle);
    ADD("keepalives_count", "2");
    ADD("tcp_user_timeout", user_timeout);
    ADD("dbname", dsn);
    ADD("application_name", o->application_name ? o->application_name : "tidegate");
    ADD("client_encoding", o->encoding ? o->encoding : "UTF8");
    if (o->replication) {
        ADD("replication", "database");
    }
#undef ADD
    keys[n] = values[n] = NULL;
    return PQconnectStartParams(keys, values, 1);
}

bool
pg_connect(const char *dsn, const struct pg_options *o, PGconn **out, struct err *err)
{
    *out = NULL;
    char *message = NULL;
    PQconninfoOption *parsed = PQconninfoParse(dsn ? dsn : "", &message);
    if (!parsed) {
        return bad_dsn(err, message);
    }
    const char *password = option_value(parsed, "password");
    if (password) {
        log_add_secret(password);
    }
    PQconninfoFree(parsed);

    char where[256];
    pg_describe_dsn(dsn, where, sizeof(where));
    int64_t timeout_us = o->timeout_us > 0 ? o->timeout_us : DEFAULT_TIMEOUT_US;
    PGconn *conn = start_connect(dsn ? dsn : "", o, timeout_us);
    if (!conn) {
        return err_set(err, ERR_FATAL, "cannot connect to PostgreSQL (%s): out of memory", where);
    }
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    bool ok = wait_connected(conn, where, timeout_us, err);
    if (ok) {
        PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
        ok = prepare_session(conn, where, err) && (!o->bytes || pass_bytes(conn, where, err));
    }
    if (!ok) {
        PQfinish(conn);
        return false;
    }
    *out = conn;
    return true;
}

/* Who says nothing puts its words in front later. */
static const char *
behind(const char *context)
{
    return context[0] ? ": " : "";
}

bool
pg_conn_error(struct err *err, PGconn *conn, const char *fmt, ...)
{
    char context[512], text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof(context), fmt, ap);
    va_end(ap);
    first_line(PQerrorMessage(conn), text, sizeof(text));
    return err_set(err, ERR_RECONNECT, "%s%s%s", context, behind(context), text);
}

bool
pg_result_error(struct err *err, PGconn *conn, const PGresult *res, const char *fmt, ...)
{
    char context[512], line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof(context), fmt, ap);
    va_end(ap);

    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL) : NULL;
    const char *hint = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_HINT) : NULL;
    if (!primary) {
        first_line(res ? PQresultErrorMessage(res) : PQerrorMessage(conn), line, sizeof(line));
        primary = line;
    }
    enum err_class class = state ? pg_class_of(state) : ERR_RECONNECT;
    if (conn && PQstatus(conn) == CONNECTION_BAD && class != ERR_CONFIG) {
        class = ERR_RECONNECT;
    }
    err_set(err, class, "%s%s%s%s%s", context, behind(context), primary, detail ? "; " : "",
        detail ? detail : "");
    if (state) {
        snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", state);
    }
    if (hint) {
        err_hint(err, "%s", hint);
    }
    return false;
}

static bool
has_decrypted(PGconn *conn, const struct pollfd *fd)
{
    bool asked = conn && fd->fd >= 0 && (fd->events & POLLIN) && PQsslInUse(conn);
    SSL *ssl = asked ? PQsslStruct(conn, "OpenSSL") : NULL;
    return ssl && SSL_pending(ssl) > 0;
}

int
pg_poll(PGconn *const *conns, struct pollfd *fds, size_t n, int timeout_ms)
{
    for (size_t i = 0; i < n; i++) {
        timeout_ms = has_decrypted(conns[i], &fds[i]) ? 0 : timeout_ms;
    }
    int ready = poll(fds, n, timeout_ms);
    for (size_t i = 0; ready >= 0 && i < n; i++) {
        if (has_decrypted(conns[i], &fds[i])) {
            ready += fds[i].revents == 0;
            fds[i].revents |= POLLIN;
        }
    }
    return ready;
}

void
pg_cancel(PGconn *conn)
{
    char ignored[256];
    PGcancel *cancel = conn ? PQgetCancel(conn) : NULL;
    if (cancel) {
        PQcancel(cancel, ignored, sizeof(ignored));
        PQfreeCancel(cancel);
    }
}
