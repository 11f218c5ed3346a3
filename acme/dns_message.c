/* dns_message.c - read_head -> read_record for each -> follow_aliases -> collect. */
#include "acme/dns_message.h"

#include "gateway/base/limits.h"

enum {
    HEAD_BYTES = 12,
    QUESTION_END_BYTES = 4, /* type and class */
    RECORD_FIXED_BYTES = 10,
    CLASS_IN = 1,
    NAME_TEXT_MAX = 253,
    LABEL_MAX = 63,
    POINTERS_MAX = 32, /* compression of one name; each one leads backwards */
};

struct reader {
    struct arena *arena;
    const unsigned char *bytes;
    size_t len;
    size_t at;
};

struct record {
    struct str owner;
    unsigned type;
    size_t data_at;
    size_t data_len;
};

static struct err malformed(void)
{
    return fail(ERR_SYNTAX, 0);
}

static unsigned u16_at(const struct reader *r, size_t at)
{
    return (unsigned)r->bytes[at] << 8 | r->bytes[at + 1];
}

/* ---- names ---- */

/* A label of what host names are made of, and a little more; in lower case. */
static struct err put_label(const unsigned char *label, size_t len,
                            char text[NAME_TEXT_MAX + 1], size_t *text_len)
{
    size_t need = len + (*text_len > 0 ? 1 : 0);
    if (*text_len + need > NAME_TEXT_MAX)
        return malformed();
    if (*text_len > 0)
        text[(*text_len)++] = '.';
    for (size_t i = 0; i < len; i++) {
        char c = (char)label[i];
        if (c <= ' ' || c >= 0x7f || c == '.' || c == '\\')
            return malformed();
        text[(*text_len)++] = chr_lower(c);
    }
    return OK;
}

/* RFC 1035 4.1.4.  A pointer leads before everything read of this name so far, so that no
 * circle exists. */
static struct err read_name(struct reader *r, size_t *at, struct str *ret_name)
{
    char text[NAME_TEXT_MAX + 1];
    size_t text_len = 0, here = *at, before = *at;
    bool has_jumped = false;
    for (unsigned pointers = 0;;) {
        if (here >= r->len)
            return malformed();
        unsigned len = r->bytes[here];
        if (len >= 0xc0) {
            if (here + 1 >= r->len || ++pointers > POINTERS_MAX)
                return malformed();
            size_t target = u16_at(r, here) & 0x3fff;
            if (target >= before)
                return malformed();
            if (!has_jumped)
                *at = here + 2;
            has_jumped = true;
            here = before = target;
            continue;
        }
        if (len > LABEL_MAX || here + 1 + len > r->len)
            return malformed();
        here += 1 + len;
        if (len == 0)
            break;
        TRY(put_label(r->bytes + here - len, len, text, &text_len));
    }
    if (!has_jumped)
        *at = here;
    *ret_name = arena_dup(r->arena, str_make(text, text_len));
    return ret_name->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* ---- head and records ---- */

/* The head and the question; c-ares has compared both with what was asked. */
static struct err read_head(struct reader *r, unsigned *ret_rcode, unsigned *ret_count)
{
    struct str asked;
    if (r->len < HEAD_BYTES)
        return malformed();
    unsigned flags = u16_at(r, 2);
    bool is_answer = (flags & 0x8000) != 0, is_cut = (flags & 0x0200) != 0;
    if (!is_answer || is_cut || u16_at(r, 4) != 1)
        return malformed();
    *ret_rcode = flags & 0x000f;
    *ret_count = u16_at(r, 6);
    r->at = HEAD_BYTES;
    TRY(read_name(r, &r->at, &asked));
    r->at += QUESTION_END_BYTES;
    return r->at > r->len ? malformed() : OK;
}

static struct err read_record(struct reader *r, struct record *ret)
{
    TRY(read_name(r, &r->at, &ret->owner));
    if (r->len - r->at < RECORD_FIXED_BYTES)
        return malformed();
    ret->type = u16_at(r, r->at) | (u16_at(r, r->at + 2) == CLASS_IN ? 0 : 0x10000);
    ret->data_len = u16_at(r, r->at + 8);
    ret->data_at = r->at + RECORD_FIXED_BYTES;
    r->at = ret->data_at + ret->data_len;
    return r->at > r->len ? malformed() : OK;
}

/* ---- what the records say ---- */

static struct err follow_aliases(struct reader *r, const struct record *records, size_t count,
                                 struct str name, struct str *ret_alias)
{
    struct str at = name;
    *ret_alias = STR_NONE;
    for (unsigned hops = 0;; hops++) {
        const struct record *alias = NULL;
        for (size_t i = 0; i < count && alias == NULL; i++) {
            if (records[i].type == DNS_CNAME && str_eq(records[i].owner, at))
                alias = &records[i];
        }
        if (alias == NULL)
            return OK;
        if (hops == DNS_ALIASES_MAX)
            return fail(ERR_LIMIT, 0);
        size_t data_at = alias->data_at;
        TRY(read_name(r, &data_at, &at));
        if (data_at != alias->data_at + alias->data_len)
            return malformed();
        *ret_alias = at;
    }
}

static struct err collect_address(const struct reader *r, const struct record *from,
                                  struct dns_answer *to)
{
    unsigned char *address = to->addresses[to->address_count++];
    size_t want = from->type == DNS_A ? 4 : IP_BYTES;
    if (from->data_len != want)
        return malformed();
    if (from->type == DNS_A)
        ip_map(r->bytes + from->data_at, address);
    else
        memcpy(address, r->bytes + from->data_at, IP_BYTES);
    return OK;
}

/* RFC 8659 4.1: flags, length of the tag, tag, value. */
static struct err collect_caa(const struct reader *r, const struct record *from,
                              struct dns_answer *to)
{
    const unsigned char *p = r->bytes + from->data_at;
    if (from->data_len < 2 || p[1] == 0 || (size_t)p[1] + 2 > from->data_len)
        return malformed();
    struct dns_caa *caa = &to->caas[to->caa_count++];
    caa->is_critical = (p[0] & 0x80) != 0;
    caa->tag = arena_dup(r->arena, str_make(p + 2, p[1]));
    caa->value = arena_dup(r->arena, str_make(p + 2 + p[1], from->data_len - 2 - p[1]));
    return caa->tag.p == NULL || caa->value.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err collect(const struct reader *r, const struct record *records, size_t count,
                          struct str owner, struct dns_answer *to, enum dns_type type)
{
    to->addresses = arena_alloc(r->arena, count + 1, sizeof(to->addresses[0]));
    to->caas = arena_array(r->arena, struct dns_caa, count + 1);
    if (to->addresses == NULL || to->caas == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < count; i++) {
        if (records[i].type != (unsigned)type || !str_eq(records[i].owner, owner))
            continue;
        TRY(type == DNS_CAA ? collect_caa(r, &records[i], to)
                            : collect_address(r, &records[i], to));
    }
    return OK;
}

struct err dns_message_read(struct arena *a, struct str message, struct str name,
                            enum dns_type type, struct dns_answer *ret_answer)
{
    struct reader r = {
        .arena = a, .bytes = (const unsigned char *)message.p, .len = message.len};
    struct dns_answer answer = {.rcode = 0};
    unsigned count;
    TRY(read_head(&r, &answer.rcode, &count));
    if (count > DNS_RECORDS_MAX)
        return fail(ERR_LIMIT, 0);
    struct record *records = arena_array(a, struct record, count + 1);
    if (records == NULL)
        return fail(ERR_MEMORY, 0);
    for (unsigned i = 0; i < count; i++)
        TRY(read_record(&r, &records[i]));
    TRY(follow_aliases(&r, records, count, name, &answer.alias));
    struct str owner = answer.alias.len > 0 ? answer.alias : name;
    TRY(collect(&r, records, count, owner, &answer, type));
    *ret_answer = answer;
    return OK;
}
