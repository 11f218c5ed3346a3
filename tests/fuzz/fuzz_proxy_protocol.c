/* Targets: proxy_protocol_read */
#include "gateway/proxy_protocol.h"

#include "gateway/base/limits.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct proxy_endpoint *a, const struct proxy_endpoint *b)
{
    return memcmp(a->address, b->address, sizeof(a->address)) == 0 && a->port == b->port;
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
    for (size_t part = 0; part < size && part < PROXY_HEADER_MAX_BYTES + 64; part++) {
        struct proxy_header h = {.has_addresses = false};
        size_t used = 0;
        struct err p = proxy_protocol_read(str_make(data, part), &h, &used);
        if (is_good && part < len && !err_is(p, ERR_AGAIN))
            abort();
        if (is_good && part >= len &&
            (failed(p) || used != len || h.has_addresses != whole.has_addresses ||
             !is_same(&h.source, &whole.source) ||
             !is_same(&h.destination, &whole.destination)))
            abort();
        /* Once refused, always refused. */
        if (failed(p) && !err_is(p, ERR_AGAIN) && !err_is(e, ERR_PROXY_HEADER))
            abort();
    }
    return 0;
}
