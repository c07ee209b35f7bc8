/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimal string alignment: the edit distance with one more move, the swap of two neighbours, which
 * is the commonest slip of the fingers. Three rows of the table are enough.
 */
#include "config/nearest.h"

#include <stdint.h>
#include <string.h>

static char
fold(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    return c == '-' ? '_' : c;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t
cell(const char *a, const char *b, size_t i, size_t j, size_t rows[3][NEAREST_MAX + 1])
{
    const size_t *before = rows[(i + 1) % 3]; /* i - 2 */
    const size_t *above = rows[(i + 2) % 3];  /* i - 1 */
    const size_t *here = rows[i % 3];
    char x = fold(a[i - 1]), y = fold(b[j - 1]);
    size_t d = above[j - 1] + (x == y ? 0 : 1);
    d = least(d, least(above[j], here[j - 1]) + 1);
    if (i > 1 && j > 1 && x == fold(b[j - 2]) && fold(a[i - 2]) == y) {
        d = least(d, before[j - 2] + 1);
    }
    return d;
}

size_t
nearest_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t rows[3][NEAREST_MAX + 1] = {{0}};
    if (la > NEAREST_MAX || lb > NEAREST_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= lb; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        rows[i % 3][0] = i;
        for (size_t j = 1; j <= lb; j++) {
            rows[i % 3][j] = cell(a, b, i, j, rows);
        }
    }
    return rows[la % 3][lb];
}

void
nearest_init(struct nearest *n, const char *word)
{
    size_t third = strlen(word) / 3;
    *n = (struct nearest){.word = word, .distance = (third > 2 ? third : 2) + 1};
}

void
nearest_offer(struct nearest *n, const char *candidate)
{
    size_t d = nearest_distance(n->word, candidate);
    size_t shared = least(strlen(n->word), strlen(candidate));
    if (shared >= 3 && strncmp(n->word, candidate, shared) == 0) {
        d = least(d, 2); /* one begins with the other: verb and verbose */
    }
    /* A word of which nothing is left is no likeness: 'a' is not near 'on'. */
    if (d < n->distance && d < strlen(candidate)) {
        n->distance = d;
        n->best = candidate;
    }
}
