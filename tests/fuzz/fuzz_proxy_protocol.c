/* Targets: proxy_protocol_read proxy_protocol_write_v2 */
#include "gateway/proxy_protocol.h"

#include "gateway/base/limits.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct proxy_endpoint *a, const struct proxy_endpoint *b)
{
    return memcmp(a->address, b->address, sizeof(a->address)) == 0 && a->port == b->port;
}

/* What was read can be said again, and is read as the same. */
static void write_again(const struct proxy_header *h)
{
    char text[PROXY_HEADER_WRITE_MAX_BYTES];
    struct proxy_header again;
    size_t len;
    struct str v2 = proxy_protocol_write_v2(h, text);
    if (failed(proxy_protocol_read(v2, &again, &len)) || len != v2.len ||
        again.has_addresses != h->has_addresses || again.is_datagram != h->is_datagram ||
        !is_same(&again.source, &h->source) || !is_same(&again.destination, &h->destination))
        abort();
}

/* However the bytes arrive, the answer is the same, and it is AGAIN until the last byte of a
 * good header is there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole = {.has_addresses = false};
    size_t len = 0;
    struct err e = proxy_protocol_read(str_make(data, size), &whole, &len);
    bool is_good = !failed(e);
    if (is_good && (len == 0 || len > size || len > PROXY_HEADER_MAX_BYTES))
        abort();
    if (is_good)
        write_again(&whole);
    for (size_t part = 0; part < size && part < PROXY_HEADER_MAX_BYTES + 64; part++) {
        struct proxy_header h = {.has_addresses = false};
        size_t used = 0;
        struct err p = proxy_protocol_read(str_make(data, part), &h, &used);
        if (is_good && part < len && !err_is(p, ERR_AGAIN))
            abort();
        if (is_good && part >= len &&
            (failed(p) || used != len || h.has_addresses != whole.has_addresses ||
             h.is_datagram != whole.is_datagram || !is_same(&h.source, &whole.source) ||
             !is_same(&h.destination, &whole.destination)))
            abort();
        /* Once refused, always refused. */
        if (failed(p) && !err_is(p, ERR_AGAIN) && !err_is(e, ERR_PROXY_HEADER))
            abort();
    }
    return 0;
}
