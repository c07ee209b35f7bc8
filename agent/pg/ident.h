/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL text: quoted names and literals appended to a buf. Names are always quoted.
 */
#ifndef TG_PG_IDENT_H
#define TG_PG_IDENT_H

#include "agent/base/buf.h"

void sql_ident(struct buf *b, const char *name);                         /* "name" */
void sql_qualified(struct buf *b, const char *schema, const char *name); /* "schema"."name" */
void sql_literal(struct buf *b, const char *text);                       /* 'text' or E'te\\xt' */

#endif
