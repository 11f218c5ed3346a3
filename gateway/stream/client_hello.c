/* client_hello.c - records -> message -> extensions -> name and protocols. */
#include "gateway/stream/client_hello.h"

/* RFC 8446 5.1 */
enum { RECORD_HEAD_BYTES = 5, RECORD_MAX_BYTES = 1 << 14, RECORD_HANDSHAKE = 22 };
/* RFC 8446 4 */
enum { MESSAGE_HEAD_BYTES = 4, MESSAGE_CLIENT_HELLO = 1 };
/* RFC 8446 4.1.2 */
enum { VERSION_MAJOR = 3, VERSION_MINOR_MAX = 4, VERSION_AND_RANDOM_BYTES = 34 };
enum { SESSION_ID_MAX_BYTES = 32 };
enum { EXTENSION_SERVER_NAME = 0, EXTENSION_ALPN = 16, NAME_TYPE_HOST = 0 };
enum { NAME_MAX_BYTES = 255 };

static struct err refuse(void)
{
    return fail(ERR_CLIENT_HELLO, 0);
}

/* ---- bytes ---- */

/* Takes a number of 1 to 3 bytes off the front. */
static bool take_number(struct str *s, size_t width, size_t *ret_number)
{
    size_t number = 0;
    if (s->len < width)
        return false;
    for (size_t i = 0; i < width; i++)
        number = number << 8 | (unsigned char)s->p[i];
    *s = str_skip(*s, width);
    *ret_number = number;
    return true;
}

static bool take_bytes(struct str *s, size_t len, struct str *ret_bytes)
{
    if (s->len < len)
        return false;
    *ret_bytes = str_sub(*s, 0, len);
    *s = str_skip(*s, len);
    return true;
}

/* A vector behind its length (RFC 8446 3.4). */
static bool take_vector(struct str *s, size_t width, struct str *ret_bytes)
{
    size_t len;
    return take_number(s, width, &len) && take_bytes(s, len, ret_bytes);
}

/* ---- records ---- */

struct record {
    size_t len;       /* as its head says */
    struct str piece; /* what is there of it */
};

/* ERR_AGAIN: its head is not whole. */
static struct err take_record(struct str *bytes, bool is_first, struct record *ret_record)
{
    struct str s = *bytes;
    /* The minor version means nothing (RFC 8446 5.1), but nobody ever sent one above 4. */
    bool is_tls = (s.len < 1 || (unsigned char)s.p[0] == RECORD_HANDSHAKE) &&
                  (s.len < 2 || (unsigned char)s.p[1] == VERSION_MAJOR) &&
                  (s.len < 3 || (unsigned char)s.p[2] <= VERSION_MINOR_MAX);
    if (!is_tls)
        return fail(is_first ? ERR_NOT_TLS : ERR_CLIENT_HELLO, 0);
    s = str_skip(s, 3);
    if (!take_number(&s, 2, &ret_record->len))
        return fail(ERR_AGAIN, 0);
    if (ret_record->len == 0 || ret_record->len > RECORD_MAX_BYTES)
        return refuse();
    ret_record->piece = str_sub(s, 0, ret_record->len);
    *bytes = str_skip(s, ret_record->len);
    return OK;
}

/* A message in one record stays where it is. */
static struct str join(struct str message, struct str piece, char *room)
{
    if (message.len == 0)
        return piece;
    if (message.p != room)
        memcpy(room, message.p, message.len);
    if (piece.len > 0)
        memcpy(room + message.len, piece.p, piece.len);
    return str_make(room, message.len + piece.len);
}

/* ERR_AGAIN while the message does not say how long it is. */
static struct err read_size(struct str message, size_t *ret_size)
{
    size_t type, len;
    if (!take_number(&message, 1, &type))
        return fail(ERR_AGAIN, 0);
    if (type != MESSAGE_CLIENT_HELLO)
        return refuse();
    if (!take_number(&message, 3, &len))
        return fail(ERR_AGAIN, 0);
    if (len > CLIENT_HELLO_MAX_BYTES - RECORD_HEAD_BYTES - MESSAGE_HEAD_BYTES)
        return refuse();
    *ret_size = MESSAGE_HEAD_BYTES + len;
    return OK;
}

/* The message without its head.  It ends where a record ends: what follows may be under other
 * keys (RFC 8446 5.1), and is not ours to read. */
static struct err read_message(struct str bytes, char *room, struct str *ret_body)
{
    struct str message = STR_NONE;
    struct record r;
    for (bool is_first = true;; is_first = false) {
        TRY(take_record(&bytes, is_first, &r));
        size_t end = message.len + r.len, size;
        message = join(message, r.piece, room);
        struct err e = read_size(message, &size);
        if (!failed(e) && end > size)
            return refuse();
        if (!failed(e) && message.len == size)
            break;
        if ((failed(e) && !err_is(e, ERR_AGAIN)) || r.piece.len < r.len)
            return failed(e) ? e : fail(ERR_AGAIN, 0);
    }
    *ret_body = str_skip(message, MESSAGE_HEAD_BYTES);
    return OK;
}

/* ---- extensions ---- */

/* RFC 6066 3: a list that may hold one name of each type, of which there is one. */
static struct err read_server_name(struct str s, struct client_hello *hello)
{
    struct str list, name;
    size_t type;
    if (hello->sni.len > 0 || !take_vector(&s, 2, &list) || s.len > 0 ||
        !take_number(&list, 1, &type) || type != NAME_TYPE_HOST ||
        !take_vector(&list, 2, &name) || list.len > 0 || name.len == 0 ||
        name.len > NAME_MAX_BYTES)
        return refuse();
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] <= 0x20 || name.p[i] >= 0x7f)
            return refuse();
    }
    hello->sni = name;
    return OK;
}

/* RFC 7301 3.1: at least one name, none of them empty. */
static struct err read_alpn(struct str s, struct client_hello *hello)
{
    struct str list, name;
    if (hello->alpn.len > 0 || !take_vector(&s, 2, &list) || s.len > 0 || list.len == 0)
        return refuse();
    hello->alpn = list;
    while (list.len > 0) {
        if (!take_vector(&list, 1, &name) || name.len == 0)
            return refuse();
    }
    return OK;
}

static struct err read_extensions(struct str s, struct client_hello *hello)
{
    struct str content;
    size_t type;
    while (s.len > 0) {
        if (!take_number(&s, 2, &type) || !take_vector(&s, 2, &content))
            return refuse();
        if (type == EXTENSION_SERVER_NAME)
            TRY(read_server_name(content, hello));
        if (type == EXTENSION_ALPN)
            TRY(read_alpn(content, hello));
    }
    return OK;
}

/* RFC 8446 4.1.2; before TLS 1.3 a client might end it before the extensions (RFC 5246
 * 7.4.1.2). */
static struct err read_body(struct str s, struct client_hello *hello)
{
    struct str fixed, session_id, suites, compressions, extensions;
    if (!take_bytes(&s, VERSION_AND_RANDOM_BYTES, &fixed) || fixed.p[0] != VERSION_MAJOR ||
        !take_vector(&s, 1, &session_id) || session_id.len > SESSION_ID_MAX_BYTES ||
        !take_vector(&s, 2, &suites) || suites.len == 0 || suites.len % 2 != 0 ||
        !take_vector(&s, 1, &compressions) || compressions.len == 0)
        return refuse();
    if (s.len == 0)
        return OK;
    if (!take_vector(&s, 2, &extensions) || s.len > 0)
        return refuse();
    return read_extensions(extensions, hello);
}

/* ---- all ---- */

struct err client_hello_read(struct str bytes, char room[CLIENT_HELLO_MAX_BYTES],
                             struct client_hello *ret_hello)
{
    struct client_hello hello = {.sni = STR_NONE};
    struct str body;
    struct err e = read_message(str_sub(bytes, 0, CLIENT_HELLO_MAX_BYTES), room, &body);
    if (err_is(e, ERR_AGAIN) && bytes.len >= CLIENT_HELLO_MAX_BYTES)
        return refuse();
    TRY(e);
    TRY(read_body(body, &hello));
    *ret_hello = hello;
    return OK;
}

bool client_hello_next_protocol(struct str *rest, struct str *ret_protocol)
{
    return take_vector(rest, 1, ret_protocol);
}

bool client_hello_offers(const struct client_hello *hello, struct str protocol)
{
    struct str rest = hello->alpn, offered;
    while (client_hello_next_protocol(&rest, &offered)) {
        if (str_eq(offered, protocol))
            return true;
    }
    return false;
}
