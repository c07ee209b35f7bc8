/* SPDX-License-Identifier: Apache-2.0
 *
 * One formatter per phase, all appending to a text that is cut at its end, never broken.
 */
#include "agent/cli/progress_line.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/parse.h"

struct text {
    char *out;
    size_t cap, len;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->out + t->len, t->cap - t->len, fmt, ap);
    va_end(ap);
    if (n > 0) {
        t->len += (size_t)n;
    }
    if (t->len >= t->cap) {
        t->len = t->cap - 1;
    }
}

void
progress_rate_sample(struct progress_rate *r, int64_t mono_us, uint64_t bytes)
{
    if (r->at_us != 0 && mono_us > r->at_us && bytes >= r->bytes) {
        double now = (double)(bytes - r->bytes) * 1e6 / (double)(mono_us - r->at_us);
        r->per_second = r->per_second > 0 ? 0.6 * r->per_second + 0.4 * now : now;
    }
    r->at_us = mono_us;
    r->bytes = bytes;
}

int
progress_percent(const struct snapshot_progress *p)
{
    bool complete = p->tables_done == p->tables_total;
    if (p->bytes_total == 0) {
        return complete ? 100 : 0;
    }
    double share = 100.0 * (double)p->bytes / (double)p->bytes_total;
    if (share >= 100) {
        return complete ? 100 : 99;
    }
    return (int)share;
}

static void
add_copy(struct text *t, const struct agent_status *s, const struct progress_rate *r)
{
    const struct snapshot_progress *p = &s->copy;
    char a[FORMAT_SIZE], b[FORMAT_SIZE];
    if (p->step[0] != '\0' && strcmp(p->step, "copy") != 0) {
        add(t, "copy (%s)", p->step);
    } else {
        add(t, "copy");
    }
    add(t, " %d %% %u/%u tables", progress_percent(p), p->tables_done, p->tables_total);
    add(t, " %s of %s", format_bytes(p->bytes, a), format_bytes(p->bytes_total, b));
    if (p->indexes_total > 0 && p->bytes >= p->bytes_total) {
        add(t, " %u/%u indexes", p->indexes_done, p->indexes_total);
    }
    if (p->paused) {
        add(t, " paused");
        return;
    }
    if (r->per_second >= 1) {
        add(t, " %s/s", format_bytes((uint64_t)r->per_second, a));
    }
    if (p->eta_us >= 1000000 && p->bytes < p->bytes_total) {
        add(t, " %s left", format_duration(p->eta_us, a));
    }
}

static uint64_t
farthest_behind(const struct agent_status *s)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < s->sinks_len; i++) {
        lag = s->sinks[i].lag_bytes > lag ? s->sinks[i].lag_bytes : lag;
    }
    return lag;
}

static void
add_troubles(struct text *t, const struct agent_status *s)
{
    if (s->phase >= PHASE_SNAPSHOT && s->phase <= PHASE_STREAMING && !s->source.connected) {
        add(t, ", source not connected");
    }
    for (size_t i = 0; i < s->sinks_len; i++) {
        enum sink_state state = s->sinks[i].state;
        if (state == SINK_PAUSED || state == SINK_STOPPED || state == SINK_FAILED ||
            (state == SINK_CONNECTING && s->sinks[i].error[0] != '\0')) {
            add(t, ", sink '%s' %s", s->sinks[i].name, sink_state_name(state));
        }
    }
}

void
progress_line(const struct agent_status *s, const struct progress_rate *r, char *out, size_t cap)
{
    struct text t = {out, cap, 0};
    char a[FORMAT_SIZE];
    out[0] = '\0';
    switch (s->phase) {
    case PHASE_PREFLIGHT:
        add(&t, "preflight: looking at source and target");
        break;
    case PHASE_SNAPSHOT:
        add_copy(&t, s, r);
        break;
    case PHASE_CATCHUP:
        add(&t, "catching up: %s behind", format_bytes(farthest_behind(s), a));
        break;
    case PHASE_STREAMING:
        add(&t, "streaming: lag %s", format_bytes(farthest_behind(s), a));
        break;
    case PHASE_CUTOVER:
        add(&t, "cutover: %s behind", format_bytes(farthest_behind(s), a));
        break;
    case PHASE_DONE:
        add(&t, "done: the target is open");
        break;
    }
    add_troubles(&t, s);
}
