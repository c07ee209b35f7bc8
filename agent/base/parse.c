/* SPDX-License-Identifier: Apache-2.0
 *
 * Written without strtol and friends, which accept leading space, signs and half a string. One
 * function reads digits with a check for overflow; everything else is built on it.
 */
#include "agent/base/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Reads decimal digits at *s and moves *s behind them. False without a digit or when they overflow.
 */
static bool
digits(const char **s, uint64_t *out)
{
    const char *p = *s;
    uint64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t d = (uint64_t)(*p - '0');
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, d, &v)) {
            return false;
        }
    }
    if (p == *s) {
        return false;
    }
    *s = p;
    *out = v;
    return true;
}

bool
parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t v;
    if (!digits(&s, &v) || *s != '\0' || v < min || v > max) {
        return false;
    }
    *out = v;
    return true;
}

bool
parse_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = *s == '-';
    s += negative;
    uint64_t magnitude;
    if (!digits(&s, &magnitude) || *s != '\0') {
        return false;
    }
    if (magnitude > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    int64_t v = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    if (v < min || v > max) {
        return false;
    }
    *out = v;
    return true;
}

bool
parse_u32(const char *s, uint32_t *out)
{
    uint64_t v;
    if (!parse_u64(s, 0, UINT32_MAX, &v)) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

bool
parse_bool(const char *s, bool *out)
{
    static const char *const words[2][3] = {{"false", "no", "off"}, {"true", "yes", "on"}};
    for (int value = 0; value < 2; value++) {
        for (int i = 0; i < 3; i++) {
            if (strcasecmp(s, words[value][i]) == 0) {
                *out = value == 1;
                return true;
            }
        }
    }
    return false;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* A number and one of `units`; the bare "0" needs none. */
static bool
number_with_unit(const char *s, const struct unit *units, uint64_t max, uint64_t *out)
{
    if (strcmp(s, "0") == 0) {
        *out = 0;
        return true;
    }
    uint64_t v;
    if (!digits(&s, &v)) {
        return false;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(s, units->name) == 0) {
            if (__builtin_mul_overflow(v, units->factor, &v) || v > max) {
                return false;
            }
            *out = v;
            return true;
        }
    }
    return false;
}

bool
parse_size(const char *s, uint64_t *out)
{
    static const struct unit units[] = {
        {"B", 1},
        {"kB", 1000},
        {"KB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"PB", 1000000000000000},
        {"KiB", 1ull << 10},
        {"MiB", 1ull << 20},
        {"GiB", 1ull << 30},
        {"TiB", 1ull << 40},
        {"PiB", 1ull << 50},
        {NULL, 0},
    };
    return number_with_unit(s, units, UINT64_MAX, out);
}

bool
parse_duration(const char *s, int64_t *out_us)
{
    static const struct unit units[] = {
        {"us", 1},
        {"ms", 1000},
        {"s", 1000000},
        {"m", 60000000},
        {"h", 3600000000},
        {"d", 86400000000},
        {NULL, 0},
    };
    uint64_t us;
    if (!number_with_unit(s, units, INT64_MAX, &us)) {
        return false;
    }
    *out_us = (int64_t)us;
    return true;
}

/* One to eight hexadecimal digits at *s. */
static bool
hex_word(const char **s, uint32_t *out)
{
    uint32_t v = 0;
    int n = 0;
    for (; n < 8; n++, (*s)++) {
        char c = **s;
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            v = v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            break;
        }
    }
    *out = v;
    return n > 0;
}

bool
parse_lsn(const char *s, uint64_t *out)
{
    uint32_t high, low;
    if (!hex_word(&s, &high) || *s++ != '/' || !hex_word(&s, &low) || *s != '\0') {
        return false;
    }
    *out = (uint64_t)high << 32 | low;
    return true;
}

const char *
format_bytes(uint64_t bytes, char out[FORMAT_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(out, FORMAT_SIZE, "%" PRIu64 " B", bytes);
        return out;
    }
    size_t unit = 0;
    double v = (double)bytes / 1024;
    /* 1023.95 would be shown as 1024.0 */
    while (v >= 1023.95 && unit + 1 < sizeof units / sizeof *units) {
        v /= 1024;
        unit++;
    }
    snprintf(out, FORMAT_SIZE, "%.1f %s", v, units[unit]);
    return out;
}

const char *
format_duration(int64_t us, char out[FORMAT_SIZE])
{
    const char *sign = us < 0 ? "-" : "";
    uint64_t v = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t ms = v / 1000, s = ms / 1000, min = s / 60, h = min / 60, d = h / 24;
    if (v != 0 && ms == 0) {
        snprintf(out, FORMAT_SIZE, "%s%" PRIu64 " us", sign, v);
    } else if (s == 0) {
        snprintf(out, FORMAT_SIZE, "%s%" PRIu64 " ms", sign, ms);
    } else if (s < 10 && ms % 1000 >= 100) {
        snprintf(out, FORMAT_SIZE, "%s%" PRIu64 ".%" PRIu64 " s", sign, s, ms % 1000 / 100);
    } else if (min == 0) {
        snprintf(out, FORMAT_SIZE, "%s%" PRIu64 " s", sign, s);
    } else if (h == 0) {
        snprintf(out, FORMAT_SIZE, "%s%" PRIu64 " min %" PRIu64 " s", sign, min, s % 60);
    } else if (d == 0) {
        snprintf(out, FORMAT_SIZE, "%s%" PRIu64 " h %" PRIu64 " min", sign, h, min % 60);
    } else {
        snprintf(out, FORMAT_SIZE, "%s%" PRIu64 " d %" PRIu64 " h", sign, d, h % 24);
    }
    return out;
}

const char *
format_lsn(uint64_t lsn, char out[FORMAT_SIZE])
{
    snprintf(out, FORMAT_SIZE, "%X/%X", (unsigned)(lsn >> 32), (unsigned)(lsn & UINT32_MAX));
    return out;
}
