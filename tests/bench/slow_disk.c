/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a server's disk slow: a library that is loaded before its others (LD_PRELOAD). Each read at
 * a place of a file, which is how PostgreSQL reads pages, takes so many microseconds longer as
 * stand in the first four bytes, in the machine's order, of the file TIDEGATE_SLOW_DISK names. They
 * may change at any time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const volatile uint32_t *delay_us;
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_preadv)(int, const struct iovec *, int, off_t);

__attribute__((constructor)) static void
start(void)
{
    *(void **)&real_pread = dlsym(RTLD_NEXT, "pread");
    *(void **)&real_preadv = dlsym(RTLD_NEXT, "preadv");
    const char *path = getenv("TIDEGATE_SLOW_DISK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *map = mmap(NULL, sizeof *delay_us, PROT_READ, MAP_SHARED, fd, 0);
        delay_us = map == MAP_FAILED ? NULL : map;
        close(fd);
    }
}

static void
be_slow(void)
{
    uint32_t us = delay_us ? *delay_us : 0;
    if (us > 0) {
        nanosleep(
            &(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L}, NULL);
    }
}

ssize_t
pread(int fd, void *out, size_t len, off_t at)
{
    be_slow();
    return real_pread(fd, out, len, at);
}

ssize_t
preadv(int fd, const struct iovec *out, int n, off_t at)
{
    be_slow();
    return real_preadv(fd, out, n, at);
}
