/* SPDX-License-Identifier: Apache-2.0
 *
 * What is owned is what the table calls a text or a list: freeing walks the rows, so a new field
 * cannot be forgotten here. Every text is overwritten first; which of them were secrets does not
 * matter.
 */
#include "config/config.h"

#include "agent/base/arena.h"
#include "config/options.h"
#include "config/value.h"

void
config_free(struct config *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (!option_of_sink(o)) {
            value_free(o, c);
            continue;
        }
        for (size_t k = 0; k < c->sinks_len; k++) {
            value_free(o, &c->sinks[k]);
        }
    }
    x_free(c);
}
