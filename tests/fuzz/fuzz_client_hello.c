/* Targets: client_hello_read client_hello_next_protocol
 *
 * It must hold:
 *   a result other than ERR_AGAIN does not change with more bytes, and ERR_AGAIN before the
 *   last byte is all that is said of a good one;
 *   what is said lies within the bytes, or the room;
 *   a good message says the same in other records. */
#include "gateway/stream/client_hello.h"

#include <stdlib.h>

enum { PREFIXES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char room[CLIENT_HELLO_MAX_BYTES], other_room[CLIENT_HELLO_MAX_BYTES];

static bool is_within(struct str part, struct str whole)
{
    return part.p >= whole.p && part.p + part.len <= whole.p + whole.len;
}

static void check_views(struct str bytes, const struct client_hello *h)
{
    struct str space = str_make(room, sizeof(room)), rest = h->alpn, name;
    if (h->sni.len > 0 && !is_within(h->sni, bytes) && !is_within(h->sni, space))
        abort();
    if (h->alpn.len > 0 && !is_within(h->alpn, bytes) && !is_within(h->alpn, space))
        abort();
    while (client_hello_next_protocol(&rest, &name)) {
        if (name.len == 0 || !client_hello_offers(h, name))
            abort();
    }
    if (rest.len > 0)
        abort();
}

/* Where the first result other than ERR_AGAIN comes; more bytes than that change nothing. */
static void check_prefixes(struct str bytes, struct err whole)
{
    struct err before = fail(ERR_AGAIN, 0);
    for (size_t part = 0; part <= bytes.len && part <= PREFIXES_MAX; part++) {
        struct client_hello h;
        struct err e = client_hello_read(str_sub(bytes, 0, part), other_room, &h);
        if (!err_is(before, ERR_AGAIN) && e.kind != before.kind)
            abort();
        before = e;
    }
    if (!err_is(before, ERR_AGAIN) && before.kind != whole.kind)
        abort();
}

/* The same message in records of step bytes. */
static void check_cut(struct str bytes, size_t step, const struct client_hello *h)
{
    static char cut[CLIENT_HELLO_MAX_BYTES];
    size_t used = 0, left = 0, since = step;
    size_t message_bytes = 0, said = 0;
    while (bytes.len > 0) {
        if (left == 0) {
            left = (size_t)(unsigned char)bytes.p[3] << 8 | (unsigned char)bytes.p[4];
            bytes = str_skip(bytes, 5);
        }
        if (since == step) {
            if (used + 5 > sizeof(cut))
                return;
            memcpy(cut + used, "\x16\x03\x03", 3);
            cut[used + 3] = (char)(step >> 8);
            cut[used + 4] = (char)step;
            used += 5;
            since = 0;
        }
        if (used == sizeof(cut))
            return;
        if (message_bytes >= 1 && message_bytes <= 3)
            said = said << 8 | (unsigned char)bytes.p[0];
        cut[used++] = bytes.p[0];
        bytes = str_skip(bytes, 1);
        left--;
        since++;
        if (++message_bytes >= 4 && message_bytes == said + 4)
            break;
    }
    /* The last record is as long as what is left of the message. */
    cut[used - since - 2] = (char)(since >> 8);
    cut[used - since - 1] = (char)since;
    struct client_hello again;
    if (failed(client_hello_read(str_make(cut, used), other_room, &again)) ||
        !str_eq(again.sni, h->sni) || !str_eq(again.alpn, h->alpn))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_make(data, size);
    struct client_hello h;
    struct err e = client_hello_read(bytes, room, &h);
    check_prefixes(bytes, e);
    if (failed(e))
        return 0;
    check_views(bytes, &h);
    check_cut(bytes, 16384, &h);
    check_cut(bytes, 1 + size % 97, &h);
    return 0;
}
