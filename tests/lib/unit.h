/* SPDX-License-Identifier: Apache-2.0
 *
 * cmocka with the headers that it needs before it: an order that sorted includes would break.
 */
#ifndef TG_TESTS_LIB_UNIT_H
#define TG_TESTS_LIB_UNIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#endif
