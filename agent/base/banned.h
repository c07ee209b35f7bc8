/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that nobody here may call, as compile errors: force-included into every file. Each has
 * a checked replacement: buf_*, snprintf, parse_* (agent/base/parse.h), clock_*
 * (agent/base/clock.h).
 */
#ifndef TG_BASE_BANNED_H
#define TG_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#undef gmtime
#undef localtime
#undef gets
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gmtime localtime atoi atol atoll gets

#endif
