/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done about a statement of the source: by its class, by the tables that it is about, and
 * by whether it can be repeated. Pure.
 */
#ifndef TG_PIPELINE_DDL_POLICY_H
#define TG_PIPELINE_DDL_POLICY_H

#include "agent/change/table_filter.h"
#include "agent/pipeline/ddl_message.h"
#include "agent/pipeline/ddl_text.h"
#include "config/config.h"

/* By the command tag. */
enum ddl_class ddl_class_of(const char *tag);
const char *ddl_class_name(enum ddl_class c); /* "tables": as in the configuration */

enum ddl_verdict {
    DDL_APPLY,
    DDL_PASS, /* nothing to do: it is about what the migration does not carry */
    DDL_IGNORE,
    DDL_STOP,
};

struct ddl_judgement {
    enum ddl_verdict verdict;
    enum ddl_class class;
    char why[300]; /* of IGNORE, PASS, STOP */
};

void ddl_judge(const struct ddl_message *m, const struct ddl_text *text,
    const struct table_filter *filter, const struct ddl_config *config, struct ddl_judgement *out);

#endif
