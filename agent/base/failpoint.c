/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment is read once, at the first point that is reached. A specification that cannot be
 * read ends the process: a crash test whose point is misspelt would pass without testing anything.
 *
 * Locking: the table is written once and only read then, the counters are atomic.
 */
#include "agent/base/failpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"

#define MAX_POINTS    16
#define EXIT_BAD_SPEC 98
#define EXIT_AT_POINT 99
#define KILLED_AT     "tidegate: killed at "

enum action { ACTION_KILL, ACTION_SLEEP, ACTION_EXIT };

struct point {
    char name[64];
    enum action action;
    uint64_t number; /* of the pass to act at, or milliseconds to sleep */
    atomic_ullong passes;
};

static struct point points[MAX_POINTS];
static size_t points_len;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "spool.synced=kill:3" */
static bool
parse_point(char *spec, struct point *p)
{
    static const char *const actions[] = {"kill", "sleep", "exit"};
    char *equals = strchr(spec, '=');
    if (equals == NULL || equals == spec || (size_t)(equals - spec) >= sizeof p->name) {
        return false;
    }
    *equals = '\0';
    snprintf(p->name, sizeof p->name, "%s", spec);
    char *action = equals + 1, *colon = strchr(action, ':');
    p->number = 1;
    if (colon != NULL) {
        *colon = '\0';
        if (!parse_u64(colon + 1, 1, UINT32_MAX, &p->number)) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(action, actions[i]) == 0) {
            p->action = (enum action)i;
            return p->action != ACTION_SLEEP || colon != NULL;
        }
    }
    return false;
}

static void
load(void)
{
    const char *env = getenv("TIDEGATE_FAILPOINTS");
    char text[1024], *rest = text, *spec;
    if (env == NULL || *env == '\0') {
        return;
    }
    bool ok = (size_t)snprintf(text, sizeof text, "%s", env) < sizeof text;
    while (ok && (spec = strsep(&rest, ",")) != NULL) {
        ok = points_len < MAX_POINTS && parse_point(spec, &points[points_len]);
        points_len += ok;
    }
    if (!ok) {
        fputs("tidegate: TIDEGATE_FAILPOINTS cannot be read\n", stderr);
        _exit(EXIT_BAD_SPEC);
    }
}

static void
act(struct point *p)
{
    if (p->action == ACTION_SLEEP) {
        clock_system.sleep_us(&clock_system, (int64_t)p->number * 1000);
        return;
    }
    if (atomic_fetch_add(&p->passes, 1) + 1 != p->number) {
        return;
    }
    if (p->action == ACTION_EXIT) {
        _exit(EXIT_AT_POINT);
    }
    dprintf(STDERR_FILENO, KILLED_AT "%s\n", p->name); /* a test can tell it from another's kill */
    kill(getpid(), SIGKILL);
}

void
failpoint_hit(const char *name)
{
    pthread_once(&once, load);
    for (size_t i = 0; i < points_len; i++) {
        if (strcmp(points[i].name, name) == 0) {
            act(&points[i]);
        }
    }
}
