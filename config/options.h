/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of everything that can be configured. Loading, defaults, limits, `config show`, the
 * reference, the example file, the JSON schema, the manual page and --help are all made from its
 * rows; an option that has no row does not exist.
 */
#ifndef TG_CONFIG_OPTIONS_H
#define TG_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* C type of the field behind each: char *, char * (made absolute), bool, uint32_t, uint64_t bytes,
 * int64_t microseconds, int (an enum), struct string_list. */
enum option_type {
    OPTION_STRING,
    OPTION_PATH,
    OPTION_BOOL,
    OPTION_NUMBER,
    OPTION_SIZE,
    OPTION_DURATION,
    OPTION_WORD,
    OPTION_LIST,
};

enum option_flag {
    OPTION_SECRET = 1 << 0,     /* never shown; references are registered with the log's redactor */
    OPTION_RELOADABLE = 1 << 1, /* may change while the agent runs */
    OPTION_REQUIRED = 1 << 2,   /* must be given by whoever runs the agent */
    OPTION_PLANNED = 1 << 3,    /* named, documented, and refused: this version does not have it */
};

struct option_word {
    const char *word;
    int value;
};

struct option {
    const char *path;    /* "copy.jobs"; "sinks[].dsn" is a member of every element of a list */
    const char *def;     /* as it would be written; NULL: none, or derived as `derived` says */
    const char *derived; /* phrase: where the value comes from when it is not given */
    uint64_t min, max;   /* number, bytes, microseconds; of a string: max bytes */
    const char *zero;    /* phrase: what 0 means; NULL: 0 is no exception from min and max */
    const struct option_word *words; /* ended by {NULL, 0} */
    const char *pattern;             /* POSIX extended regular expression, without anchors */
    const char *expected;            /* phrase for `pattern` */
    size_t offset;                   /* in struct config, or in struct sink_config */
    const char *since;               /* version */
    const char *cli;                 /* "--dir DIR"; NULL: none */
    const char *example;             /* value shown in the example file instead of the default */
    const char *doc;                 /* a paragraph; its first sentence stands alone in --help */
    enum option_type type;
    unsigned flags; /* of enum option_flag */
};

struct option_section {
    const char *path; /* "" top level, "copy", "sinks[]" */
    const char *doc;
};

#define OPTIONS_MAX 80

extern const struct option
    option_table[];               /* in the order of the documentation, grouped by section */
extern const size_t option_count; /* at most OPTIONS_MAX */
extern const struct option_section option_sections[];
extern const size_t option_section_count;

const struct option *option_find(const char *path);
/* Position in the table. */
size_t option_index(const struct option *o);
bool option_section_exists(const char *path);
/* Length of the part of the path that names the section, without its dot: "sinks[]" of
 * "sinks[].dsn". */
size_t option_section_len(const struct option *o);
/* The last component: "dsn". */
const char *option_key(const struct option *o);
/* A member of every element of sinks: its offset counts in struct sink_config. */
bool option_of_sink(const struct option *o);

#endif
