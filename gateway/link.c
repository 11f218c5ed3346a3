/* link.c - on_ready -> connect_done -> handshake -> read_and_feed; flush and read on in
 * `work`. */
#include "gateway/link.h"

#include "gateway/base/limits.h"

#include <errno.h>
#include <sys/socket.h>

static void on_ready(struct watch *w, uint32_t events);
static void on_flush(struct deferred *d);
static void on_read_on(struct deferred *d);
static bool can_read(const struct link *l);

struct err link_open(struct link *l, const struct link_options *o)
{
    *l = (struct link){0};
    l->priv.events = o->events;
    l->priv.loop = o->loop;
    l->priv.scratch = o->scratch;
    l->priv.watch = (struct watch){.on_ready = on_ready, .fd = -1};
    l->priv.flush_work.on_run = on_flush;
    l->priv.read_work.on_run = on_read_on;
    buf_init_pooled(&l->out, LINK_OUT_MAX_BYTES, o->bufs);
    buf_init(&l->priv.in, PLAIN_BYTES);
    transport_open(&l->transport, o->fd, o->scratch);
    struct err e = o->ssl == NULL ? OK : transport_start_tls(&l->transport, o->ssl);
    if (!failed(e))
        e = loop_watch(o->loop, &l->priv.watch, o->fd,
                       EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    if (failed(e)) {
        transport_close(&l->transport);
        return e;
    }
    l->priv.state = o->ssl != NULL ? LINK_HANDSHAKE : LINK_OPEN;
    return OK;
}

static void close_now(struct link *l)
{
    loop_forget(&l->priv.watch);
    loop_undefer(&l->priv.flush_work);
    loop_undefer(&l->priv.read_work);
    transport_close(&l->transport);
    codec_free(l->codec);
    codec_free(l->priv.next_codec);
    l->codec = NULL;
    l->priv.next_codec = NULL;
    buf_fini(&l->out);
    buf_fini(&l->priv.in);
    l->priv.state = LINK_CLOSED;
    l->priv.must_close = false;
}

void link_close(struct link *l)
{
    if (l->priv.state == LINK_CLOSED)
        return;
    if (l->priv.is_feeding)
        l->priv.must_close = true; /* the codec is still on the stack */
    else
        close_now(l);
}

/* All of out is with the kernel. */
static bool is_written(const struct link *l)
{
    return buf_len(&l->out) == 0 && transport_is_flushed(&l->transport);
}

bool link_is_flushed(const struct link *l)
{
    return is_written(l) && (l->codec == NULL || codec_is_flushed(l->codec));
}

bool link_has_sent_all(const struct link *l)
{
    return link_is_flushed(l) && link_is_sound(l);
}

bool link_is_sound(const struct link *l)
{
    return !link_is_closed(l) && !l->priv.is_output_over && !failed(l->priv.write_error);
}

bool link_is_silent(const struct link *l)
{
    return buf_len(&l->priv.in) == 0 && transport_is_silent(&l->transport);
}

void link_flush_soon(struct link *l)
{
    if (!link_is_closed(l))
        loop_defer(l->priv.loop, &l->priv.flush_work);
}

void link_flush_late(struct link *l)
{
    loop_undefer(&l->priv.flush_work);
    link_flush_soon(l);
}

void link_expect_silence(struct link *l)
{
    l->priv.is_silence_due = true;
}

void link_replace_codec(struct link *l, struct codec *codec)
{
    l->priv.next_codec = codec;
}

void link_read_soon(struct link *l)
{
    if (can_read(l))
        loop_defer_next(l->priv.loop, &l->priv.read_work);
}

void link_pause(struct link *l)
{
    l->priv.is_paused = true;
}

void link_resume(struct link *l)
{
    if (!l->priv.is_paused)
        return;
    l->priv.is_paused = false;
    link_read_soon(l);
}

void link_half_close(struct link *l)
{
    l->priv.is_half_closing = true;
    link_flush_soon(l);
}

void link_discard_input(struct link *l, uint64_t max_bytes)
{
    l->priv.discard_left = max_bytes;
    l->priv.is_discarding = true;
    l->priv.is_paused = false;
    l->priv.is_input_over = false;
    buf_clear(&l->priv.in);
    link_read_soon(l);
}

void link_cut(struct link *l)
{
    if (l->priv.state == LINK_CLOSED)
        return;
    transport_cut(&l->transport);
    link_close(l);
}

static void report(struct link *l, struct err e)
{
    l->priv.is_input_over = true;
    if (!link_is_closed(l))
        l->priv.events->on_error(l, e);
}

/* ---- reading ---- */

/* Offers bytes to the codec; what it does not take is kept, in order. */
static struct err feed(struct link *l, struct str bytes, bool is_from_in)
{
    size_t used = 0;
    if (l->priv.is_discarding && bytes.len > l->priv.discard_left)
        return fail(ERR_IO, 0);
    if (l->priv.is_discarding) {
        l->priv.discard_left -= bytes.len;
        return OK;
    }
    l->priv.is_feeding = true;
    struct err e = codec_feed(l->codec, bytes, &used);
    l->priv.is_feeding = false;
    if (l->priv.next_codec != NULL) {
        codec_free(l->codec);
        l->codec = TAKE(l->priv.next_codec);
    }
    if (codec_is_multiplexed(l->codec))
        link_flush_soon(l); /* whatever its peer is to be told now */
    if (l->priv.must_close) {
        close_now(l);
        return fail(ERR_CANCELLED, 0);
    }
    if (l->priv.is_discarding) /* since now: `in` is empty already */
        return e;
    if (is_from_in) {
        buf_consume(&l->priv.in, used);
        buf_release(&l->priv.in);
    } else if (!failed(e)) {
        e = buf_append(&l->priv.in, str_skip(bytes, used));
    }
    return e;
}

static struct err feed_eof(struct link *l)
{
    l->priv.is_input_over = true;
    if (l->priv.is_discarding)
        return OK;
    l->priv.is_feeding = true;
    struct err e = codec_feed_eof(l->codec);
    l->priv.is_feeding = false;
    if (l->priv.must_close) {
        close_now(l);
        return fail(ERR_CANCELLED, 0);
    }
    return e;
}

/* One read at most. *ret_eof: the peer's direction has ended. ERR_AGAIN: wait. */
static struct err read_and_feed(struct link *l, bool *ret_eof)
{
    *ret_eof = false;
    if (buf_len(&l->priv.in) > 0) {
        size_t before = buf_len(&l->priv.in);
        TRY(feed(l, buf_view(&l->priv.in), true));
        /* What the codec leaves waits for an answer to be sent: reading more would not help. */
        if (buf_len(&l->priv.in) > 0 && buf_len(&l->priv.in) == before)
            return fail(ERR_AGAIN, 0);
        return OK;
    }
    size_t got;
    struct err e = transport_read(&l->transport, l->priv.scratch->plain, PLAIN_BYTES, &got);
    /* Part of a record, and then FIN: no edge will come for the end. */
    if (err_is(e, ERR_AGAIN))
        link_read_soon(l);
    TRY(e);
    if (got == 0) {
        *ret_eof = true;
        return feed_eof(l);
    }
    if (l->priv.is_silence_due)
        return fail(ERR_IO, EPROTO);
    l->received_bytes += got;
    return feed(l, str_make(l->priv.scratch->plain, got), false);
}

static bool can_read(const struct link *l)
{
    return !link_is_closed(l) && l->priv.state == LINK_OPEN && !l->priv.is_paused &&
           !l->priv.is_input_over &&
           (buf_len(&l->priv.in) > 0 || transport_may_read(&l->transport));
}

/* Bytes that the codec left wait for an answer of ours: behind them nothing is read. */
static bool can_read_socket(const struct link *l)
{
    return can_read(l) && buf_len(&l->priv.in) == 0;
}

static void read_some(struct link *l)
{
    bool is_eof;
    if (!can_read(l))
        return;
    struct err e = read_and_feed(l, &is_eof);
    if (err_is(e, ERR_CANCELLED))
        return;
    if (failed(e) && !err_is(e, ERR_AGAIN)) {
        report(l, e);
        return;
    }
    if (is_eof && !link_is_closed(l) && l->priv.is_output_over)
        report(l, l->priv.write_error);
    else if (is_eof && !link_is_closed(l))
        l->priv.events->on_eof(l);
    else if (!failed(e))
        link_read_soon(l); /* more in the next turn, if there is more */
}

static void on_read_on(struct deferred *d)
{
    read_some(container_of(d, struct link, priv.read_work));
}

/* ---- writing ---- */

/* A peer that stops reading may have said why before it did: an early answer is still read,
 * up to the end or error behind it. */
static void give_up_output(struct link *l, struct err e)
{
    l->priv.is_output_over = true;
    l->priv.write_error = e;
    buf_clear(&l->out);
    if (err_is(e, ERR_IO) && can_read_socket(l))
        link_read_soon(l);
    else
        report(l, e);
}

static void note_write(struct link *l)
{
    l->write_count++;
    l->priv.is_silence_due = false;
}

size_t link_pass(void *link, struct str bytes)
{
    struct link *l = link;
    size_t sent = 0;
    size_t queued = buf_len(&l->out);
    if (l->priv.state != LINK_OPEN || link_is_closed(l) || l->priv.is_output_over ||
        failed(l->priv.write_error) || (bytes.len > 0 && queued > BODY_PASS_QUEUE_BYTES))
        return 0;
    note_write(l);
    struct err e = transport_write(&l->transport, buf_view(&l->out), bytes, &sent);
    size_t from_out = sent < queued ? sent : queued;
    buf_consume(&l->out, from_out);
    if (failed(e) && !err_is(e, ERR_AGAIN)) {
        l->priv.write_error = e;
        link_flush_soon(l);
    }
    return sent - from_out;
}

/* Has the codec decide what goes next. */
static struct err fill(struct link *l)
{
    l->priv.is_feeding = true;
    struct err e = codec_fill(l->codec);
    l->priv.is_feeding = false;
    if (l->priv.must_close) {
        close_now(l);
        return fail(ERR_CANCELLED, 0);
    }
    return e;
}

static void flush(struct link *l)
{
    size_t sent = 0;
    if (l->priv.is_output_over) {
        buf_clear(&l->out);
        return;
    }
    struct err filled = fill(l);
    if (err_is(filled, ERR_CANCELLED))
        return;
    struct err e = l->priv.write_error;
    bool had_bytes = !is_written(l);
    if (had_bytes)
        note_write(l);
    bool is_last = l->priv.is_half_closing && codec_is_flushed(l->codec);
    if (had_bytes && !failed(e) && is_last)
        e = transport_write_last(&l->transport, buf_view(&l->out), &sent);
    else if (had_bytes && !failed(e))
        e = transport_write(&l->transport, buf_view(&l->out), STR_NONE, &sent);
    buf_consume(&l->out, sent);
    if (buf_len(&l->out) == 0)
        buf_release(&l->out);
    if (failed(e) && !err_is(e, ERR_AGAIN)) {
        give_up_output(l, e);
        return;
    }
    if (l->priv.is_half_closing && link_is_flushed(l)) {
        l->priv.is_half_closing = false;
        transport_shutdown(&l->transport);
    }
    if (sent > 0 && buf_len(&l->out) == 0 && codec_is_multiplexed(l->codec))
        loop_defer_next(l->priv.loop, &l->priv.flush_work); /* there may be more to decide */
    if (had_bytes && (sent > 0 || is_written(l)))
        l->priv.events->on_sent(l);
    if (failed(filled) && is_written(l) && !l->priv.is_input_over && !l->priv.is_discarding)
        report(l, filled); /* the peer has been told */
}

static void on_flush(struct deferred *d)
{
    struct link *l = container_of(d, struct link, priv.flush_work);
    if (l->priv.state == LINK_OPEN)
        flush(l);
}

/* ---- readiness ---- */

static struct err socket_error(struct link *l)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(transport_fd(&l->transport), SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    return error == 0 ? OK : fail(ERR_IO, error);
}

static void on_ready(struct watch *w, uint32_t events)
{
    struct link *l = container_of(w, struct link, priv.watch);
    transport_on_ready(&l->transport, events);
    if (l->priv.state != LINK_OPEN) {
        struct err e = transport_handshake(&l->transport);
        if (err_is(e, ERR_AGAIN))
            return;
        if (failed(e)) {
            report(l, e);
            return;
        }
        l->priv.state = LINK_OPEN;
        l->priv.events->on_open(l);
        if (link_is_closed(l))
            return;
    } else if ((events & EPOLLERR) != 0 && !can_read_socket(l)) {
        struct err e = socket_error(l); /* the connection was reset */
        if (failed(e)) {
            report(l, e);
            return;
        }
    }
    read_some(l);
    /* Answers queued by the reading leave with the rest at the end of the turn. */
    if (!link_is_closed(l) && (!link_is_flushed(l) || l->priv.is_half_closing))
        link_flush_soon(l);
}
