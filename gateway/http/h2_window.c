/* h2_window.c - how much a peer may send unasked: moderate at first, more by measured need. */
#include "gateway/http/h2_session.h"

#include "gateway/base/limits.h"

_Static_assert(H2_STREAMS_MAX *H2_WINDOW_BYTES + H2_GROWTH_MAX_BYTES <= H2_CONN_WINDOW_BYTES,
               "the windows of all streams fit into that of their connection: none waits for "
               "another");

static size_t take_growth(struct h2 *h, size_t wanted)
{
    size_t own_left = H2_GROWTH_MAX_BYTES - h->growth_bytes;
    size_t *common_left = &h->options.shared->growth_left;
    size_t bytes = wanted < own_left ? wanted : own_left;
    if (bytes > *common_left)
        bytes = *common_left;
    *common_left -= bytes;
    h->growth_bytes += bytes;
    return bytes;
}

void h2_window_end(struct h2 *h, struct h2_stream *s)
{
    h->growth_bytes -= s->growth_bytes;
    h->options.shared->growth_left += s->growth_bytes;
    s->growth_bytes = 0;
    if (h->trip.stream == s)
        h->trip.stream = NULL;
}

static size_t window_of(const struct h2_stream *s)
{
    return H2_WINDOW_BYTES + s->growth_bytes;
}

static void grow(struct h2 *h, struct h2_stream *s, size_t window_bytes)
{
    if (window_bytes > H2_WINDOW_MAX_BYTES)
        window_bytes = H2_WINDOW_MAX_BYTES;
    if (window_bytes <= window_of(s))
        return;
    s->growth_bytes += take_growth(h, window_bytes - window_of(s));
    (void)nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, s->id,
                                                (int32_t)window_of(s));
    if (h->learned_bytes < window_of(s))
        h->learned_bytes = window_of(s);
}

/* A measurement takes a PING, so small bodies never cause one, and one that has shown that the
 * window suffices is followed by another only a window later. What one stream has taught is
 * true for the next: they go the same way. */
void h2_window_on_data(struct h2 *h, struct h2_stream *s, size_t len)
{
    if (h->trip.stream == s)
        h->trip.bytes += len;
    s->unmeasured_bytes += len;
    if (s->unmeasured_bytes < s->measure_at_bytes || window_of(s) >= H2_WINDOW_MAX_BYTES)
        return;
    if (window_of(s) < h->learned_bytes) {
        s->unmeasured_bytes = 0;
        grow(h, s, h->learned_bytes);
    } else if (h->trip.stream == NULL && h2_ping(h, H2_PING_TRIP)) {
        s->unmeasured_bytes = 0;
        h->trip.stream = s;
        h->trip.bytes = 0;
    }
}

/* Half a window in one round trip means that its sender waits for credit, or soon will: one
 * that begins slowly (RFC 5681) doubles its pace with each. */
void h2_window_on_trip(struct h2 *h)
{
    enum { FACTOR = 4 };
    struct h2_stream *s = TAKE(h->trip.stream);
    if (s == NULL || s->is_closed)
        return;
    bool is_needed = !s->is_paused && h->trip.bytes >= window_of(s) / 2;
    s->measure_at_bytes = is_needed ? H2_MEASURE_BYTES : window_of(s);
    if (is_needed)
        grow(h, s, FACTOR * window_of(s));
}
