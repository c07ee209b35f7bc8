/* SPDX-License-Identifier: Apache-2.0
 *
 * Dead letters as requests and documents: the same for the control plane and for a command that
 * works on a data directory at rest.
 *
 *   list    sink, id, after, body      -> {"letters": [{id, sink, position, xid, time, relation,
 *                                          operation, key, sqlstate, error, body}], "next"}
 *   drop    id                         -> {"dropped"}
 *   replay  sink, id, after            -> {"results": [{id, sink, position, applied, sqlstate,
 *                                          error, hint}], "next"}
 *
 * All values are texts. `after` and `next` are positions: there is more behind it. `body` holds
 * the records of the change in hexadecimal digits, when "true" was asked for.
 */
#ifndef TG_CONTROL_LETTERS_JSON_H
#define TG_CONTROL_LETTERS_JSON_H

#include "agent/base/buf.h"
#include "agent/control/params.h"
#include "agent/pipeline/letter_desk.h"

typedef bool letters_call(
    const struct letter_desk *d, const struct params *p, struct buf *out, struct err *err);

letters_call letters_list, letters_drop, letters_replay;

#endif
