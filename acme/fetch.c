/* fetch.c - the transport on libcurl: send_request -> set_up -> transfer -> keep_answer. */
#include "acme/fetch.h"

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>

struct curl_fetch {
    struct fetch fetch;
    CURLM *multi;
    atomic_bool is_cancelled;
    char *user_agent;
};

static void free_easy(CURL *easy)
{
    curl_easy_cleanup(easy);
}
AUTO_DEFINE(free_easy, CURL *)

static void free_fields(struct curl_slist *fields)
{
    curl_slist_free_all(fields);
}
AUTO_DEFINE(free_fields, struct curl_slist *)

/* One request while it is under way. */
struct transfer {
    struct arena *arena;
    struct fetch_reply *reply;
    struct buf body;
    size_t head_bytes;
    struct err err; /* what made a callback refuse more */
    char words[CURL_ERROR_SIZE];
};

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    t->err = buf_append(&t->body, str_make(p, size * count));
    return failed(t->err) ? 0 : size * count;
}

/* The place for a field we care for, or NULL. */
static struct str *find_place(struct fetch_reply *r, struct str name)
{
    /* HTTP/2 sends names in lower case, HTTP/1.1 in any. */
    if (str_eq_nocase(name, STR("Content-Type")))
        return &r->content_type;
    if (str_eq_nocase(name, STR("Location")))
        return &r->location;
    if (str_eq_nocase(name, STR("Replay-Nonce")))
        return &r->nonce;
    if (str_eq_nocase(name, STR("Retry-After")))
        return &r->retry_after;
    if (str_eq_nocase(name, STR("Date")))
        return &r->date;
    return NULL;
}

static struct err keep_field(struct transfer *t, struct str line)
{
    t->head_bytes += line.len;
    if (t->head_bytes > ACME_HEAD_MAX_BYTES)
        return fail(ERR_LIMIT, 0);
    if (str_starts(line, STR("HTTP/"))) {
        /* A new head: what an earlier one said (100 Continue, a redirect) no longer counts. */
        *t->reply = (struct fetch_reply){.status = 0};
        return OK;
    }
    struct str name, value;
    if (!str_split(line, ':', &name, &value))
        return OK;
    struct str *place = find_place(t->reply, name);
    if (place == NULL)
        return OK;
    while (value.len > 0 && (value.p[value.len - 1] == '\n' || value.p[value.len - 1] == '\r'))
        value.len--;
    *place = arena_dup(t->arena, str_trim(value));
    return place->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static size_t on_field(char *p, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    t->err = keep_field(t, str_make(p, size * count));
    return failed(t->err) ? 0 : size * count;
}

/* Appends to *fields; libcurl copies the text. */
static bool add_field(struct curl_slist **fields, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*fields, line);
    if (longer != NULL)
        *fields = longer;
    return longer != NULL;
}

static bool make_fields(const struct fetch_request *q, struct curl_slist **ret_fields)
{
    char accept[128] = "Accept: */*";
    if (q->accept.len > 0)
        (void)snprintf(accept, sizeof(accept), "Accept: %.*s", STR_ARG(q->accept));
    /* An empty value removes a field that libcurl would add; CAs answer 417 or 415 to
     * surprises. */
    return add_field(ret_fields, accept) && add_field(ret_fields, "Accept-Language: en") &&
           add_field(ret_fields, "Expect:") &&
           (q->method != FETCH_POST ||
            add_field(ret_fields, "Content-Type: application/jose+json"));
}

static CURLcode set_method(CURL *easy, const struct fetch_request *q)
{
    switch (q->method) {
    case FETCH_GET:
        (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        return curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)ACME_REDIRECTS_MAX);
    case FETCH_HEAD:
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    case FETCH_POST:
        (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
        return curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body.len > 0 ? q->body.p : "");
    }
    return CURLE_UNSUPPORTED_PROTOCOL;
}

/* A private CA replaces the system's list, it does not add to it. */
static CURLcode set_trust(CURL *easy, const struct fetch_request *q)
{
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (q->ca_bundle.len == 0)
        return CURLE_OK;
    struct curl_blob blob = {.len = q->ca_bundle.len, .flags = CURL_BLOB_COPY};
    memcpy(&blob.data, &q->ca_bundle.p, sizeof(blob.data)); /* libcurl only reads it */
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    return curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
}

static CURLcode set_limits(CURL *easy, const struct fetch_request *q)
{
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* no waiting for a hung resolver */
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)ACME_CONNECT_LIMIT_MS);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ACME_REQUEST_LIMIT_MS);
    return curl_easy_setopt(easy, CURLOPT_IPRESOLVE,
                            q->is_ipv4_only ? (long)CURL_IPRESOLVE_V4
                                            : (long)CURL_IPRESOLVE_WHATEVER);
}

static CURLcode set_up(CURL *easy, const char *user_agent, const struct fetch_request *q,
                       struct transfer *t)
{
    char *url = mem_dup(q->url.p, q->url.len);
    if (url == NULL)
        return CURLE_OUT_OF_MEMORY;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    mem_free(url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent);
    if (code == CURLE_OK)
        code = set_method(easy, q);
    if (code == CURLE_OK)
        code = set_trust(easy, q);
    if (code == CURLE_OK)
        code = set_limits(easy, q);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->words);
    return code;
}

/* Drives the one transfer to its end, or until fetch_cancel. */
static struct err transfer(struct curl_fetch *f, CURL *easy, CURLcode *ret_code)
{
    if (curl_multi_add_handle(f->multi, easy) != CURLM_OK)
        return fail(ERR_MEMORY, 0);
    struct err e = OK;
    int running = 1;
    while (!failed(e) && running > 0) {
        if (atomic_load(&f->is_cancelled))
            e = fail(ERR_CANCELLED, 0);
        else if (curl_multi_perform(f->multi, &running) != CURLM_OK)
            e = fail(ERR_MEMORY, 0);
        else if (running > 0)
            (void)curl_multi_poll(f->multi, NULL, 0, 1000, NULL);
    }
    int left;
    CURLMsg *message = curl_multi_info_read(f->multi, &left);
    *ret_code = message != NULL && message->msg == CURLMSG_DONE ? message->data.result
                                                                : CURLE_ABORTED_BY_CALLBACK;
    (void)curl_multi_remove_handle(f->multi, easy);
    return e;
}

/* libcurl quotes what servers say; the words end up in JSON, so only plain text stays. */
static struct str keep_words(struct arena *a, const char *words)
{
    struct str from = str_from(words);
    char *to = arena_bytes(a, from.len);
    if (to == NULL)
        return STR_NONE;
    for (size_t i = 0; i < from.len; i++)
        to[i] = from.p[i] >= ' ' && from.p[i] < 0x7f ? from.p[i] : '?';
    return str_make(to, from.len);
}

static struct err keep_answer(CURL *easy, CURLcode code, struct transfer *t)
{
    struct fetch_reply *reply = t->reply;
    if (err_is(t->err, ERR_LIMIT)) {
        reply->words = STR("the answer is larger than any sensible one");
        return fail(ERR_ACME_NETWORK, (int32_t)code);
    }
    TRY(t->err);
    if (code != CURLE_OK) {
        const char *words = t->words[0] != '\0' ? t->words : curl_easy_strerror(code);
        reply->words = keep_words(t->arena, words);
        return fail(ERR_ACME_NETWORK, (int32_t)code);
    }
    long status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (unsigned)status;
    reply->body = arena_dup(t->arena, buf_view(&t->body));
    return reply->body.p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err send_request(struct fetch *base, struct arena *a,
                               const struct fetch_request *q, struct fetch_reply *ret_reply)
{
    struct curl_fetch *f = container_of(base, struct curl_fetch, fetch);
    *ret_reply = (struct fetch_reply){.status = 0};
    AUTO(free_easy) CURL *easy = curl_easy_init();
    AUTO(free_fields) struct curl_slist *fields = NULL;
    struct transfer t = {.arena = a, .reply = ret_reply, .err = OK};
    if (easy == NULL || !make_fields(q, &fields) ||
        set_up(easy, f->user_agent, q, &t) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields) != CURLE_OK)
        return fail(ERR_MEMORY, 0);

    buf_init(&t.body, ACME_BODY_MAX_BYTES);
    CURLcode code;
    struct err e = transfer(f, easy, &code);
    if (!failed(e))
        e = keep_answer(easy, code, &t);
    buf_fini(&t.body);
    return e;
}

static struct err pause_for(struct fetch *base, uint64_t ms)
{
    struct curl_fetch *f = container_of(base, struct curl_fetch, fetch);
    uint64_t end_ms = clock_mono_ms() + ms;
    for (uint64_t now_ms; (now_ms = clock_mono_ms()) < end_ms;) {
        if (atomic_load(&f->is_cancelled))
            return fail(ERR_CANCELLED, 0);
        (void)curl_multi_poll(f->multi, NULL, 0, (int)(end_ms - now_ms), NULL);
    }
    return OK;
}

static void cancel(struct fetch *base)
{
    struct curl_fetch *f = container_of(base, struct curl_fetch, fetch);
    atomic_store(&f->is_cancelled, true);
    (void)curl_multi_wakeup(f->multi);
}

static void free_fetch(struct fetch *base)
{
    struct curl_fetch *f = container_of(base, struct curl_fetch, fetch);
    if (f->multi != NULL)
        (void)curl_multi_cleanup(f->multi);
    mem_free(f->user_agent);
    mem_free(f);
    curl_global_cleanup();
}

static const struct fetch_ops curl_ops = {
    .send = send_request,
    .pause = pause_for,
    .cancel = cancel,
    .free = free_fetch,
};

struct err fetch_new(const char *user_agent, struct fetch **ret_fetch)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fail(ERR_MEMORY, 0);
    struct curl_fetch *f = mem_new(struct curl_fetch);
    if (f == NULL) {
        curl_global_cleanup();
        return fail(ERR_MEMORY, 0);
    }
    f->fetch.ops = &curl_ops;
    AUTO(fetch_free) struct fetch *base = &f->fetch;
    f->user_agent = mem_dup(user_agent, strlen(user_agent));
    f->multi = curl_multi_init();
    if (f->user_agent == NULL || f->multi == NULL)
        return fail(ERR_MEMORY, 0);
    *ret_fetch = TAKE(base);
    return OK;
}
