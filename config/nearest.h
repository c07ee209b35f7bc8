/* SPDX-License-Identifier: Apache-2.0
 *
 * "Did you mean": how far two words are from each other, and the nearest of many. Pure.
 */
#ifndef TG_CONFIG_NEAREST_H
#define TG_CONFIG_NEAREST_H

#include <stddef.h>

/* Letters to insert, delete, replace or swap with their neighbour to turn one word into the other;
 * case and the difference of - and _ do not count. Words longer than NEAREST_MAX are infinitely
 * far. */
#define NEAREST_MAX 64
size_t nearest_distance(const char *a, const char *b);

/* A search over candidates offered one by one. */
struct nearest {
    const char *word;
    const char *best; /* borrowed; NULL: nothing was near enough */
    size_t distance;
};

/* At most a third of the word's letters may differ, and always up to two; a word that begins with
 * the candidate, or the other way round, is near. */
void nearest_init(struct nearest *n, const char *word);
void nearest_offer(struct nearest *n, const char *candidate);

#endif
