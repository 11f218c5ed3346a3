#include "gateway/http/websocket.h"

#include "gateway/base/rand.h"
#include "gateway/base/text.h"

#include <openssl/evp.h>

enum { KEY_BYTES = 16, TEXT_MAX_CHARS = 28 /* of a SHA-1 in base64 */ };

static struct err add_base64(struct arena *a, struct http_head *head, struct str name,
                             struct str bytes)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_CHARS);
    struct err e = text_base64(&text, bytes);
    struct str value = failed(e) ? STR_NONE : arena_dup(a, buf_view(&text));
    buf_fini(&text);
    if (value.p == NULL)
        return fail(ERR_MEMORY, 0);
    return http_fields_add(&head->fields, a, name, value);
}

struct err websocket_add_key(struct arena *a, struct http_head *request)
{
    char bytes[KEY_BYTES];
    rand_fill(bytes, sizeof(bytes));
    return add_base64(a, request, STR("Sec-WebSocket-Key"), str_make(bytes, sizeof(bytes)));
}

/* RFC 6455 4.2.2.  SHA-1 is no secret's guard here, but a proof that the key was read. */
struct err websocket_add_accept(struct arena *a, struct http_head *response, struct str key)
{
    const struct str parts[] = {key, STR("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")};
    struct str text = arena_join(a, parts, ARRAY_LEN(parts));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    if (text.p == NULL)
        return fail(ERR_MEMORY, 0);
    if (EVP_Digest(text.p, text.len, digest, &len, EVP_sha1(), NULL) != 1)
        return fail(ERR_CRYPTO, 0);
    return add_base64(a, response, STR("Sec-WebSocket-Accept"), str_make(digest, len));
}
