/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked parsers for everything that comes from outside as text. The whole string must match;
 * leading and trailing space is an error. On false *out is untouched.
 */
#ifndef TG_BASE_PARSE_H
#define TG_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool parse_i64(const char *s, int64_t min, int64_t max, int64_t *out);
bool parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);
bool parse_u32(const char *s, uint32_t *out);
bool parse_bool(const char *s, bool *out); /* true/false/yes/no/on/off */
/* "200GiB", "64MiB", "1kB", "512B"; binary and decimal units; a bare number is refused except 0. */
bool parse_size(const char *s, uint64_t *out);
/* "60s", "250ms", "5m", "6h", "1d", "10us"; result in microseconds; a bare number is refused except
 * 0. */
bool parse_duration(const char *s, int64_t *out_us);
/* "16/B374D848" */
bool parse_lsn(const char *s, uint64_t *out);

#define FORMAT_SIZE 32
/* "1.3 GB" style for people, powers of 1024 with KiB, MiB, GiB. */
const char *format_bytes(uint64_t bytes, char out[FORMAT_SIZE]);
/* "850 ms", "12 s", "3 min 20 s", "2 h 5 min" */
const char *format_duration(int64_t us, char out[FORMAT_SIZE]);
const char *format_lsn(uint64_t lsn, char out[FORMAT_SIZE]);

#endif
