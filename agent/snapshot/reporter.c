/* SPDX-License-Identifier: Apache-2.0
 *
 * One line for each failure: the error's text has everything that a person needs.
 */
#include "agent/snapshot/reporter.h"

void
reporter_take(struct reporter *r, struct err *err)
{
    r->failed++;
    r->line(err->text, r->arg);
    err_clear(err);
}
