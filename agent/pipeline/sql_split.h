/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's string of SQL into statements, by PostgreSQL's own lexical rules (chapter "Lexical
 * Structure" of its manual): quotes, dollar quotes, nested comments, parentheses, and the bodies of
 * routines between BEGIN ATOMIC and END. Nothing is understood beyond the first words. Pure.
 */
#ifndef TG_PIPELINE_SQL_SPLIT_H
#define TG_PIPELINE_SQL_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/buf.h"

#define SQL_WORDS      16
#define SQL_WORD_BYTES 24

struct sql_piece {
    const char *at; /* into the text: the first token */
    size_t len;     /* up to the end of the last one; without the semicolon */
    /* Keywords and unquoted names that it begins with, in upper case, up to the first quote, number
     * or parenthesis; long names are cut. */
    char words[SQL_WORDS][SQL_WORD_BYTES];
    size_t words_len;
    bool parameters; /* it has a $1 */
};

/* Takes the next statement from *text on, which moves behind it. *found false: only white space,
 * comments and semicolons were left. False: the text ends inside of a quote, comment, parenthesis
 * or body. `escapes`: a backslash is special in every string (standard_conforming_strings = off).
 */
bool sql_next(const char **text, bool escapes, struct sql_piece *out, bool *found) must_use;

/* Whether a statement that begins like this has the command tag ("CREATE TABLE", also for CREATE
 * TEMP TABLE). */
bool sql_has_tag(const struct sql_piece *p, const char *tag);
/* Whether the word, in upper case, stands in the statement outside of quotes and parentheses. */
bool sql_has_word(const struct sql_piece *p, bool escapes, const char *word);
/* Appends the statement without that word. */
void sql_without_word(const struct sql_piece *p, bool escapes, const char *word, struct buf *out);
/* ... without " TABLESPACE name" behind a CREATE TABLE or CREATE INDEX. */
void sql_without_tablespace(const struct sql_piece *p, bool escapes, struct buf *out);

#endif
