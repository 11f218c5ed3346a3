/* h2_strict.h - what it takes to see what RFC 9113 forbids and libnghttp2 lets pass.
 *
 * Purpose: with RFC 7540's priorities turned off the library neither reads PRIORITY frames nor
 *          remembers closed streams, and says nothing of wrong ones.  The walk sees each frame
 *          as it is fed; the amnesty remembers who may not know yet that a stream is closed.
 * Thread:  any; pure.
 * Owns:    nothing.
 * Fails:   never. */
#pragma once

#include "gateway/base/str.h"

/* From the client's preface on, over pieces of any size. Zeroed: at the start. */
struct h2_walk {
    bool has_frame; /* the last step ended behind a head, which these tell of: */
    uint8_t type;
    int32_t id;
    int32_t depends_on; /* PRIORITY of the right length; else 0 */
    struct {
        size_t preface_bytes; /* seen */
        uint8_t head[14];     /* of a frame, and a PRIORITY's payload */
        size_t head_bytes;
        size_t payload_bytes; /* to come */
    } priv;
};

/* How many of bytes, of which there is one, lead behind the next frame's head; all if it does
 * not end here. */
size_t h2_walk_feed(struct h2_walk *w, struct str bytes);

/* Streams we have reset while their peer was still speaking: what comes for them is passed over
 * (RFC 9113 5.1, "closed"). Zeroed: none. */
struct h2_amnesty {
    int32_t ids[16]; /* a ring */
    unsigned next;
    int32_t forgotten_id; /* the highest that has left the ring: nobody up to it is blamed */
};

void h2_amnesty_add(struct h2_amnesty *a, int32_t id);
bool h2_amnesty_has(const struct h2_amnesty *a, int32_t id);
