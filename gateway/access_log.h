/* access_log.h - one line per exchange.
 *
 * Purpose: who asked for what, what came of it, how long it took, and who ended it where.
 *          In three forms: a short one for people, JSON, and the "combined" form that Apache
 *          and nginx have made common.
 * Thread:  any worker; lines go to a log_writer channel and never block.
 * Owns:    nothing.
 * Limits:  ACCESS_TEXT_MAX_BYTES for each text; longer request targets are cut.
 * Fails:   never; lost lines are counted by the writer. */
#pragma once

#include "gateway/log_writer.h"
#include "store/route_live.h"

#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct access_log;

/* Where an exchange was when it ended before it was done. */
enum ended_in {
#define ENDED_IN(id, word, meaning) ENDED_IN_##id,
#include "gateway/ended_in.def"
#undef ENDED_IN
};

/* Empty texts are not known. */
struct access_line {
    struct str client;
    struct str method; /* empty: the head could not be read */
    struct str host;
    struct str path;
    const char *version; /* "1.1"; NULL: unknown */
    bool is_https;       /* as the client asked, which may have been a proxy */
    const char *tls;     /* "TLSv1.3", of the connection; NULL: plain */
    struct str referer;  /* these two only if access_log_has_fields */
    struct str user_agent;
    unsigned status; /* 0: no answer was sent */
    uint64_t in_bytes;
    uint64_t out_bytes;
    uint64_t total_us;
    /* The parts of it, one after the other; only if is_asked: */
    uint64_t wait_us;       /* until a target was asked */
    uint64_t connect_us;    /* from there until the request went out */
    uint64_t first_byte_us; /* from there until the target's answer began; 0: it never did */
    struct str route;
    struct str target;
    bool is_asked;          /* a target was */
    unsigned retries;       /* because one before had failed */
    struct err error;       /* OK: ended as it should */
    enum ended_by ended_by; /* unless ENDED_DONE, */
    enum ended_in ended_in; /* where */
    struct str request_id;
};

enum access_format { ACCESS_HUMAN, ACCESS_JSON, ACCESS_COMBINED };

/* channel: of the writer; NULL writer: access lines are off. */
struct access_log *access_log_new(struct log_writer *writer, int channel,
                                  enum access_format format);
void access_log_free(struct access_log *a);

bool access_log_is_on(const struct access_log *a);

/* True if the format shows fields of the request's head. */
bool access_log_has_fields(const struct access_log *a);

void access_log_write(struct access_log *a, const struct access_line *line);
