#include "acme/wire.h"

#include "gateway/base/limits.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"

const char *wire_status_name(enum wire_status s)
{
    switch (s) {
    case WIRE_PENDING:
        return "pending";
    case WIRE_READY:
        return "ready";
    case WIRE_PROCESSING:
        return "processing";
    case WIRE_VALID:
        return "valid";
    case WIRE_INVALID:
        return "invalid";
    case WIRE_OVER:
        return "over";
    }
    return "";
}

static enum wire_status status_of(struct str word)
{
    for (enum wire_status s = WIRE_PENDING; s < WIRE_OVER; s++) {
        if (str_eq(word, str_from(wire_status_name(s))))
            return s;
    }
    return WIRE_OVER;
}

bool wire_is_url(struct str url)
{
    static const struct str scheme = STR_LIT("https://");
    if (url.len > ACME_URL_MAX_BYTES || url.len <= scheme.len ||
        !str_eq_nocase(str_sub(url, 0, scheme.len), scheme))
        return false;
    for (size_t i = 0; i < url.len; i++) {
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f || strchr("\"<>\\^`{|}", url.p[i]) != NULL)
            return false;
    }
    return url.p[scheme.len] != '/';
}

/* ---- reading ---- */

static struct err nonsense(void)
{
    return fail(ERR_ACME_PROTOCOL, 0);
}

static struct err read_object(struct str body, json_t **ret_doc)
{
    json_t *doc;
    if (failed(json_read(body, &doc)))
        return nonsense();
    if (!json_is_object(doc)) {
        json_decref(doc);
        return nonsense();
    }
    *ret_doc = doc;
    return OK;
}

static struct err keep(struct arena *a, struct str text, struct str *ret)
{
    *ret = arena_dup(a, text);
    return ret->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err need_url(struct arena *a, const json_t *value, struct str *ret)
{
    struct str url = json_str(value);
    return wire_is_url(url) ? keep(a, url, ret) : nonsense();
}

/* Absent and null are the same. */
static struct err want_url(struct arena *a, const json_t *value, struct str *ret)
{
    *ret = STR_NONE;
    return value == NULL || json_is_null(value) ? OK : need_url(a, value, ret);
}

static struct err need_status(const json_t *doc, enum wire_status *ret)
{
    struct str word;
    if (failed(json_need_str(doc, "status", &word)))
        return nonsense();
    *ret = status_of(word);
    return OK;
}

static struct err read_profiles(struct arena *a, const json_t *meta, struct str_list *ret)
{
    json_t *profiles = json_object_get(meta, "profiles");
    const char *name;
    json_t *value;
    *ret = (struct str_list){.count = 0};
    if (json_object_size(profiles) == 0)
        return OK;
    ret->items = arena_array(a, struct str, ACME_PROFILES_MAX);
    if (ret->items == NULL)
        return fail(ERR_MEMORY, 0);
    json_object_foreach(profiles, name, value)
    {
        if (ret->count == ACME_PROFILES_MAX)
            break;
        TRY(keep(a, str_from(name), &ret->items[ret->count++]));
    }
    return OK;
}

/* What is no text is left out: the list only serves pre-checks. */
static struct err read_issuers(struct arena *a, const json_t *meta, struct str_list *ret)
{
    const json_t *issuers = json_object_get(meta, "caaIdentities");
    *ret = (struct str_list){.items = arena_array(a, struct str, ACME_ISSUERS_MAX)};
    if (ret->items == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < json_array_size(issuers) && ret->count < ACME_ISSUERS_MAX; i++) {
        struct str name = json_str(json_array_get(issuers, i));
        if (name.len > 0)
            TRY(keep(a, name, &ret->items[ret->count++]));
    }
    return OK;
}

static struct err read_directory(struct arena *a, const json_t *doc, struct wire_directory *ret)
{
    TRY(need_url(a, json_object_get(doc, "newNonce"), &ret->new_nonce));
    TRY(need_url(a, json_object_get(doc, "newAccount"), &ret->new_account));
    TRY(need_url(a, json_object_get(doc, "newOrder"), &ret->new_order));
    /* A CA whose address for it is nonsense offers none: certificates matter more. */
    if (failed(want_url(a, json_object_get(doc, "renewalInfo"), &ret->renewal_info)))
        ret->renewal_info = STR_NONE;

    const json_t *meta = json_object_get(doc, "meta");
    /* The terms are for people to read: any text will do, we never fetch it. */
    struct str terms = json_str(json_object_get(meta, "termsOfService"));
    TRY(keep(a, problem_cut(terms, ACME_URL_MAX_BYTES), &ret->terms));
    ret->needs_eab = json_is_true(json_object_get(meta, "externalAccountRequired"));
    TRY(read_issuers(a, meta, &ret->issuers));
    return read_profiles(a, meta, &ret->profiles);
}

struct err wire_read_directory(struct arena *a, struct str body, struct wire_directory *ret)
{
    *ret = (struct wire_directory){.needs_eab = false};
    AUTO(json_decref) json_t *doc = NULL;
    TRY(read_object(body, &doc));
    return read_directory(a, doc, ret);
}

struct err wire_read_status(struct str body, enum wire_status *ret)
{
    AUTO(json_decref) json_t *doc = NULL;
    TRY(read_object(body, &doc));
    return need_status(doc, ret);
}

static struct err read_urls(struct arena *a, const json_t *array, struct str_list *ret)
{
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > ACME_AUTHZS_MAX)
        return nonsense();
    *ret = (struct str_list){.count = count};
    ret->items = arena_array(a, struct str, count + 1);
    if (ret->items == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < count; i++)
        TRY(need_url(a, json_array_get(array, i), &ret->items[i]));
    return OK;
}

static struct err read_order(struct arena *a, const json_t *doc, struct wire_order *ret)
{
    TRY(need_status(doc, &ret->status));
    TRY(read_urls(a, json_object_get(doc, "authorizations"), &ret->authorizations));
    TRY(need_url(a, json_object_get(doc, "finalize"), &ret->finalize));
    TRY(want_url(a, json_object_get(doc, "certificate"), &ret->certificate));
    if (ret->status == WIRE_VALID && ret->certificate.len == 0)
        return nonsense();
    if (failed(units_parse_time(json_str(json_object_get(doc, "expires")), &ret->expires_at)))
        ret->expires_at = 0;
    problem_from_json(a, json_object_get(doc, "error"), &ret->error);
    return OK;
}

struct err wire_read_order(struct arena *a, struct str body, struct wire_order *ret)
{
    *ret = (struct wire_order){.status = WIRE_OVER};
    AUTO(json_decref) json_t *doc = NULL;
    TRY(read_object(body, &doc));
    return read_order(a, doc, ret);
}

/* Challenges of other types, also of unknown ones, are for other clients. */
static const json_t *find_challenge(const json_t *challenges)
{
    for (size_t i = 0; i < json_array_size(challenges); i++) {
        const json_t *c = json_array_get(challenges, i);
        if (str_eq(json_str(json_object_get(c, "type")), STR("http-01")))
            return c;
    }
    return NULL;
}

static struct err read_challenge(struct arena *a, const json_t *doc, struct wire_authz *ret)
{
    TRY(need_url(a, json_object_get(doc, "url"), &ret->challenge_url));
    TRY(need_status(doc, &ret->challenge_status));
    TRY(keep(a, json_str(json_object_get(doc, "token")), &ret->token));
    problem_from_json(a, json_object_get(doc, "error"), &ret->error);
    return OK;
}

/* Lower case, without a final dot: as we keep names. */
static struct err keep_name(struct arena *a, struct str from, struct str *ret)
{
    if (from.len > 0 && from.p[from.len - 1] == '.')
        from.len--;
    char *to = arena_bytes(a, from.len);
    if (from.len == 0 || from.len > 253)
        return nonsense();
    if (to == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < from.len; i++)
        to[i] = chr_lower(from.p[i]);
    *ret = str_make(to, from.len);
    return OK;
}

static struct err read_authz(struct arena *a, const json_t *doc, struct wire_authz *ret)
{
    TRY(need_status(doc, &ret->status));
    const json_t *identifier = json_object_get(doc, "identifier");
    TRY(keep_name(a, json_str(json_object_get(identifier, "value")), &ret->name));
    const json_t *challenge = find_challenge(json_object_get(doc, "challenges"));
    return challenge == NULL ? OK : read_challenge(a, challenge, ret);
}

struct err wire_read_authz(struct arena *a, struct str body, struct wire_authz *ret)
{
    *ret = (struct wire_authz){.status = WIRE_OVER};
    AUTO(json_decref) json_t *doc = NULL;
    TRY(read_object(body, &doc));
    return read_authz(a, doc, ret);
}

static struct err read_renewal_info(struct arena *a, const json_t *doc,
                                    struct wire_renewal_info *ret)
{
    const json_t *window = json_object_get(doc, "suggestedWindow");
    if (failed(units_parse_time(json_str(json_object_get(window, "start")), &ret->start_at)) ||
        failed(units_parse_time(json_str(json_object_get(window, "end")), &ret->end_at)))
        return nonsense();
    if (ret->end_at <= ret->start_at || ret->start_at <= 0)
        return nonsense();
    /* For people only: what is no address is left out. */
    struct str page = json_str(json_object_get(doc, "explanationURL"));
    ret->explanation = STR_NONE;
    return wire_is_url(page) ? keep(a, page, &ret->explanation) : OK;
}

struct err wire_read_renewal_info(struct arena *a, struct str body,
                                  struct wire_renewal_info *ret)
{
    *ret = (struct wire_renewal_info){.start_at = 0};
    AUTO(json_decref) json_t *doc = NULL;
    TRY(read_object(body, &doc));
    return read_renewal_info(a, doc, ret);
}

/* ---- writing ---- */

/* Writes doc, unless building it ran out of memory on the way. */
static struct err write_built(const json_t *doc, bool is_complete, struct buf *out)
{
    return doc == NULL || !is_complete ? fail(ERR_MEMORY, 0) : json_write(doc, out);
}

static bool set(json_t *doc, const char *key, json_t *value)
{
    return json_object_set_new(doc, key, value) == 0;
}

static json_t *make_list(const struct str_list *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++)
        (void)json_array_append_new(list, json_from_str(texts->items[i]));
    if (json_array_size(list) == texts->count)
        return list;
    json_decref(list);
    return NULL;
}

struct err wire_write_new_account(const struct wire_new_account *account, struct buf *out)
{
    AUTO(json_decref) json_t *doc = json_object();
    bool is_complete = true;
    if (account->only_existing) {
        is_complete = set(doc, "onlyReturnExisting", json_true());
        return write_built(doc, is_complete, out);
    }
    if (account->agrees_to_terms)
        is_complete = set(doc, "termsOfServiceAgreed", json_true());
    if (account->contact->count > 0)
        is_complete = set(doc, "contact", make_list(account->contact)) && is_complete;
    if (account->eab.len > 0) {
        json_t *eab = NULL;
        TRY(json_read(account->eab, &eab));
        is_complete = set(doc, "externalAccountBinding", eab) && is_complete;
    }
    return write_built(doc, is_complete, out);
}

struct err wire_write_contact(const struct str_list *contact, struct buf *out)
{
    AUTO(json_decref) json_t *doc = json_object();
    return write_built(doc, set(doc, "contact", make_list(contact)), out);
}

static json_t *make_identifier(struct str name)
{
    json_t *identifier = json_object();
    if (set(identifier, "type", json_string("dns")) &&
        set(identifier, "value", json_from_str(name)))
        return identifier;
    json_decref(identifier);
    return NULL;
}

struct err wire_write_new_order(const struct wire_new_order *order, struct buf *out)
{
    const struct str_list *names = order->names;
    AUTO(json_decref) json_t *doc = json_object();
    json_t *identifiers = json_array();
    for (size_t i = 0; i < names->count; i++)
        (void)json_array_append_new(identifiers, make_identifier(names->items[i]));
    bool is_complete = json_array_size(identifiers) == names->count;
    is_complete = set(doc, "identifiers", identifiers) && is_complete;
    if (order->profile.len > 0)
        is_complete = set(doc, "profile", json_from_str(order->profile)) && is_complete;
    if (order->replaces.len > 0)
        is_complete = set(doc, "replaces", json_from_str(order->replaces)) && is_complete;
    return write_built(doc, is_complete, out);
}

struct err wire_write_finalize(struct str csr_der, struct buf *out)
{
    struct buf text;
    buf_init(&text, ACME_BODY_MAX_BYTES);
    AUTO(json_decref) json_t *doc = json_object();
    struct err e = text_base64url(&text, csr_der);
    if (!failed(e))
        e = write_built(doc, set(doc, "csr", json_from_str(buf_view(&text))), out);
    buf_fini(&text);
    return e;
}
