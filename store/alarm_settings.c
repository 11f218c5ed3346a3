#include "store/alarm_settings.h"

#include "store/cert_pem.h"
#include "store/counted.h"
#include "store/model_check.h"
#include "store/model_parts.h"
#include "store/route_build.h"

#include "gateway/base/limits.h"

enum { ARENA_BYTES = 1024, ARENA_MAX_BYTES = 2 * 1024 * 1024 };

/* ---- texts ---- */

/* Printable ASCII without what could end an address, an angle bracket or a quoted word. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"<>\\^`{|}", s.p[i]) != NULL)
            return false;
    }
    return true;
}

/* The authority of a URL with one of the schemes; empty: it has another one. */
static struct str authority(struct str url, const char *const *schemes, struct str *ret_rest)
{
    for (; *schemes != NULL; schemes++) {
        struct str scheme = str_from(*schemes);
        if (!str_eq_nocase(str_sub(url, 0, scheme.len), scheme))
            continue;
        struct str rest = str_skip(url, scheme.len);
        size_t end = 0;
        while (end < rest.len && strchr("/?#", rest.p[end]) == NULL)
            end++;
        *ret_rest = str_skip(rest, end);
        return str_sub(rest, 0, end);
    }
    return STR_NONE;
}

static const char *check_webhook_url(struct arena *a, struct str *value)
{
    static const char *const schemes[] = {"https://", "http://", NULL};
    struct str rest, host = authority(*value, schemes, &rest);
    (void)a;
    if (str_is_empty(host) || !is_plain(*value))
        return "must be an https:// or http:// URL";
    if (str_index(host, '@') < host.len)
        return "must not hold a user and password: the URL is shown to whoever may read";
    return NULL;
}

static const char *check_server(struct arena *a, struct str *value)
{
    static const char *const schemes[] = {"smtps://", "smtp://", NULL};
    struct str rest, host = authority(*value, schemes, &rest);
    (void)a;
    if (str_is_empty(host) || !is_plain(*value) || str_index(host, '@') < host.len ||
        !(str_is_empty(rest) || str_eq(rest, STR("/"))))
        return "must be a mail server, such as \"smtp://mail.example.org:587\" or "
               "\"smtps://mail.example.org\"";
    return NULL;
}

/* As it goes into SMTP and into a header: nothing in it can begin another line, address or
 * parameter. */
static const char *check_address(struct arena *a, struct str *value)
{
    struct str user, domain;
    if (!str_split(*value, '@', &user, &domain) || str_is_empty(user) || user.len > 64 ||
        !is_plain(*value))
        return "must be one e-mail address, such as \"ops@example.org\"";
    for (size_t i = 0; i < user.len; i++) {
        if (strchr("(),:;[]", user.p[i]) != NULL)
            return "has a character before its \"@\" that needs quoting";
    }
    if (model_check_server_name(a, &domain) != NULL)
        return "has no valid domain after its \"@\"";
    *value = arena_fmt(a, "%.*s@%.*s", STR_ARG(user), STR_ARG(domain));
    return value->p == NULL ? "cannot be checked: there is not enough memory" : NULL;
}

/* A secret is any line of text. */
static const char *check_secret(struct arena *a, struct str *value)
{
    (void)a;
    for (size_t i = 0; i < value->len; i++) {
        if ((unsigned char)value->p[i] < ' ' || value->p[i] == 0x7f)
            return "must not hold control characters";
    }
    return value->len > 1024 ? "must not be longer than 1024 bytes" : NULL;
}

/* ---- fields ---- */

/* clang-format off */
static const char *const tls_names[] = {"required", "off", NULL};

static const struct shape webhook_shape[] = {
    {.name = "url", .kind = SHAPE_STR, .offset = offsetof(struct alarm_webhook, url),
     .is_required = true, .check = check_webhook_url, .max = 2048,
     .doc = "Where each alarm is sent to, by POST; redirects are not followed."},
    {.name = "hmac_key", .kind = SHAPE_SECRET,
     .offset = offsetof(struct alarm_webhook, hmac_key),
     .is_nullable = true, .check = check_secret,
     .doc = "What bodies are signed with (HMAC-SHA256); never shown again.  It stays until the "
            "URL changes."},
    {.name = "ca_bundle", .kind = SHAPE_STR,
     .offset = offsetof(struct alarm_webhook, ca_bundle),
     .is_nullable = true, .max = PEM_MAX_BYTES,
     .doc = "PEM certificates that verify the receiver; null: the system's."},
    {.name = NULL},
};

static const struct shape email_shape[] = {
    {.name = "server", .kind = SHAPE_STR, .offset = offsetof(struct alarm_email, server),
     .is_required = true, .check = check_server, .max = 512,
     .doc = "smtp://HOST:PORT, or smtps://HOST:PORT for TLS from the first byte."},
    {.name = "tls", .kind = SHAPE_ENUM, .offset = offsetof(struct alarm_email, tls),
     .standard = "\"required\"", .names = tls_names,
     .doc = "With smtp://: \"required\": nothing is sent before STARTTLS; \"off\": plain "
            "text."},
    {.name = "user", .kind = SHAPE_STR, .offset = offsetof(struct alarm_email, user),
     .is_nullable = true, .check = check_secret, .max = 256, .doc = "Whom to log in as."},
    {.name = "password", .kind = SHAPE_SECRET, .offset = offsetof(struct alarm_email, password),
     .is_nullable = true, .check = check_secret,
     .doc = "Never shown again.  It stays until server or user change."},
    {.name = "from", .kind = SHAPE_STR, .offset = offsetof(struct alarm_email, from),
     .is_required = true, .check = check_address, .max = 320, .doc = "Sender's address."},
    {.name = "to", .kind = SHAPE_STRS, .offset = offsetof(struct alarm_email, to),
     .is_required = true, .check = check_address, .min = 1, .max = ALARM_RECIPIENTS_MAX,
     .doc = "Recipients' addresses."},
    {.name = "ca_bundle", .kind = SHAPE_STR, .offset = offsetof(struct alarm_email, ca_bundle),
     .is_nullable = true, .max = PEM_MAX_BYTES,
     .doc = "PEM certificates that verify the server; null: the system's."},
    {.name = NULL},
};

const struct shape alarm_settings_shape[] = {
    {.name = "webhook", .kind = SHAPE_OBJECT,
     .offset = offsetof(struct alarm_settings, webhook),
     .is_nullable = true, .sub = webhook_shape,
     .doc = "A program that is told of alarms; null: none."},
    {.name = "email", .kind = SHAPE_OBJECT, .offset = offsetof(struct alarm_settings, email),
     .is_nullable = true, .sub = email_shape,
     .doc = "People who are told of alarms by e-mail; null: none."},
    {.name = NULL},
};
/* clang-format on */

/* ---- life ---- */

static void wipe(void *settings)
{
    struct alarm_settings *s = settings;
    secret_wipe(COUNTED_MUTABLE(char, s->webhook.hmac_key.p), s->webhook.hmac_key.len);
    secret_wipe(COUNTED_MUTABLE(char, s->email.password.p), s->email.password.len);
}

static struct alarm_settings *new_settings(void)
{
    struct arena *a = arena_new(ARENA_BYTES, ARENA_MAX_BYTES);
    struct alarm_settings *s = a == NULL ? NULL : arena_one(a, struct alarm_settings);
    if (s == NULL || !arena_on_reset(a, wipe, s)) {
        arena_free(a);
        return NULL;
    }
    s->arena = a;
    atomic_init(&s->refs, 1);
    return s;
}

const struct alarm_settings *alarm_settings_ref(const struct alarm_settings *s)
{
    counted_ref(&s->refs);
    return s;
}

void alarm_settings_unref(const struct alarm_settings *s)
{
    if (s != NULL && counted_unref(&s->refs))
        arena_free(s->arena);
}

json_t *alarm_settings_to_json(const struct alarm_settings *s)
{
    AUTO(json_decref) json_t *json = model_object_to_json(&s->object);
    AUTO(json_decref) json_t *fields = shape_write(alarm_settings_shape, s);
    if (json == NULL || fields == NULL || json_object_update(json, fields) != 0)
        return NULL;
    return TAKE(json);
}

/* ---- building ---- */

struct building {
    struct alarm_settings *settings;
    struct json_path *path;
    struct invalid *inv;
};

static void complain(struct building *b, struct str part, struct str field, const char *words)
{
    size_t mark = json_path_push(b->path, part);
    (void)json_path_push(b->path, field);
    invalid_add(b->inv, json_path_view(b->path), "%s", words);
    json_path_pop(b->path, mark);
}

static struct err check_bundle(struct building *b, struct str part, struct str pem)
{
    AUTO(cert_pem_free_list) STACK_OF(X509) *certs = NULL;
    struct err e = str_is_empty(pem) ? OK : cert_pem_read_list(pem, TRUST_MAX, &certs);
    if (!err_is(e, ERR_CERT_PARSE))
        return e;
    complain(b, part, STR("ca_bundle"),
             "must be PEM certificates (-----BEGIN CERTIFICATE-----) and nothing else");
    return OK;
}

static struct err keep(struct building *b, struct str *secret, struct str kept)
{
    *secret = arena_dup(b->settings->arena, kept);
    return secret->p == NULL ? fail(ERR_MEMORY, 0) : OK;
}

static struct err keep_secrets(struct building *b, const struct alarm_settings *kept)
{
    struct alarm_webhook *w = &b->settings->webhook;
    struct alarm_email *m = &b->settings->email;
    if (kept == NULL)
        return OK;
    if (str_is_empty(w->hmac_key) && w->url.len > 0 && str_eq(w->url, kept->webhook.url))
        TRY(keep(b, &w->hmac_key, kept->webhook.hmac_key));
    if (str_is_empty(m->password) && m->user.len > 0 && str_eq(m->user, kept->email.user) &&
        str_eq(m->server, kept->email.server))
        TRY(keep(b, &m->password, kept->email.password));
    return OK;
}

static void check_login(struct building *b)
{
    const struct alarm_email *m = &b->settings->email;
    bool is_plain_text =
        m->tls == ALARM_TLS_OFF && str_eq_nocase(str_sub(m->server, 0, 7), STR("smtp://"));
    if (str_is_empty(m->user) != str_is_empty(m->password))
        complain(b, STR("email"), str_is_empty(m->user) ? STR("user") : STR("password"),
                 "user and password are required together");
    else if (is_plain_text && m->password.len > 0)
        complain(b, STR("email"), STR("tls"),
                 "must be \"required\": a password is not sent in plain text");
}

struct err alarm_settings_build(const json_t *body, const struct alarm_settings *kept,
                                struct json_path *path, struct invalid *inv,
                                struct alarm_settings **ret_settings)
{
    AUTO(json_decref) json_t *fields = route_build_strip(body);
    AUTO(alarm_settings_drop) struct alarm_settings *s = new_settings();
    struct building b = {.settings = s, .path = path, .inv = inv};
    if (fields == NULL || s == NULL)
        return fail(ERR_MEMORY, 0);
    size_t before = inv->count;
    struct err e = shape_read(alarm_settings_shape, fields, s->arena, path, inv, s);
    if (failed(e) && !err_is(e, ERR_INVALID))
        return e;
    TRY(check_bundle(&b, STR("webhook"), s->webhook.ca_bundle));
    TRY(check_bundle(&b, STR("email"), s->email.ca_bundle));
    if (inv->count == before) {
        TRY(keep_secrets(&b, kept));
        check_login(&b);
    }
    if (inv->count > before)
        return fail(ERR_INVALID, 0);
    *ret_settings = TAKE(s);
    return OK;
}
