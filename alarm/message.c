#include "alarm/message.h"

#include "alarm/judge.h"

#include "gateway/base/limits.h"
#include "gateway/base/rand.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

static const char *event_name(enum message_event e)
{
    static const char *const names[] = {
        [MESSAGE_RAISED] = "alarm", [MESSAGE_RESOLVED] = "resolved", [MESSAGE_TEST] = "test"};
    return names[e];
}

/* ---- JSON ---- */

static const struct alarm_row test_row = {
    .words = STR_LIT("This is a test: alarms of certificates arrive here.")};

static json_t *describe(const struct message *m)
{
    const struct alarm_row *row = m->row != NULL ? m->row : &test_row;
    char id[33], at[UNITS_TIME_MAX];
    (void)snprintf(id, sizeof(id), "%016llx%016llx", (unsigned long long)rand_u64(),
                   (unsigned long long)rand_u64());
    units_format_time(m->at, at);
    AUTO(json_decref)
    json_t *doc =
        json_pack("{s:s, s:s, s:s, s:o, s:s}", "id", id, "event", event_name(m->event), "at",
                  at, "gateway", json_from_str(m->gateway), "version", GW_VERSION);
    AUTO(json_decref) json_t *what = alarm_row_to_json(row);
    if (doc == NULL || what == NULL || json_object_update(doc, what) != 0)
        return NULL;
    if (m->event != MESSAGE_TEST)
        return json_object_set_new(doc, "severity",
                                   json_string(judge_severity(row->kind, row->level))) != 0
                   ? NULL
                   : TAKE(doc);
    static const char *const absent[] = {"since", "changed", "level"};
    for (size_t i = 0; i < ARRAY_LEN(absent); i++)
        (void)json_object_del(doc, absent[i]);
    int bad = json_object_set_new(doc, "kind", json_string("test"));
    bad |= json_object_set_new(doc, "title", json_string("A test"));
    bad |= json_object_set_new(doc, "severity", json_string("info"));
    return bad != 0 ? NULL : TAKE(doc);
}

struct err message_json(const struct message *m, struct arena *a, struct str *ret_json)
{
    AUTO(json_decref) json_t *doc = describe(m);
    struct buf out;
    if (doc == NULL)
        return fail(ERR_MEMORY, 0);
    buf_init(&out, ALARM_TEXT_MAX_BYTES);
    struct err e = json_write(doc, &out);
    if (!failed(e)) {
        *ret_json = arena_dup(a, buf_view(&out));
        e = ret_json->p == NULL ? fail(ERR_MEMORY, 0) : OK;
    }
    buf_fini(&out);
    return e;
}

struct err message_sign(struct str key, struct str body, char ret_text[MESSAGE_SIGNATURE_MAX])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len;
    if (HMAC(EVP_sha256(), key.p, (int)key.len, (const unsigned char *)body.p, body.len, mac,
             &len) == NULL)
        return fail(ERR_CRYPTO, 0);
    int at = snprintf(ret_text, MESSAGE_SIGNATURE_MAX, "sha256=");
    for (unsigned i = 0; i < len; i++)
        at += snprintf(ret_text + at, 3, "%02x", mac[i]);
    return OK;
}

/* ---- mail ---- */

/* Printable ASCII of one line: everything else becomes "?". */
static struct str header_text(struct arena *a, struct str text)
{
    struct str from = str_sub(text, 0, MAIL_SUBJECT_MAX);
    char *to = arena_bytes(a, from.len + 1);
    if (to == NULL)
        return STR_NONE;
    for (size_t i = 0; i < from.len; i++)
        to[i] = from.p[i] >= ' ' && from.p[i] < 0x7f ? from.p[i] : '?';
    to[from.len] = '\0';
    return str_make(to, from.len);
}

struct mail_facts {
    struct str id, event, at, gateway, title, detail, certificate, since, severity;
    struct str names; /* joined by ", " */
};

static struct err read_facts(const json_t *doc, struct arena *a, struct mail_facts *f)
{
    const json_t *names = json_object_get(doc, "names");
    TRY(json_need_str(doc, "id", &f->id));
    TRY(json_need_str(doc, "event", &f->event));
    TRY(json_need_str(doc, "at", &f->at));
    TRY(json_need_str(doc, "gateway", &f->gateway));
    TRY(json_need_str(doc, "title", &f->title));
    TRY(json_need_str(doc, "detail", &f->detail));
    TRY(json_want_str(doc, "certificate", &f->certificate));
    TRY(json_want_str(doc, "since", &f->since));
    TRY(json_need_str(doc, "severity", &f->severity));
    f->names = STR("");
    for (size_t i = 0; i < json_array_size(names); i++) {
        f->names = arena_fmt(a, "%.*s%s%.*s", STR_ARG(f->names), i == 0 ? "" : ", ",
                             STR_ARG(json_str(json_array_get(names, i))));
        if (f->names.p == NULL)
            return fail(ERR_MEMORY, 0);
    }
    return OK;
}

static struct err write_line(struct buf *out, const char *label, struct str value)
{
    return value.len == 0 ? OK : buf_append_fmt(out, "%-13s%.*s\r\n", label, STR_ARG(value));
}

static struct err write_text(const struct mail_facts *f, struct buf *out)
{
    bool is_over = str_eq(f->event, STR("resolved"));
    TRY(buf_append_fmt(out, "%.*s%s\r\n\r\n%.*s\r\n\r\n", STR_ARG(f->title),
                       is_over ? ": this is over" : "", STR_ARG(f->detail)));
    TRY(write_line(out, "certificate", f->certificate));
    TRY(write_line(out, "names", f->names));
    TRY(write_line(out, "severity", f->severity));
    TRY(write_line(out, "since", f->since));
    TRY(write_line(out, "now", f->at));
    return write_line(out, "gateway", f->gateway);
}

/* Lines of 76 characters (RFC 2045 6.8). */
static struct err write_base64(struct str text, struct buf *out)
{
    struct buf encoded;
    buf_init(&encoded, (size_t)2 * ALARM_TEXT_MAX_BYTES);
    struct err e = text_base64(&encoded, text);
    struct str rest = buf_view(&encoded);
    while (!failed(e) && rest.len > 0) {
        e = buf_append_fmt(out, "%.*s\r\n", STR_ARG(str_sub(rest, 0, 76)));
        rest = str_skip(rest, 76);
    }
    buf_fini(&encoded);
    return e;
}

/* RFC 5322 3.3, in UTC. */
static struct err write_date(struct buf *out, struct str at)
{
    int64_t seconds;
    char date[UNITS_HTTP_DATE_MAX];
    TRY(units_parse_time(at, &seconds));
    units_format_http_date(seconds, date);
    return buf_append_fmt(out, "Date: %.25s +0000\r\n", date); /* without "GMT" */
}

static struct err write_header(const struct mail_facts *f, const struct alarm_email *to,
                               struct arena *a, struct buf *out)
{
    struct str about = f->names.len > 0 ? f->names : f->gateway;
    struct str subject =
        header_text(a, arena_fmt(a, "[gatehouse] %s%.*s: %.*s",
                                 str_eq(f->event, STR("resolved")) ? "resolved: " : "",
                                 STR_ARG(f->title), STR_ARG(about)));
    struct str id = header_text(a, f->id);
    struct str host, user;
    if (subject.p == NULL || id.p == NULL)
        return fail(ERR_MEMORY, 0);
    (void)str_split(to->from, '@', &user, &host);
    TRY(write_date(out, f->at));
    TRY(buf_append_fmt(out, "From: Gatehouse <%.*s>\r\n", STR_ARG(to->from)));
    for (size_t i = 0; i < to->to.count; i++)
        TRY(buf_append_fmt(out, "%s<%.*s>%s\r\n", i == 0 ? "To: " : " ",
                           STR_ARG(to->to.items[i]), i + 1 < to->to.count ? "," : ""));
    TRY(buf_append_fmt(out, "Subject: %.*s\r\n", STR_ARG(subject)));
    TRY(buf_append_fmt(out, "Message-ID: <%.*s@%.*s>\r\n", STR_ARG(id), STR_ARG(host)));
    return buf_append(out, STR("Auto-Submitted: auto-generated\r\n"
                               "MIME-Version: 1.0\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "Content-Transfer-Encoding: base64\r\n\r\n"));
}

static struct err write_mail(const struct mail_facts *f, const struct alarm_email *to,
                             struct arena *a, struct buf *out)
{
    struct buf text;
    TRY(write_header(f, to, a, out));
    buf_init(&text, ALARM_TEXT_MAX_BYTES);
    struct err e = write_text(f, &text);
    if (!failed(e))
        e = write_base64(buf_view(&text), out);
    buf_fini(&text);
    return e;
}

struct err message_mail(struct str json, const struct alarm_email *to, struct arena *a,
                        struct str *ret_mail)
{
    AUTO(json_decref) json_t *doc = NULL;
    struct mail_facts facts = {.names = STR_NONE};
    struct buf out;
    TRY(json_read(json, &doc));
    TRY(read_facts(doc, a, &facts));
    buf_init(&out, (size_t)4 * ALARM_TEXT_MAX_BYTES);
    struct err e = write_mail(&facts, to, a, &out);
    if (!failed(e)) {
        *ret_mail = arena_dup(a, buf_view(&out));
        e = ret_mail->p == NULL ? fail(ERR_MEMORY, 0) : OK;
    }
    buf_fini(&out);
    return e;
}
