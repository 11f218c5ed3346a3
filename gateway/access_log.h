/* access_log.h - one line per exchange.
 *
 * Purpose: who asked for what, what came of it, how long it took and who ended it.  People
 *          on a terminal get a short line, everything else JSON.
 * Thread:  any worker; lines go to a log_writer channel and never block.
 * Owns:    nothing.
 * Limits:  ACCESS_TEXT_MAX_BYTES for each text; longer request targets are cut.
 * Fails:   never; lost lines are counted by the writer. */
#pragma once

#include "gateway/log_writer.h"

#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct access_log;

/* Who ended the exchange. */
enum ended_by { ENDED_DONE, ENDED_BY_CLIENT, ENDED_BY_TARGET, ENDED_BY_GATEWAY };

struct access_line {
    struct str client;
    struct str method;
    struct str host;
    struct str path;
    const char *version; /* "1.1"; NULL: unknown */
    bool is_tls;
    unsigned status; /* 0: no answer was sent */
    uint64_t in_bytes;
    uint64_t out_bytes;
    uint64_t total_us;
    uint64_t connect_us;    /* 0: no target was asked */
    uint64_t first_byte_us; /* of the target's answer; 0: none */
    struct str route;
    struct str target;
    unsigned tries;
    struct err error; /* OK: ended as it should */
    enum ended_by ended_by;
    struct str request_id;
};

enum access_format { ACCESS_HUMAN, ACCESS_JSON };

/* channel: of the writer; NULL writer: access lines are off. */
struct access_log *access_log_new(struct log_writer *writer, int channel,
                                  enum access_format format);
void access_log_free(struct access_log *a);

bool access_log_is_on(const struct access_log *a);
void access_log_write(struct access_log *a, const struct access_line *line);
