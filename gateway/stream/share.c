/* share.c - names -> a ClientHello's share -> the share of any first bytes. */
#include "gateway/stream/share.h"

enum { NAME_ROOM = 256 };

/* ---- names ---- */

/* "*.example.org" stands for one label before it, as in routes. */
static enum share_rank rank_name(struct str pattern, struct str host)
{
    if (str_eq(pattern, STR("*")))
        return SHARE_RANK_ANY;
    if (host.len > 0 && str_eq(pattern, host))
        return SHARE_RANK_EXACT;
    struct str parent = str_skip(host, str_index(host, '.'));
    bool is_wild = str_starts(pattern, STR("*.")) && parent.len < host.len &&
                   str_eq(str_skip(pattern, 1), parent);
    return is_wild ? SHARE_RANK_WILDCARD : SHARE_RANK_NONE;
}

static enum share_rank rank_share(const struct share *s, struct str host)
{
    enum share_rank best = s->name_count == 0 ? SHARE_RANK_UNNAMED : SHARE_RANK_NONE;
    for (size_t i = 0; i < s->name_count; i++) {
        enum share_rank rank = rank_name(s->names[i], host);
        best = rank > best ? rank : best;
    }
    return best;
}

/* In lower case, without a dot at its end. */
static struct str normal_host(struct str sni, char text[NAME_ROOM])
{
    size_t len = sni.len < NAME_ROOM ? sni.len : 0;
    for (size_t i = 0; i < len; i++)
        text[i] = chr_lower(sni.p[i]);
    if (len > 0 && text[len - 1] == '.')
        len--;
    return str_make(text, len);
}

/* ---- a ClientHello's ---- */

/* How a share is to a client. */
enum fit { FIT_NONE, FIT_INSIDE, FIT_NAME, FIT_PROTOCOL };

/* Inside is only looked at for who offers no protocol. */
static enum fit fit_of(const struct share *s, const struct client_hello *hello)
{
    bool wants_inside = s->is_terminated && s->first_bytes != FIRST_BYTES_MORE;
    bool wants_raw = !s->is_terminated && s->first_bytes != FIRST_BYTES_MORE &&
                     s->first_bytes != FIRST_BYTES_TLS;
    if (wants_raw)
        return FIT_NONE;
    for (size_t i = 0; i < s->protocol_count; i++) {
        if (client_hello_offers(hello, s->protocols[i]))
            return FIT_PROTOCOL;
    }
    if (wants_inside)
        return hello->alpn.len == 0 ? FIT_INSIDE : FIT_NONE;
    bool is_any_protocol = s->protocol_count == 0;
    return is_any_protocol && (s->name_count > 0 || s->first_bytes == FIRST_BYTES_TLS)
               ? FIT_NAME
               : FIT_NONE;
}

/* What HTTP shall terminate, to look inside, is HTTP's for now. */
static const struct share *choose_by_hello(const struct share_set *set,
                                           const struct client_hello *hello)
{
    char text[NAME_ROOM];
    struct str host = normal_host(hello->sni, text);
    enum share_rank route = set->rank_route(set->arg, host), best_rank = SHARE_RANK_NONE;
    enum fit best_fit = FIT_NONE;
    const struct share *best = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct share *s = &set->items[i];
        enum share_rank rank = rank_share(s, host);
        enum fit fit = fit_of(s, hello);
        bool is_out =
            rank == SHARE_RANK_NONE || fit == FIT_NONE || (fit == FIT_NAME && rank < route);
        if (is_out || rank < best_rank || (rank == best_rank && fit <= best_fit))
            continue;
        best = s;
        best_rank = rank;
        best_fit = fit;
    }
    return best_fit == FIT_INSIDE ? NULL : best;
}

/* ---- any first bytes' ---- */

/* Without TLS there is no name, and none that could be asked for. */
static const struct share *choose_by_kind(const struct share_set *set, enum first_bytes kind)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct share *s = &set->items[i];
        if (!s->is_terminated && s->first_bytes == kind && s->name_count == 0)
            return s;
    }
    return NULL;
}

struct err share_choose(const struct share_set *set, struct str bytes,
                        char room[CLIENT_HELLO_MAX_BYTES], const struct share **ret_share)
{
    struct client_hello hello;
    switch (first_bytes_tell(bytes)) {
    case FIRST_BYTES_MORE:
        return fail(ERR_AGAIN, 0);
    case FIRST_BYTES_TLS:
        TRY(client_hello_read(bytes, room, &hello));
        *ret_share = choose_by_hello(set, &hello);
        return OK;
    case FIRST_BYTES_SSH:
        *ret_share = choose_by_kind(set, FIRST_BYTES_SSH);
        return OK;
    case FIRST_BYTES_STUN:
        *ret_share = choose_by_kind(set, FIRST_BYTES_STUN);
        return OK;
    case FIRST_BYTES_HTTP:
    case FIRST_BYTES_UNKNOWN:
        break;
    }
    *ret_share = NULL;
    return OK;
}

struct err share_choose_inside(const struct share_set *set, struct str sni, struct str bytes,
                               const struct share **ret_share)
{
    char text[NAME_ROOM];
    struct str host = normal_host(sni, text);
    enum first_bytes kind = first_bytes_tell(bytes);
    enum share_rank best_rank = SHARE_RANK_NONE;
    const struct share *best = NULL;
    if (kind == FIRST_BYTES_MORE)
        return fail(ERR_AGAIN, 0);
    for (size_t i = 0; i < set->count; i++) {
        const struct share *s = &set->items[i];
        enum share_rank rank = rank_share(s, host);
        if (!s->is_terminated || s->first_bytes != kind || rank <= best_rank)
            continue;
        best = s;
        best_rank = rank;
    }
    *ret_share = best;
    return OK;
}

const struct share *share_choose_silent(const struct share_set *set)
{
    return choose_by_kind(set, FIRST_BYTES_SSH);
}
