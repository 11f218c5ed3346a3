/* log_writer.h - takes log lines from any thread and writes them from its own.
 *
 * Purpose: a slow disk, a full pipe or a stopped terminal never stops a worker.
 * Thread:  log_writer_put: any thread; each thread has a ring of its own, so none waits for
 *          another. One writer thread empties the rings.
 * Owns:    its rings, its thread, its descriptors (not 1 and 2).
 * Limits:  LOG_RING_BYTES per thread, LOG_THREADS_MAX threads; what does not fit is counted
 *          in METRIC_LOG_LINES_LOST.
 * Fails:   log_writer_new: ERR_IO, ERR_MEMORY.  A write error loses the line.
 *
 * Also keeps the last LOG_RECENT_MAX lines of level warn and above, for `status`. */
#pragma once

#include "gateway/base/log.h"

#include <jansson.h>

struct log_writer;

enum { LOG_CHANNEL_EVENTS, LOG_CHANNEL_ACCESS, LOG_CHANNEL_COUNT };

/* fds by channel; -1: the channel is off. */
struct err log_writer_new(const int fds[LOG_CHANNEL_COUNT], struct log_writer **ret_writer);

/* Writes what is there, ends the thread. No thread may put any more.  A reader that has stopped
 * delays this by LOG_END_LIMIT_S at most; only the end of the process may follow then. */
void log_writer_free(struct log_writer *w);

/* line ends in '\n'. */
void log_writer_put(struct log_writer *w, int channel, struct str line);

/* Opens path again (after a rename by logrotate); OK for channels without a path. */
struct err log_writer_reopen(struct log_writer *w, int channel, const char *path);

/* A log_sink_fn for LOG_CHANNEL_EVENTS; arg is the writer. */
void log_writer_sink(void *arg, enum log_level level, struct str line);

/* The last warnings and errors, oldest first: [{"at", "line"}]; new reference. */
json_t *log_writer_recent(struct log_writer *w);
