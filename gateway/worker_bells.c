#include "gateway/worker_bells.h"

#include "gateway/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker_bells {
    atomic_int fds[WORKER_BELLS_MAX]; /* -1: nobody is there */
};

struct worker_bells *worker_bells_new(void)
{
    struct worker_bells *b = mem_new(struct worker_bells);
    for (unsigned i = 0; b != NULL && i < WORKER_BELLS_MAX; i++)
        atomic_init(&b->fds[i], -1);
    return b;
}

void worker_bells_free(struct worker_bells *b)
{
    for (unsigned i = 0; b != NULL && i < WORKER_BELLS_MAX; i++) {
        int fd = atomic_load(&b->fds[i]);
        if (fd >= 0)
            (void)close(fd);
    }
    mem_free(b);
}

struct err worker_bells_hang(struct worker_bells *b, unsigned index, int wake_fd)
{
    if (b == NULL || index >= WORKER_BELLS_MAX)
        return OK;
    int fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return fail(ERR_IO, errno);
    atomic_store(&b->fds[index], fd);
    return OK;
}

void worker_bells_ring(struct worker_bells *b, unsigned index)
{
    int fd = b == NULL || index >= WORKER_BELLS_MAX ? -1 : atomic_load(&b->fds[index]);
    if (fd >= 0)
        (void)eventfd_write(fd, 1);
}
