/* send.c - send_message -> set_up_webhook or set_up_mail -> set_limits -> perform -> result. */
#include "alarm/send.h"

#include "alarm/message.h"

#include "gateway/base/limits.h"

#include <curl/curl.h>
#include <stdio.h>

/* One message while it is under way. */
struct sending {
    const struct alarm_settings *settings;
    enum alarm_channel channel;
    const atomic_bool *is_stopping;
    struct arena *arena;
    CURL *easy;
    struct curl_slist *list; /* fields, or recipients */
    struct str mail;         /* what is left of it */
    size_t answered;
    char words[CURL_ERROR_SIZE];
};

/* ---- policy ---- */

bool send_is_wanted(const struct alarm_settings *s, enum alarm_channel channel)
{
    return channel == ALARM_WEBHOOK ? s->webhook.url.len > 0 : s->email.server.len > 0;
}

enum send_outcome send_judge_http(unsigned status)
{
    if (status >= 200 && status < 300)
        return SEND_DONE;
    return status == 408 || status == 425 || status == 429 || status >= 500 || status == 0
               ? SEND_LATER
               : SEND_REFUSED;
}

enum send_outcome send_judge_smtp(unsigned status)
{
    if (status >= 200 && status < 300)
        return SEND_DONE;
    return status >= 500 && status < 600 ? SEND_REFUSED : SEND_LATER;
}

uint64_t send_backoff_ms(unsigned failures)
{
    uint64_t ms = SEND_BACKOFF_MIN_MS;
    for (unsigned i = 1; i < failures && ms < SEND_BACKOFF_MAX_MS; i++)
        ms *= 2;
    return ms < SEND_BACKOFF_MAX_MS ? ms : SEND_BACKOFF_MAX_MS;
}

/* ---- libcurl's questions ---- */

static size_t on_answer(char *p, size_t size, size_t count, void *arg)
{
    struct sending *s = arg;
    (void)p;
    s->answered += size * count;
    return s->answered > SEND_ANSWER_MAX_BYTES ? 0 : size * count;
}

static size_t on_mail(char *p, size_t size, size_t count, void *arg)
{
    struct sending *s = arg;
    struct str part = str_sub(s->mail, 0, size * count);
    if (part.len > 0)
        memcpy(p, part.p, part.len);
    s->mail = str_skip(s->mail, part.len);
    return part.len;
}

static int on_progress(void *arg, curl_off_t dl_all, curl_off_t dl, curl_off_t ul_all,
                       curl_off_t ul)
{
    const struct sending *s = arg;
    (void)dl_all;
    (void)dl;
    (void)ul_all;
    (void)ul;
    return atomic_load(s->is_stopping) ? 1 : 0;
}

/* ---- setting up ---- */

/* libcurl copies line. */
static bool add(struct sending *s, const char *line)
{
    struct curl_slist *longer = line == NULL ? NULL : curl_slist_append(s->list, line);
    if (longer != NULL)
        s->list = longer;
    return longer != NULL;
}

static CURLcode set_trust(struct sending *s, struct str bundle)
{
    (void)curl_easy_setopt(s->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(s->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(s->easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (bundle.len == 0)
        return CURLE_OK;
    struct curl_blob blob = {.len = bundle.len, .flags = CURL_BLOB_COPY};
    memcpy(&blob.data, &bundle.p, sizeof(blob.data)); /* libcurl only reads it */
    (void)curl_easy_setopt(s->easy, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(s->easy, CURLOPT_CAINFO, NULL);
    return curl_easy_setopt(s->easy, CURLOPT_CAINFO_BLOB, &blob);
}

static CURLcode set_limits(struct sending *s, const char *protocols)
{
    (void)curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(s->easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(s->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(s->easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(s->easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(s->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)SEND_CONNECT_LIMIT_MS);
    (void)curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, (long)SEND_LIMIT_MS);
    (void)curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_answer);
    (void)curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
    (void)curl_easy_setopt(s->easy, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(s->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(s->easy, CURLOPT_XFERINFODATA, s);
    (void)curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, s->words);
    return curl_easy_setopt(s->easy, CURLOPT_PROTOCOLS_STR, protocols);
}

/* A terminated copy for libcurl. */
static const char *text(struct sending *s, struct str value)
{
    struct str copy = arena_dup(s->arena, value);
    return copy.p == NULL ? "" : copy.p;
}

static struct err set_up_webhook(struct sending *s, struct str json)
{
    const struct alarm_webhook *w = &s->settings->webhook;
    char signature[MESSAGE_SIGNATURE_MAX];
    bool ok = add(s, "Content-Type: application/json") && add(s, "Expect:");
    if (ok && w->hmac_key.len > 0) {
        TRY(message_sign(w->hmac_key, json, signature));
        ok = add(s, arena_fmt(s->arena, "X-Gatehouse-Signature: %s", signature).p);
    }
    CURLcode code = !ok ? CURLE_OUT_OF_MEMORY : set_limits(s, "http,https");
    if (code == CURLE_OK)
        code = curl_easy_setopt(s->easy, CURLOPT_URL, text(s, w->url));
    if (code == CURLE_OK)
        code = set_trust(s, w->ca_bundle);
    if (code == CURLE_OK)
        code = curl_easy_setopt(s->easy, CURLOPT_USERAGENT, "gatehouse/" GW_VERSION);
    (void)curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->list);
    (void)curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json.len);
    if (code == CURLE_OK)
        code = curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, json.p);
    return code == CURLE_OK ? OK : fail(ERR_MEMORY, 0);
}

static CURLcode set_login(struct sending *s, const struct alarm_email *m)
{
    if (m->user.len == 0)
        return CURLE_OK;
    /* libcurl's copy of the password is its own to free. */
    CURLcode code = curl_easy_setopt(s->easy, CURLOPT_USERNAME, text(s, m->user));
    return code == CURLE_OK ? curl_easy_setopt(s->easy, CURLOPT_PASSWORD, text(s, m->password))
                            : code;
}

static struct err set_up_mail(struct sending *s, struct str json)
{
    const struct alarm_email *m = &s->settings->email;
    TRY(message_mail(json, m, s->arena, &s->mail));
    bool ok = true;
    for (size_t i = 0; ok && i < m->to.count; i++)
        ok = add(s, text(s, arena_fmt(s->arena, "<%.*s>", STR_ARG(m->to.items[i]))));
    CURLcode code = !ok ? CURLE_OUT_OF_MEMORY : set_limits(s, "smtp,smtps");
    if (code == CURLE_OK)
        code = curl_easy_setopt(s->easy, CURLOPT_URL, text(s, m->server));
    if (code == CURLE_OK)
        code = set_trust(s, m->ca_bundle);
    (void)curl_easy_setopt(s->easy, CURLOPT_USE_SSL,
                           (long)(m->tls == ALARM_TLS_OFF ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    if (code == CURLE_OK)
        code = set_login(s, m);
    if (code == CURLE_OK)
        code = curl_easy_setopt(s->easy, CURLOPT_MAIL_FROM,
                                text(s, arena_fmt(s->arena, "<%.*s>", STR_ARG(m->from))));
    (void)curl_easy_setopt(s->easy, CURLOPT_MAIL_RCPT, s->list);
    (void)curl_easy_setopt(s->easy, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(s->easy, CURLOPT_READFUNCTION, on_mail);
    if (code == CURLE_OK)
        code = curl_easy_setopt(s->easy, CURLOPT_READDATA, s);
    return code == CURLE_OK ? OK : fail(ERR_MEMORY, 0);
}

/* ---- sending ---- */

/* libcurl quotes what servers say. */
static void say(struct send_result *r, const char *words)
{
    size_t i = 0;
    for (; words[i] != '\0' && i + 1 < sizeof(r->words); i++)
        r->words[i] = words[i] >= ' ' && words[i] < 0x7f ? words[i] : '?';
    r->words[i] = '\0';
}

static void judge(const struct sending *s, CURLcode code, struct send_result *r)
{
    long status = 0;
    (void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    r->status = status > 0 ? (unsigned)status : 0;
    bool is_http = s->channel == ALARM_WEBHOOK;
    /* An answer that is long is one all the same. */
    bool is_answer = code == CURLE_OK || (is_http && code == CURLE_WRITE_ERROR);
    if (is_answer)
        r->outcome = is_http ? send_judge_http(r->status) : SEND_DONE;
    else
        r->outcome = is_http ? SEND_LATER : send_judge_smtp(r->status);
    if (r->outcome == SEND_DONE || is_answer)
        (void)snprintf(r->words, sizeof(r->words), "%s %u%s", is_http ? "HTTP status" : "SMTP",
                       r->status,
                       is_http && r->status / 100 == 3 ? "; redirects are not followed" : "");
    else
        say(r, s->words[0] != '\0' ? s->words : curl_easy_strerror(code));
    /* A last reply of success is no success if the transfer then failed. */
    if (!is_answer && r->outcome == SEND_DONE)
        r->outcome = SEND_LATER;
}

static void run(struct sending *s, struct str json, struct send_result *r)
{
    struct err e = s->easy == NULL               ? fail(ERR_MEMORY, 0)
                   : s->channel == ALARM_WEBHOOK ? set_up_webhook(s, json)
                                                 : set_up_mail(s, json);
    if (failed(e))
        say(r, e.kind->text);
    else
        judge(s, curl_easy_perform(s->easy), r);
}

struct send_result send_message(const struct alarm_settings *settings,
                                enum alarm_channel channel, struct str json,
                                const atomic_bool *is_stopping)
{
    struct send_result r = {.outcome = SEND_LATER};
    if (!send_is_wanted(settings, channel)) {
        r.outcome = SEND_REFUSED;
        say(&r, "there is no receiver");
        return r;
    }
    struct sending s = {.settings = settings,
                        .channel = channel,
                        .is_stopping = is_stopping,
                        .arena = arena_new(16 * KIB, 16 * ALARM_TEXT_MAX_BYTES),
                        .easy = curl_easy_init()};
    if (s.arena != NULL)
        run(&s, json, &r);
    curl_easy_cleanup(s.easy);
    curl_slist_free_all(s.list);
    arena_free(s.arena);
    return r;
}
