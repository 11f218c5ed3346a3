/* log_writer.c - put: a thread's own ring -> the writer thread: drain -> write(2). */
#include "gateway/log_writer.h"

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/rand.h"
#include "gateway/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH_MAX_BYTES = 2 * 1024 * 1024,
    SEVERE_CHANNEL = LOG_CHANNEL_COUNT, /* an event that is also kept for log_writer_recent */
};

/* One thread writes, the writer reads; positions only grow. */
struct ring {
    _Atomic uint64_t head; /* next byte to read: the writer's */
    _Atomic uint64_t tail; /* next byte to write: the thread's */
    char bytes[LOG_RING_BYTES];
};

/* Precedes each line in a ring. */
struct record {
    uint32_t len;
    uint32_t channel;
};

struct recent {
    int64_t at;
    char *line;
};

struct log_writer {
    uint64_t id; /* never seen again, unlike an address */
    int fds[LOG_CHANNEL_COUNT];
    bool is_owned[LOG_CHANNEL_COUNT];
    int wake_fd;
    atomic_bool is_asleep;
    atomic_bool must_stop;
    pthread_t thread;
    _Atomic(struct ring *) rings[LOG_THREADS_MAX];
    atomic_uint ring_count;
    struct buf batches[LOG_CHANNEL_COUNT]; /* writer thread */
    struct {
        pthread_mutex_t mutex;
        struct recent recent[LOG_RECENT_MAX];
        size_t next;
    } locked;
};

/* ---- any thread ---- */

static struct ring *my_ring(struct log_writer *w)
{
    static _Thread_local struct ring *mine;
    static _Thread_local uint64_t owner;
    if (owner == w->id)
        return mine;
    owner = w->id;
    mine = NULL;
    unsigned index = atomic_fetch_add(&w->ring_count, 1);
    if (index < LOG_THREADS_MAX) {
        mine = mem_new(struct ring);
        atomic_store(&w->rings[index], mine);
    }
    return mine;
}

static void copy_in(struct ring *r, uint64_t at, const void *p, size_t len)
{
    size_t offset = at % LOG_RING_BYTES;
    size_t first = len < LOG_RING_BYTES - offset ? len : LOG_RING_BYTES - offset;
    memcpy(r->bytes + offset, p, first);
    memcpy(r->bytes, (const char *)p + first, len - first);
}

static void put(struct log_writer *w, uint32_t channel, struct str line)
{
    struct ring *r = my_ring(w);
    struct record rec = {.len = (uint32_t)line.len, .channel = channel};
    uint64_t tail = r == NULL ? 0 : atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (r == NULL ||
        tail - atomic_load_explicit(&r->head, memory_order_acquire) + sizeof(rec) + line.len >
            LOG_RING_BYTES) {
        metric_add(METRIC_LOG_LINES_LOST, 1);
        return;
    }
    copy_in(r, tail, &rec, sizeof(rec));
    copy_in(r, tail + sizeof(rec), line.p, line.len);
    /* Sequentially consistent with is_asleep: either we see it asleep, or it sees the line. */
    atomic_store(&r->tail, tail + sizeof(rec) + line.len);
    if (atomic_load(&w->is_asleep) && atomic_exchange(&w->is_asleep, false))
        (void)eventfd_write(w->wake_fd, 1);
}

void log_writer_put(struct log_writer *w, int channel, struct str line)
{
    put(w, (uint32_t)channel, line);
}

void log_writer_sink(void *arg, enum log_level level, struct str line)
{
    put(arg, level <= LOG_LEVEL_WARN ? SEVERE_CHANNEL : LOG_CHANNEL_EVENTS, line);
}

/* ---- the writer thread ---- */

static void copy_out(const struct ring *r, uint64_t at, void *p, size_t len)
{
    size_t offset = at % LOG_RING_BYTES;
    size_t first = len < LOG_RING_BYTES - offset ? len : LOG_RING_BYTES - offset;
    memcpy(p, r->bytes + offset, first);
    memcpy((char *)p + first, r->bytes, len - first);
}

static void keep_recent(struct log_writer *w, struct str line)
{
    char *copy = mem_dup(line.p, line.len > 0 ? line.len - 1 : 0);
    if (copy == NULL)
        return;
    (void)pthread_mutex_lock(&w->locked.mutex);
    struct recent *slot = &w->locked.recent[w->locked.next];
    w->locked.next = (w->locked.next + 1) % LOG_RECENT_MAX;
    mem_free(slot->line);
    *slot = (struct recent){.at = clock_now_at(), .line = copy};
    (void)pthread_mutex_unlock(&w->locked.mutex);
}

static void write_all(int fd, struct buf *batch)
{
    while (buf_len(batch) > 0) {
        struct str view = buf_view(batch);
        ssize_t n = fd < 0 ? (ssize_t)view.len : write(fd, view.p, view.len);
        if (n > 0) {
            buf_consume(batch, (size_t)n);
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            (void)poll(&p, 1, 1000);
        } else if (errno != EINTR) {
            metric_add(METRIC_LOG_LINES_LOST, 1);
            buf_clear(batch);
        }
    }
}

static void flush_batches(struct log_writer *w)
{
    for (int i = 0; i < LOG_CHANNEL_COUNT; i++) {
        write_all(w->fds[i], &w->batches[i]);
        buf_release(&w->batches[i]);
    }
}

static void take_line(struct log_writer *w, const struct record *rec, struct ring *r,
                      uint64_t at)
{
    bool is_severe = rec->channel == SEVERE_CHANNEL;
    struct buf *batch = &w->batches[is_severe ? LOG_CHANNEL_EVENTS : rec->channel];
    char *tail;
    size_t room;
    if (buf_room(batch) < rec->len)
        flush_batches(w);
    if (failed(buf_reserve(batch, rec->len, &tail, &room))) {
        metric_add(METRIC_LOG_LINES_LOST, 1);
        return;
    }
    copy_out(r, at, tail, rec->len);
    if (is_severe)
        keep_recent(w, str_make(tail, rec->len));
    buf_commit(batch, rec->len);
}

/* True if there was anything. */
static bool drain_ring(struct log_writer *w, struct ring *r)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load(&r->tail);
    bool had_lines = head != tail;
    while (head != tail) {
        struct record rec;
        copy_out(r, head, &rec, sizeof(rec));
        take_line(w, &rec, r, head + sizeof(rec));
        head += sizeof(rec) + rec.len;
        atomic_store_explicit(&r->head, head, memory_order_release);
    }
    return had_lines;
}

static bool drain(struct log_writer *w)
{
    bool had_lines = false;
    unsigned count = atomic_load(&w->ring_count);
    for (unsigned i = 0; i < count && i < LOG_THREADS_MAX; i++) {
        struct ring *r = atomic_load(&w->rings[i]);
        if (r != NULL)
            had_lines |= drain_ring(w, r);
    }
    flush_batches(w);
    return had_lines;
}

static void *run(void *arg)
{
    struct log_writer *w = arg;
    for (;;) {
        bool must_stop = atomic_load(&w->must_stop);
        if (drain(w))
            continue;
        if (must_stop)
            return NULL;
        atomic_store(&w->is_asleep, true);
        if (drain(w))
            continue;
        eventfd_t count;
        (void)eventfd_read(w->wake_fd, &count);
    }
}

/* ---- life ---- */

struct err log_writer_new(const int fds[LOG_CHANNEL_COUNT], struct log_writer **ret_writer)
{
    struct log_writer *w = mem_new(struct log_writer);
    if (w == NULL)
        return fail(ERR_MEMORY, 0);
    w->id = rand_u64();
    (void)pthread_mutex_init(&w->locked.mutex, NULL);
    for (int i = 0; i < LOG_CHANNEL_COUNT; i++) {
        w->fds[i] = fds[i];
        w->is_owned[i] = fds[i] > STDERR_FILENO;
        buf_init(&w->batches[i], BATCH_MAX_BYTES);
    }
    w->wake_fd = eventfd(0, EFD_CLOEXEC);
    int error = w->wake_fd < 0 ? errno : pthread_create(&w->thread, NULL, run, w);
    if (error != 0) {
        if (w->wake_fd >= 0)
            (void)close(w->wake_fd);
        mem_free(w);
        return fail(ERR_IO, error);
    }
    *ret_writer = w;
    return OK;
}

void log_writer_free(struct log_writer *w)
{
    if (w == NULL)
        return;
    atomic_store(&w->must_stop, true);
    (void)eventfd_write(w->wake_fd, 1);
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LOG_END_LIMIT_S;
    /* Somebody holds the other end of a full pipe and does not read: the process ends
     * anyway, so what the thread still uses is left to it. */
    if (pthread_timedjoin_np(w->thread, NULL, &until) != 0)
        return;
    (void)close(w->wake_fd);
    for (unsigned i = 0; i < LOG_THREADS_MAX; i++)
        mem_free(atomic_load(&w->rings[i]));
    for (int i = 0; i < LOG_CHANNEL_COUNT; i++) {
        buf_fini(&w->batches[i]);
        if (w->is_owned[i])
            (void)close(w->fds[i]);
    }
    for (size_t i = 0; i < LOG_RECENT_MAX; i++)
        mem_free(w->locked.recent[i].line);
    (void)pthread_mutex_destroy(&w->locked.mutex);
    mem_free(w);
}

struct err log_writer_reopen(struct log_writer *w, int channel, const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return fail(ERR_IO, errno);
    /* The number stays, so that the writer thread needs no lock: the old file is closed by
     * dup3. */
    bool is_swapped = dup3(fd, w->fds[channel], O_CLOEXEC) >= 0;
    struct err e = is_swapped ? OK : fail(ERR_IO, errno);
    (void)close(fd);
    return e;
}

json_t *log_writer_recent(struct log_writer *w)
{
    json_t *list = json_array();
    (void)pthread_mutex_lock(&w->locked.mutex);
    for (size_t i = 0; list != NULL && i < LOG_RECENT_MAX; i++) {
        const struct recent *r = &w->locked.recent[(w->locked.next + i) % LOG_RECENT_MAX];
        char at[UNITS_TIME_MAX];
        if (r->line == NULL)
            continue;
        units_format_time(r->at, at);
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "at", at, "line", r->line));
    }
    (void)pthread_mutex_unlock(&w->locked.mutex);
    return list;
}
