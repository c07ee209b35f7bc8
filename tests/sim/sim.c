/* SPDX-License-Identifier: Apache-2.0
 *
 * The program around the simulation:
 *
 *   sim --seeds N [--first N] [--jobs N]   the seeds of seeds.txt, then N more
 *   sim --seed N [--trace]                 one, with everything that happened
 *   sim --mutation NAME ...                with a fault put in on purpose
 *   sim --selftest [--seeds N]             each of these faults must be found
 *
 * Ends with "sim: N passed, N failed".
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/parse.h"
#include "tests/sim/world.h"

#define SEEDS_FILE "tests/sim/seeds.txt"

struct options {
    const char *program;
    uint64_t seeds, first, seed;
    unsigned jobs;
    enum mutation mutation;
    bool one, trace, selftest;
};

struct score {
    uint64_t passed, failed;
    uint64_t seen[SEEN];
};

static void
count(struct score *s, bool ok)
{
    s->passed += ok;
    s->failed += !ok;
}

static void
run(uint64_t seed, const struct options *o, struct score *s)
{
    struct outcome out;
    world_run(seed, o->mutation, o->trace ? stdout : NULL, &out);
    count(s, out.ok);
    for (int i = 0; i < SEEN; i++) {
        s->seen[i] += out.seen[i];
    }
    if (out.ok) {
        return;
    }
    printf("seed %llu: %s\n    repeat: %s --seed %llu --trace%s%s\n", (unsigned long long)seed,
        out.why, o->program, (unsigned long long)seed, o->mutation ? " --mutation " : "",
        o->mutation ? mutation_name(o->mutation) : "");
    fflush(stdout);
}

static void
add(struct score *to, const struct score *s)
{
    to->passed += s->passed;
    to->failed += s->failed;
    for (int i = 0; i < SEEN; i++) {
        to->seen[i] += s->seen[i];
    }
}

/* Each job runs every jobs-th seed in a process of its own and writes its score into a pipe. */
static struct score
run_all(const struct options *o)
{
    struct score total = {0};
    int pipes[2];
    fflush(stdout);
    if (pipe(pipes) != 0) {
        abort();
    }
    for (unsigned job = 0; job < o->jobs; job++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct score mine = {0};
            for (uint64_t i = job; i < o->seeds; i += o->jobs) {
                run(o->first + i, o, &mine);
            }
            /* With all that happens at an end: a sanitizer looks for leaks. */
            exit(write(pipes[1], &mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
        }
    }
    close(pipes[1]);
    struct score one;
    while (read(pipes[0], &one, sizeof(one)) == sizeof(one)) {
        add(&total, &one);
    }
    close(pipes[0]);
    int status;
    while (wait(&status) > 0) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            printf("a job of the simulation died with status %d\n", status);
            total.failed++;
        }
    }
    return total;
}

/* "SEED   what it found", one a line; '#' begins a comment. */
static void
run_kept(const struct options *o, struct score *s)
{
    char line[512];
    FILE *f = fopen(SEEDS_FILE, "re");
    while (f && fgets(line, sizeof(line), f)) {
        uint64_t seed;
        line[strcspn(line, " \t#\n")] = '\0';
        if (line[0] && parse_u64(line, 0, UINT64_MAX, &seed)) {
            run(seed, o, s);
        }
    }
    if (f) {
        fclose(f);
    }
}

static struct score
selftest(const struct options *o)
{
    struct score s = {0};
    struct outcome out = {.ok = true};
    for (enum mutation m = 1; m < MUTATIONS; m++) {
        uint64_t at = 0;
        bool found = false;
        while (at < o->seeds && !found) {
            world_run(o->first + at++, m, NULL, &out);
            found = !out.ok;
        }
        printf("%-20s %s after %llu seeds: %s\n", mutation_name(m), found ? "found" : "NOT FOUND",
            (unsigned long long)at, out.why);
        count(&s, found);
    }
    return s;
}

/* So many seeds must have been through everything. */
#define SEEDS_FOR_ALL 1000

static void
tell_seen(struct score *s, uint64_t seeds)
{
    printf("been through:");
    for (enum seen i = 0; i < SEEN; i++) {
        printf("%s %llu %s", i ? "," : "", (unsigned long long)s->seen[i], seen_name(i));
    }
    printf("\n");
    for (enum seen i = 0; i < SEEN && seeds >= SEEDS_FOR_ALL; i++) {
        if (s->seen[i] == 0) {
            printf("%s: never seen, so nothing is proven about them\n", seen_name(i));
            s->failed++;
        }
    }
}

static enum mutation
find_mutation(const char *name)
{
    for (enum mutation m = 0; m < MUTATIONS; m++) {
        if (strcmp(mutation_name(m), name) == 0) {
            return m;
        }
    }
    fprintf(stderr, "no mutation is named '%s'\n", name);
    exit(2);
}

static uint64_t
number(const char *text)
{
    uint64_t n;
    if (!parse_u64(text, 0, UINT64_MAX, &n)) {
        fprintf(stderr, "'%s' is not a number\n", text);
        exit(2);
    }
    return n;
}

static void
read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {{"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'}, {"seed", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'}, {"mutation", required_argument, NULL, 'm'},
        {"trace", no_argument, NULL, 't'}, {"selftest", no_argument, NULL, 'x'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'n':
            o->seeds = number(optarg);
            break;
        case 'f':
            o->first = number(optarg);
            break;
        case 's':
            o->seed = number(optarg);
            o->one = true;
            break;
        case 'j':
            o->jobs = (unsigned)number(optarg);
            break;
        case 'm':
            o->mutation = find_mutation(optarg);
            break;
        case 't':
            o->trace = true;
            break;
        case 'x':
            o->selftest = true;
            break;
        default:
            exit(2);
        }
    }
}

int
main(int argc, char **argv)
{
    struct options o = {.program = argv[0], .seeds = 2000, .first = 1, .jobs = 1};
    struct score s = {0};
    read_options(argc, argv, &o);
    if (o.one) {
        run(o.seed, &o, &s);
    } else if (o.selftest) {
        s = selftest(&o);
    } else {
        run_kept(&o, &s);
        struct score more = run_all(&o);
        add(&s, &more);
        tell_seen(&s, o.seeds);
    }
    printf("sim: %llu passed, %llu failed\n", (unsigned long long)s.passed,
        (unsigned long long)s.failed);
    return s.failed ? 1 : 0;
}
