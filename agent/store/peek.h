/* SPDX-License-Identifier: Apache-2.0
 *
 * A look into state.db by somebody who is not the agent: takes no lock, creates and changes
 * nothing, works beside a running agent.
 *
 * Locking: any thread.
 */
#ifndef TG_STORE_PEEK_H
#define TG_STORE_PEEK_H

#include <stdbool.h>

#include "agent/base/err.h"

/* Calls `each` for every named value whose key begins with `prefix`, in order of the keys; the
 * texts are borrowed during the call. *found is false when there is no state.db in `dir`. */
bool store_peek(const char *dir, const char *prefix,
    void (*each)(const char *key, const char *value, void *arg), void *arg, bool *found,
    struct err *err) must_use;

#endif
