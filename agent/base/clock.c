/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that asks the system for the time.
 */
#include "agent/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define SECOND_US 1000000LL

static int64_t
read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts); /* cannot fail for these clocks */
    return (int64_t)ts.tv_sec * SECOND_US + ts.tv_nsec / 1000;
}

static int64_t
system_mono_us(const struct clock *c)
{
    (void)c;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t
system_wall_us(const struct clock *c)
{
    (void)c;
    return read_clock(CLOCK_REALTIME);
}

static void
system_sleep_us(const struct clock *c, int64_t us)
{
    (void)c;
    if (us <= 0) {
        return;
    }
    struct timespec left = {.tv_sec = us / SECOND_US, .tv_nsec = us % SECOND_US * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}

const struct clock clock_system = {
    .mono_us = system_mono_us,
    .wall_us = system_wall_us,
    .sleep_us = system_sleep_us,
};

void
clock_format_iso(int64_t wall_us, char out[CLOCK_ISO_SIZE])
{
    int64_t us = wall_us % SECOND_US;
    time_t sec = wall_us / SECOND_US;
    if (us < 0) { /* before 1970: round towards the past, not towards zero */
        us += SECOND_US;
        sec--;
    }
    struct tm tm;
    size_t len = 0;
    if (gmtime_r(&sec, &tm) != NULL) {
        len = strftime(out, CLOCK_ISO_SIZE - 5, "%Y-%m-%dT%H:%M:%S", &tm);
    }
    snprintf(out + len, CLOCK_ISO_SIZE - len, ".%03dZ", (int)(us / 1000));
}
