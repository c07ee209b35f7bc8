/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks for dead letters: the running agent, or, when none runs, the data directory itself, which
 * then is held until the end so that no agent starts meanwhile. The documents are those of
 * agent/control/letters_json.h.
 */
#ifndef TG_CLI_LETTERS_SERVICE_H
#define TG_CLI_LETTERS_SERVICE_H

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/cli/common.h"

struct json_t; /* of jansson */
struct letters_service;

enum letters_question { LETTERS_LIST, LETTERS_DROP, LETTERS_REPLAY };

/* False: *status is the exit code and the reason has been printed. */
bool letters_service_open(
    const struct common_args *c, struct letters_service **out, int *status) must_use;
void letters_service_close(struct letters_service *s); /* accepts NULL */
/* `request`: an object of texts. *answer is new (json_decref). */
bool letters_service_ask(struct letters_service *s, enum letters_question question,
    const struct json_t *request, struct json_t **answer, struct err *err) must_use;

#endif
