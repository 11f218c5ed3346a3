#include "gateway/http/h2_strict.h"

#include <nghttp2/nghttp2.h>

enum { FRAME_HEAD_BYTES = 9, PRIORITY_BYTES = 5 };

/* ---- the walk ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t skip_preface(struct h2_walk *w, size_t len)
{
    size_t n = least(len, NGHTTP2_CLIENT_MAGIC_LEN - w->priv.preface_bytes);
    w->priv.preface_bytes += n;
    return n;
}

static size_t skip_payload(struct h2_walk *w, size_t len)
{
    size_t n = least(len, w->priv.payload_bytes);
    w->priv.payload_bytes -= n;
    return n;
}

/* RFC 9113 4.1. */
static size_t payload_bytes(const uint8_t *head)
{
    return (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
}

static int32_t read_id(const uint8_t *p)
{
    return (
        int32_t)(((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]) &
                 0x7fffffff);
}

static bool is_priority(const struct h2_walk *w)
{
    return w->priv.head[3] == NGHTTP2_PRIORITY && payload_bytes(w->priv.head) == PRIORITY_BYTES;
}

/* With a PRIORITY's payload. */
static bool is_whole(const struct h2_walk *w)
{
    size_t wanted = FRAME_HEAD_BYTES;
    if (w->priv.head_bytes >= wanted && is_priority(w))
        wanted += PRIORITY_BYTES;
    return w->priv.head_bytes == wanted;
}

static void tell(struct h2_walk *w)
{
    const uint8_t *head = w->priv.head;
    w->has_frame = true;
    w->type = head[3];
    w->id = read_id(&head[5]);
    w->depends_on = is_priority(w) ? read_id(&head[FRAME_HEAD_BYTES]) : 0;
    w->priv.payload_bytes = payload_bytes(head) + FRAME_HEAD_BYTES - w->priv.head_bytes;
    w->priv.head_bytes = 0;
}

size_t h2_walk_feed(struct h2_walk *w, struct str bytes)
{
    size_t n = skip_preface(w, bytes.len);
    n += skip_payload(w, bytes.len - n);
    w->has_frame = false;
    while (n < bytes.len && !w->has_frame) {
        w->priv.head[w->priv.head_bytes++] = (uint8_t)bytes.p[n++];
        if (is_whole(w))
            tell(w);
    }
    return n;
}

/* ---- closed streams ---- */

void h2_amnesty_add(struct h2_amnesty *a, int32_t id)
{
    int32_t *slot = &a->ids[a->next++ % ARRAY_LEN(a->ids)];
    if (*slot > a->forgotten_id)
        a->forgotten_id = *slot;
    *slot = id;
}

bool h2_amnesty_has(const struct h2_amnesty *a, int32_t id)
{
    for (size_t i = 0; i < ARRAY_LEN(a->ids); i++) {
        if (a->ids[i] == id)
            return true;
    }
    return id <= a->forgotten_id;
}
