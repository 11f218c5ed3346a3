/* http_fields.c - names to numbers, then the list: add, find, remove, strip. */
#include "gateway/http/http_fields.h"

#include "gateway/base/limits.h"

enum { HOP = 1, FRAMING = 2, FORWARD = 4, HEAD = 8 };

enum { FIRST_ROOM = 16, NAME_MAX_BYTES = 19 };

static const struct {
    struct str name;
    uint8_t flags;
} rows[HTTP_FIELD_COUNT] = {
#define HTTP_FIELD(id, field_name, field_flags)                                                \
    [HTTP_FIELD_##id] = {.name = STR_LIT(field_name), .flags = (field_flags)},
#define HTTP_FIELD_LENGTH(bytes, first, last)
#include "gateway/http/http_field_names.def"
#undef HTTP_FIELD_LENGTH
#undef HTTP_FIELD
};

/* By length of name: its rows; {0, 0} (HTTP_FIELD_OTHER) if there are none. */
static const struct {
    uint8_t first;
    uint8_t last;
} of_length[] = {
#define HTTP_FIELD(id, name, flags)
#define HTTP_FIELD_LENGTH(bytes, from, to)                                                     \
    [bytes] = {.first = HTTP_FIELD_##from, .last = HTTP_FIELD_##to},
#include "gateway/http/http_field_names.def"
#undef HTTP_FIELD_LENGTH
#undef HTTP_FIELD
};

#define HTTP_FIELD_LENGTH(bytes, first, last)
#define HTTP_FIELD(id, name, flags)                                                            \
    _Static_assert(sizeof(name) > 2 && sizeof(name) - 1 <= NAME_MAX_BYTES,                     \
                   "names of 2 bytes and more, and the longest is said");
#include "gateway/http/http_field_names.def"
#undef HTTP_FIELD_LENGTH
#undef HTTP_FIELD
_Static_assert(ARRAY_LEN(of_length) == NAME_MAX_BYTES + 1, "each length has its line");
_Static_assert(HTTP_FIELD_COUNT < UINT8_MAX, "ids fit a byte");

static inline uint64_t load8(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

static inline uint32_t load4(const char *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* Eight (or fewer) bytes at once: zero if they differ only in the case of letters.  A byte of a
 * known name that has bit 0x40 is a letter, and only there may bit 0x20 differ. */
static inline uint64_t differs(uint64_t name, uint64_t known)
{
    return (name ^ known) & ~((known & 0x4040404040404040) >> 1);
}

/* The last eight bytes of a name; all of it, some bytes twice, if there are fewer. */
static inline uint64_t load_end(const char *p, size_t len)
{
    if (len >= 8)
        return load8(p + len - 8);
    if (len >= 4)
        return load4(p) | (uint64_t)load4(p + len - 4) << 32;
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word = word << 8 | (unsigned char)p[i];
    return word;
}

/* What load_end has not seen. */
static inline bool begins_as(const char *name, const char *known, size_t len)
{
    uint64_t diff = 0;
    for (size_t i = 0; i + 8 < len; i += 8)
        diff |= differs(load8(name + i), load8(known + i));
    return diff == 0;
}

enum http_field_id http_field_id_of(struct str name)
{
    if (name.len >= ARRAY_LEN(of_length) || of_length[name.len].first == HTTP_FIELD_OTHER)
        return HTTP_FIELD_OTHER;
    uint64_t end = load_end(name.p, name.len);
    for (unsigned id = of_length[name.len].first; id <= of_length[name.len].last; id++) {
        const char *known = rows[id].name.p;
        if (differs(end, load_end(known, name.len)) == 0 && begins_as(name.p, known, name.len))
            return (enum http_field_id)id;
    }
    return HTTP_FIELD_OTHER;
}

bool http_field_is_hop_by_hop(enum http_field_id id)
{
    return (rows[id].flags & HOP) != 0;
}

bool http_field_is_framing(enum http_field_id id)
{
    return (rows[id].flags & FRAMING) != 0;
}

/* s begins with a name in lower case, where s may have '_' or '.' for '-'. */
static bool starts_as_alias(struct str s, struct str name)
{
    if (s.len < name.len)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = s.p[i] == '_' || s.p[i] == '.' ? '-' : chr_lower(s.p[i]);
        if (c != name.p[i])
            return false;
    }
    return true;
}

bool http_field_is_forwarding(struct str name)
{
    static const struct str forwarded = STR_LIT("forwarded");
    static const struct str real_ip = STR_LIT("x-real-ip");
    if (name.len == forwarded.len && starts_as_alias(name, forwarded))
        return true;
    if (name.len == real_ip.len && starts_as_alias(name, real_ip))
        return true;
    return starts_as_alias(name, STR("x-forwarded"));
}

bool http_field_is_trailer(const struct http_field *field)
{
    if (field->id != HTTP_FIELD_OTHER)
        return (rows[field->id].flags & (HOP | FRAMING | FORWARD | HEAD)) == 0;
    return !http_field_is_forwarding(field->name);
}

static struct err make_room(struct http_fields *f, struct arena *a)
{
    if (f->count >= HEAD_FIELDS_MAX)
        return fail(ERR_HEAD_TOO_LARGE, 0);
    size_t room = f->room == 0 ? FIRST_ROOM : f->room * 2;
    struct http_field *items = arena_table(a, struct http_field, room);
    if (items == NULL)
        return fail(ERR_MEMORY, 0);
    if (f->count > 0)
        memcpy(items, f->items, f->count * sizeof(*items));
    f->items = items;
    f->room = room;
    return OK;
}

static struct err add(struct http_fields *f, struct arena *a, const struct http_field *field)
{
    if (f->count == f->room || f->count >= HEAD_FIELDS_MAX)
        TRY(make_room(f, a));
    f->items[f->count++] = *field;
    return OK;
}

struct err http_fields_add(struct http_fields *f, struct arena *a, struct str name,
                           struct str value)
{
    struct http_field field = {.name = name, .value = value, .id = http_field_id_of(name)};
    return add(f, a, &field);
}

struct err http_fields_add_id(struct http_fields *f, struct arena *a, enum http_field_id id,
                              struct str value)
{
    struct http_field field = {.name = rows[id].name, .value = value, .id = id};
    return add(f, a, &field);
}

const struct http_field *http_fields_find(const struct http_fields *f, enum http_field_id id)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].id == id)
            return &f->items[i];
    }
    return NULL;
}

const struct http_field *http_fields_find_name(const struct http_fields *f, struct str name)
{
    enum http_field_id id = http_field_id_of(name);
    if (id != HTTP_FIELD_OTHER)
        return http_fields_find(f, id);
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].id == HTTP_FIELD_OTHER && str_eq_nocase(f->items[i].name, name))
            return &f->items[i];
    }
    return NULL;
}

size_t http_fields_count(const struct http_fields *f, enum http_field_id id)
{
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++)
        count += f->items[i].id == id;
    return count;
}

size_t http_fields_remove(struct http_fields *f, enum http_field_id id)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].id != id)
            f->items[kept++] = f->items[i];
    }
    size_t removed = f->count - kept;
    f->count = kept;
    return removed;
}

size_t http_fields_remove_name(struct http_fields *f, struct str name)
{
    enum http_field_id id = http_field_id_of(name);
    if (id != HTTP_FIELD_OTHER)
        return http_fields_remove(f, id);
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (f->items[i].id != HTTP_FIELD_OTHER || !str_eq_nocase(f->items[i].name, name))
            f->items[kept++] = f->items[i];
    }
    size_t removed = f->count - kept;
    f->count = kept;
    return removed;
}

/* Drops the fields with the names of a Connection value, unless we know them to be
 * end-to-end. */
static void remove_named(struct http_fields *f, struct str list)
{
    struct str item;
    while (str_next(&list, ',', &item)) {
        struct str name = str_trim(item);
        if (http_field_id_of(name) == HTTP_FIELD_OTHER && !http_field_is_forwarding(name))
            (void)http_fields_remove_name(f, name);
    }
}

/* Trailers are passed on, so a target that speaks HTTP/2 may be told of a client that takes
 * them: gRPC's servers insist on it (RFC 9113 8.2.2). */
static bool is_te_trailers(const struct http_field *field)
{
    return field->id == HTTP_FIELD_TE && str_eq_nocase(field->value, STR("trailers"));
}

static void keep_end_to_end(const struct http_fields *from, struct http_fields *to,
                            bool is_request)
{
    /* Values are views of the arena: they outlive the items that are moved here. */
    struct str named[HEAD_FIELDS_MAX];
    size_t named_count = 0;
    size_t count = from->count;
    to->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct http_field *field = &from->items[i];
        if (field->id == HTTP_FIELD_CONNECTION)
            named[named_count++] = field->value;
        if (!http_field_is_hop_by_hop(field->id) || (is_request && is_te_trailers(field)))
            to->items[to->count++] = *field;
    }
    for (size_t i = 0; i < named_count; i++)
        remove_named(to, named[i]);
}

void http_fields_strip_hop_by_hop(struct http_fields *f)
{
    keep_end_to_end(f, f, false);
}

struct err http_fields_end_to_end(struct arena *a, struct http_fields *f)
{
    struct http_fields kept = {.room = f->count + HTTP_FIELDS_SPARE};
    kept.items = arena_table(a, struct http_field, kept.room);
    if (kept.items == NULL)
        return fail(ERR_MEMORY, 0);
    keep_end_to_end(f, &kept, true);
    *f = kept;
    return OK;
}
