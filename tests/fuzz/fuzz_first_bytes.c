/* Targets: first_bytes_tell stun_look
 *
 * It must hold: an answer other than MORE does not change with more bytes, FIRST_BYTES_MAX of
 * them always tell, and STUN is what the RFC says by the letter. */
#include "gateway/stream/first_bytes.h"
#include "gateway/stream/stun.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 8489 5, of a head that is there. */
static bool is_stun(const uint8_t *p)
{
    return p[0] < 4 && p[3] % 4 == 0 && p[4] == 0x21 && p[5] == 0x12 && p[6] == 0xa4 &&
           p[7] == 0x42;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum first_bytes before = FIRST_BYTES_MORE;
    enum stun_look look_before = STUN_LOOK_MORE;
    for (size_t part = 0; part <= size && part <= 2 * FIRST_BYTES_MAX; part++) {
        struct str bytes = str_make(data, part);
        enum first_bytes now = first_bytes_tell(bytes);
        enum stun_look look = stun_look(bytes);
        if (before != FIRST_BYTES_MORE && now != before)
            abort();
        if (look_before != STUN_LOOK_MORE && look != look_before)
            abort();
        if (part >= FIRST_BYTES_MAX && now == FIRST_BYTES_MORE)
            abort();
        if (part >= STUN_TELL_BYTES && look != (is_stun(data) ? STUN_LOOK_YES : STUN_LOOK_NO))
            abort();
        if ((look == STUN_LOOK_YES) != (now == FIRST_BYTES_STUN))
            abort();
        before = now;
        look_before = look;
    }
    return 0;
}
