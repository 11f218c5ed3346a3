#include "acme/problem.h"

#include "acme/retry_after.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/units.h"

#include <stdio.h>

#define URN_PREFIX "urn:ietf:params:acme:error:"

const char *problem_class_name(enum problem_class c)
{
    switch (c) {
    case PROBLEM_SOON:
        return "soon";
    case PROBLEM_WAIT:
        return "wait";
    case PROBLEM_VALIDATION:
        return "validation";
    case PROBLEM_INPUT:
        return "input";
    case PROBLEM_HUMAN:
        return "human";
    }
    return "";
}

struct str problem_cut(struct str text, size_t max_bytes)
{
    if (text.len <= max_bytes)
        return text;
    text.len = max_bytes;
    while (text.len > 0 && ((unsigned char)text.p[text.len] & 0xc0) == 0x80)
        text.len--;
    return text;
}

static void put_text(json_t *doc, const char *key, struct str text)
{
    if (text.len > 0)
        (void)json_object_set_new(doc, key, json_from_str(text));
}

/* ---- reading ---- */

static struct str read_text(struct arena *a, const json_t *doc, const char *key)
{
    struct str text = json_str(json_object_get(doc, key));
    return text.len == 0 ? STR_NONE : arena_dup(a, problem_cut(text, ACME_WORDS_MAX_BYTES));
}

/* One entry with the members people need; NULL when out of memory. */
static json_t *copy_subproblem(const json_t *from)
{
    static const char *const members[] = {"type", "title", "detail"};
    json_t *to = json_object();
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        struct str text = json_str(json_object_get(from, members[i]));
        put_text(to, members[i], problem_cut(text, ACME_WORDS_MAX_BYTES));
    }
    const json_t *name = json_object_get(from, "identifier");
    struct str value = json_str(json_object_get(name, "value"));
    if (value.len > 0) {
        json_t *copy = json_object();
        put_text(copy, "type", problem_cut(json_str(json_object_get(name, "type")), 32));
        put_text(copy, "value", problem_cut(value, 255));
        (void)json_object_set_new(to, "identifier", copy);
    }
    return to;
}

/* JSON text in the arena; empty when out of memory. */
static struct str to_text(struct arena *a, const json_t *doc)
{
    struct buf out;
    buf_init(&out, 2 * ACME_BODY_MAX_BYTES);
    struct str text = STR_NONE;
    if (doc != NULL && !failed(json_write(doc, &out)))
        text = arena_dup(a, buf_view(&out));
    buf_fini(&out);
    return text.p == NULL ? STR_NONE : text;
}

static struct str read_subproblems(struct arena *a, const json_t *doc)
{
    const json_t *from = json_object_get(doc, "subproblems");
    if (json_array_size(from) == 0)
        return STR_NONE;
    AUTO(json_decref) json_t *to = json_array();
    for (size_t i = 0; i < json_array_size(from) && i < ACME_SUBPROBLEMS_MAX; i++)
        (void)json_array_append_new(to, copy_subproblem(json_array_get(from, i)));
    return to_text(a, to);
}

void problem_from_json(struct arena *a, const json_t *doc, struct problem *ret_problem)
{
    *ret_problem = (struct problem){
        .type = read_text(a, doc, "type"),
        .title = read_text(a, doc, "title"),
        .detail = read_text(a, doc, "detail"),
        .instance = read_text(a, doc, "instance"),
        .subproblems = read_subproblems(a, doc),
    };
    json_int_t status = json_integer_value(json_object_get(doc, "status"));
    ret_problem->status = status >= 100 && status <= 599 ? (unsigned)status : 0;
}

static bool ends_address(char c)
{
    return c <= ' ' || c >= 0x7f || strchr("\"'<>)]}", c) != NULL;
}

/* The first address of a page in the text; empty: none. */
static struct str find_page(struct str text)
{
    static const struct str scheme = STR_LIT("https://");
    const char *p = text.len == 0 ? NULL : memmem(text.p, text.len, scheme.p, scheme.len);
    if (p == NULL)
        return STR_NONE;
    struct str page = str_skip(text, (size_t)(p - text.p));
    size_t len = 0;
    while (len < page.len && !ends_address(page.p[len]))
        len++;
    /* The full stop of the sentence is none of the address. */
    while (len > 0 && strchr(".,;:", page.p[len - 1]) != NULL)
        len--;
    return len > scheme.len ? str_sub(page, 0, len) : STR_NONE;
}

void problem_read(struct arena *a, const struct fetch_reply *reply, struct problem *ret_problem)
{
    /* The type of the body is not asked for: CAs add parameters to it, or forget it, and what
     * parses as an object with the right members is a problem document. */
    AUTO(json_decref) json_t *doc = NULL;
    (void)json_read(reply->body, &doc);
    problem_from_json(a, doc, ret_problem);
    ret_problem->status = reply->status;

    static const struct retry_after_bounds bounds = {
        .standard_ms = 0, .min_ms = 1000, .max_ms = 7ull * 24 * 3600 * 1000};
    ret_problem->wait_ms = retry_after_ms(reply->retry_after, clock_now_at(), &bounds);

    if (ret_problem->instance.len == 0)
        ret_problem->instance = find_page(ret_problem->detail);
    if (ret_problem->detail.len == 0)
        ret_problem->detail =
            arena_fmt(a, "the CA answered with status %u and no explanation", reply->status);
    if (ret_problem->detail.p == NULL)
        ret_problem->detail = STR("the CA answered with an error and no explanation");
}

static json_t *make_subproblem(const struct named_problem *item)
{
    json_t *name = json_object();
    (void)json_object_set_new(name, "type", json_string("dns"));
    (void)json_object_set_new(name, "value", json_from_str(item->name));
    json_t *doc = json_object();
    (void)json_object_set_new(doc, "identifier", name);
    put_text(doc, "type", item->problem.type);
    put_text(doc, "title", item->problem.title);
    put_text(doc, "detail", item->problem.detail);
    return doc;
}

void problem_gather(struct arena *a, const struct named_problem *items, size_t count,
                    struct problem *ret_problem)
{
    AUTO(json_decref) json_t *list = json_array();
    for (size_t i = 0; i < count && i < ACME_SUBPROBLEMS_MAX; i++)
        (void)json_array_append_new(list, make_subproblem(&items[i]));
    *ret_problem = items[0].problem;
    ret_problem->subproblems = to_text(a, list);
}

void problem_set(struct problem *p, struct err e, struct str detail)
{
    *p = (struct problem){
        .kind = e.kind,
        .title = str_from(e.kind->text),
        .detail = detail.len > 0 ? detail : str_from(e.kind->text),
    };
}

/* ---- meaning ---- */

bool problem_is(const struct problem *p, const char *name)
{
    struct str prefix = STR(URN_PREFIX);
    return str_starts(p->type, prefix) && str_eq(str_skip(p->type, prefix.len), str_from(name));
}

static bool is_any(const struct problem *p, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (problem_is(p, names[i]))
            return true;
    }
    return false;
}

static bool needs_somebody(const struct problem *p)
{
    static const char *const names[] = {"userActionRequired", "agreementRequired",
                                        "externalAccountRequired", "unauthorized"};
    return is_any(p, names, ARRAY_LEN(names));
}

static bool is_our_input(const struct problem *p)
{
    static const char *const names[] = {"malformed",
                                        "badCSR",
                                        "badPublicKey",
                                        "rejectedIdentifier",
                                        "caa",
                                        "invalidContact",
                                        "unsupportedContact",
                                        "unsupportedIdentifier",
                                        "invalidProfile",
                                        "badSignatureAlgorithm"};
    return is_any(p, names, ARRAY_LEN(names));
}

static bool has_word(struct str text, const char *word)
{
    return text.len > 0 && memmem(text.p, text.len, word, strlen(word)) != NULL;
}

/* Let's Encrypt pauses names that fail for months: a rate limit without an end, with the
 * address of a page where the pause is lifted. */
static bool is_pause(const struct problem *p)
{
    return p->status == 429 && p->wait_ms == 0 && p->instance.len > 0 &&
           !has_word(p->detail, "retry after");
}

struct err problem_err(const struct problem *p)
{
    int32_t status = (int32_t)p->status;
    if (is_pause(p))
        return fail(ERR_ACME_PAUSED, status);
    if (problem_is(p, "badNonce"))
        return fail(ERR_ACME_BAD_NONCE, status);
    if (problem_is(p, "accountDoesNotExist"))
        return fail(ERR_ACME_NO_ACCOUNT, status);
    if (problem_is(p, "userActionRequired") || problem_is(p, "agreementRequired"))
        return fail(ERR_ACME_TOS, status);
    if (problem_is(p, "rateLimited") || p->status == 429 ||
        (p->status == 503 && p->wait_ms > 0))
        return fail(ERR_ACME_RATE_LIMITED, status);
    return fail(ERR_ACME_PROBLEM, status);
}

enum problem_class problem_classify(struct err e, const struct problem *p)
{
    if (err_is(e, ERR_ACME_RATE_LIMITED))
        return PROBLEM_WAIT;
    if (err_is(e, ERR_ACME_TOS) || err_is(e, ERR_ACME_SETTINGS) || err_is(e, ERR_ACME_PAUSED))
        return PROBLEM_HUMAN;
    if (is_our_input(p))
        return PROBLEM_INPUT;
    if (err_is(e, ERR_ACME_INVALID) || err_is(e, ERR_ACME_CERTIFICATE) ||
        err_is(e, ERR_ACME_PREFLIGHT))
        return PROBLEM_VALIDATION;
    return needs_somebody(p) ? PROBLEM_HUMAN : PROBLEM_SOON;
}

/* True if text holds name, or a domain above it that has a dot. */
static bool mentions(struct str text, struct str name)
{
    for (;;) {
        if (name.len > 0 && memmem(text.p, text.len, name.p, name.len) != NULL)
            return true;
        name = str_skip(name, str_index(name, '.') + 1);
        if (str_index(name, '.') >= name.len)
            return false;
    }
}

bool problem_is_about(const struct problem *p, const struct str_list *names)
{
    if (p->status == 503)
        return false;
    if (p->subproblems.len > 0 || has_word(p->detail, "exact set"))
        return true;
    for (size_t i = 0; i < names->count && p->detail.len > 0; i++) {
        if (mentions(p->detail, names->items[i]))
            return true;
    }
    return false;
}

/* ---- writing ---- */

/* Ours are named as the admin interface names them. */
static void put_type(json_t *doc, const struct problem *p)
{
    char ours[64];
    if (p->kind != NULL)
        (void)snprintf(ours, sizeof(ours), "urn:gatehouse:problem:%s", p->kind->name);
    if (p->type.len > 0)
        put_text(doc, "type", p->type);
    else
        put_text(doc, "type", p->kind != NULL ? str_from(ours) : STR("about:blank"));
}

static json_t *to_json(const struct problem *p, int64_t at, struct str url)
{
    char when[UNITS_TIME_MAX];
    units_format_time(at, when);
    json_t *doc = json_object();
    put_type(doc, p);
    put_text(doc, "title", p->title);
    put_text(doc, "detail", p->detail);
    if (p->status != 0)
        (void)json_object_set_new(doc, "status", json_integer(p->status));
    put_text(doc, "instance", p->instance);
    if (p->class != NULL)
        put_text(doc, "class", str_from(p->class));
    json_t *subproblems = NULL;
    if (p->subproblems.len > 0 && !failed(json_read(p->subproblems, &subproblems)))
        (void)json_object_set_new(doc, "subproblems", subproblems);
    put_text(doc, "url", url);
    put_text(doc, "at", str_from(when));
    return doc;
}

struct str problem_to_text(struct arena *a, const struct problem *p, int64_t at, struct str url)
{
    AUTO(json_decref) json_t *doc = to_json(p, at, url);
    return to_text(a, doc);
}
