/* SPDX-License-Identifier: Apache-2.0
 *
 * What the command line and the set-up ask about DDL: only the state database, so the same with a
 * running agent and without one.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pipeline/ddl.h"

#define DECISIONS_MAX 100 /* more are not on their way to a sink at a time */

bool
ddl_waiting(struct store *s, const char *sink, char **out, struct err *err)
{
    char key[DDL_KEY_SIZE];
    snprintf(key, sizeof(key), STORE_DDL_WAITING "%s", sink);
    if (!store_get(s, key, out, err)) {
        return false;
    }
    if (*out && !**out) {
        x_free(*out);
        *out = NULL;
    }
    return true;
}

const char *
ddl_decision_find(const char *decisions, const char *place)
{
    size_t n = strlen(place);
    for (const char *line = decisions; line && *line; line = strchr(line, '\n') + 1) {
        if (strncmp(line, place, n) == 0 && line[n] == ' ') {
            return strncmp(line + n + 1, "skip\n", 5) == 0 ? "skip" : "apply";
        }
        if (!strchr(line, '\n')) {
            break;
        }
    }
    return NULL;
}

char *
ddl_decision_others(const char *decisions, const char *place)
{
    struct buf out;
    size_t n = strlen(place), lines = 0;
    const char *from = decisions ? decisions : "", *end;
    for (const char *c = from; *c; c++) {
        lines += *c == '\n';
    }
    buf_init(&out, (size_t)1 << 20);
    for (const char *line = from; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        bool own = strncmp(line, place, n) == 0 && line[n] == ' ';
        if (!own && lines-- <= DECISIONS_MAX) {
            buf_bytes(&out, line, (size_t)(end + 1 - line));
        }
    }
    char *text = x_strdup(buf_cstr(&out));
    buf_done(&out);
    return text;
}

/* Behind the earlier ones. */
static bool
add_decision(
    struct store *s, const char *sink, const char *place, const char *word, struct err *err)
{
    char key[DDL_KEY_SIZE], *before = NULL;
    snprintf(key, sizeof(key), STORE_DDL_DECISION "%s", sink);
    if (!store_get(s, key, &before, err)) {
        return false;
    }
    char *others = ddl_decision_others(before, place);
    char *value = x_printf("%s%s %s\n", others, place, word);
    bool ok = store_set(s, key, value, err);
    x_free(value);
    x_free(others);
    x_free(before);
    return ok;
}

bool
ddl_decide(struct store *s, const char *sink, bool apply, struct err *err)
{
    char *waiting = NULL;
    if (!ddl_waiting(s, sink, &waiting, err)) {
        return false;
    }
    json_error_t why;
    json_t *o = waiting ? json_loads(waiting, 0, &why) : NULL;
    const char *place = json_string_value(json_object_get(o, "place"));
    bool ok = place != NULL;
    if (!ok) {
        err_set(err, ERR_CONFIG, "no statement waits for a decision at sink '%s'", sink);
    } else {
        ok = add_decision(s, sink, place, apply ? "apply" : "skip", err);
    }
    json_decref(o);
    x_free(waiting);
    return ok;
}

bool
ddl_brought(struct store *s, uint32_t oid, bool *brought, struct err *err)
{
    char key[DDL_KEY_SIZE], *value = NULL;
    snprintf(key, sizeof(key), STORE_DDL_TABLE "%" PRIu32, oid);
    bool ok = store_get(s, key, &value, err);
    *brought = value != NULL;
    x_free(value);
    return ok;
}
