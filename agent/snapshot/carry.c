/* SPDX-License-Identifier: Apache-2.0
 *
 * A savepoint around each, in one go with it: there are few of them, but some are carried while
 * nobody may write.
 */
#include "agent/snapshot/carry.h"

#include "agent/base/log.h"
#include "agent/pg/query.h"
#include "agent/pg/together.h"

#define STAGE "schema"

static bool
is_end(const struct err *err)
{
    return err->class == ERR_RECONNECT || err->class == ERR_CANCELLED;
}

/* *ok: it was done. False: nothing more can be. */
static bool
attempt(PGconn *target, const char *sql, bool *ok, struct err *why, struct err *err)
{
    const char *const statements[] = {
        "SAVEPOINT tidegate_carry", sql, "RELEASE SAVEPOINT tidegate_carry"};
    *ok = pg_exec_together(target, "", statements, 3, why);
    if (*ok) {
        return true;
    }
    if (is_end(why)) {
        *err = *why;
        return false;
    }
    return pg_exec(target, "target: end the savepoint",
        "ROLLBACK TO SAVEPOINT tidegate_carry; RELEASE SAVEPOINT tidegate_carry", err);
}

static void
say_left_out(const char *what, bool secret, const struct err *why)
{
    if (secret) {
        log_warn(STAGE, "left out: %s (SQLSTATE %s)", what, why->sqlstate);
    } else {
        log_warn(STAGE, "left out: %s%s", what, why->text);
    }
}

bool
carry_statements(
    PGconn *target, const PGresult *rows, bool secret, struct carry_counts *out, struct err *err)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        struct err why = ERR_INIT;
        bool ok = false;
        for (int choice = 1; choice <= 2 && !ok; choice++) {
            if (PQgetisnull(rows, i, choice)) {
                continue;
            }
            err_clear(&why);
            if (!attempt(target, pg_str(rows, i, choice), &ok, &why, err)) {
                return err_wrap(err, "target: %s", pg_str(rows, i, 0));
            }
        }
        out->done += ok;
        out->left_out += !ok;
        if (!ok) {
            say_left_out(pg_str(rows, i, 0), secret, &why);
        }
    }
    return true;
}
