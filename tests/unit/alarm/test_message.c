#include "alarm/message.h"
#include "tests/support/unit.h"

#include "gateway/base/text.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(64 * 1024, 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct alarm_row row(const char *words)
{
    return (struct alarm_row){.kind = ALARM_EXPIRING,
                              .subject = STR("shop"),
                              .level = STR("tenth"),
                              .names = STR("a.example\nb.example"),
                              .words = str_from(words),
                              .since_at = 1795456320,
                              .changed_at = 1795456380};
}

static struct str json_of(enum message_event event, const struct alarm_row *r)
{
    struct str json;
    assert_false(failed(message_json(
        &(struct message){
            .event = event, .row = r, .gateway = STR("gw.example"), .at = 1795456400},
        arena, &json)));
    return json;
}

static const char *text_of(const json_t *doc, const char *name)
{
    const char *text = json_string_value(json_object_get(doc, name));
    return text == NULL ? "" : text;
}

static void an_alarm_is_a_document(void **state)
{
    (void)state;
    struct alarm_row r = row("it ends");
    AUTO(json_decref) json_t *doc = NULL;
    assert_false(failed(json_read(json_of(MESSAGE_RAISED, &r), &doc)));
    static const struct {
        const char *name, *want;
    } rows[] = {{"event", "alarm"},
                {"kind", "expiring"},
                {"level", "tenth"},
                {"severity", "critical"},
                {"certificate", "shop"},
                {"detail", "it ends"},
                {"gateway", "gw.example"},
                {"since", "2026-11-23T17:52:00Z"},
                {"at", "2026-11-23T17:53:20Z"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(text_of(doc, rows[i].name), rows[i].want);
    assert_int_equal(json_array_size(json_object_get(doc, "names")), 2);
    assert_int_equal(strlen(text_of(doc, "id")), 32);
}

static void each_message_has_an_id_of_its_own(void **state)
{
    (void)state;
    struct alarm_row r = row("");
    AUTO(json_decref) json_t *a = NULL;
    AUTO(json_decref) json_t *b = NULL;
    assert_false(failed(json_read(json_of(MESSAGE_RESOLVED, &r), &a)));
    assert_false(failed(json_read(json_of(MESSAGE_RESOLVED, &r), &b)));
    assert_string_equal(text_of(a, "event"), "resolved");
    assert_string_not_equal(text_of(a, "id"), text_of(b, "id"));
}

/* RFC 4231, test case 2. */
static void the_signature_is_that_of_the_standard(void **state)
{
    (void)state;
    char text[MESSAGE_SIGNATURE_MAX];
    assert_false(failed(message_sign(STR("Jefe"), STR("what do ya want for nothing?"), text)));
    assert_string_equal(text, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b9"
                              "64ec3843");
}

/* ---- mail ---- */

static struct str mail_of(struct str json)
{
    static struct str to[] = {STR_LIT("ops@example.org"), STR_LIT("boss@example.org")};
    const struct alarm_email email = {.from = STR("gw@example.org"),
                                      .to = {.items = to, .count = 2}};
    struct str mail;
    assert_false(failed(message_mail(json, &email, arena, &mail)));
    return mail;
}

static struct str header_of(struct str mail)
{
    size_t end = (size_t)(strstr(mail.p, "\r\n\r\n") - mail.p);
    return str_sub(mail, 0, end + 2);
}

static struct str text_of_mail(struct str mail)
{
    struct buf out;
    struct str rest = str_skip(mail, header_of(mail).len + 2), line;
    struct str encoded = STR("");
    while (rest.len > 0 && str_next(&rest, '\n', &line))
        encoded = arena_fmt(arena, "%.*s%.*s", STR_ARG(encoded),
                            STR_ARG(str_sub(line, 0, line.len - (line.len > 0))));
    buf_init(&out, 1024 * 1024);
    assert_false(failed(text_unbase64(&out, encoded)));
    struct str text = arena_dup(arena, buf_view(&out));
    buf_fini(&out);
    return text;
}

static void a_mail_says_what_people_need(void **state)
{
    (void)state;
    struct alarm_row r = row("it ends soon");
    struct str mail = mail_of(json_of(MESSAGE_RAISED, &r));
    struct str header = header_of(mail), text = text_of_mail(mail);
    assert_non_null(strstr(header.p, "Date: Mon, 23 Nov 2026 17:53:20 +0000\r\n"));
    assert_non_null(strstr(header.p, "From: Gatehouse <gw@example.org>\r\n"));
    assert_non_null(strstr(header.p, "To: <ops@example.org>,\r\n <boss@example.org>\r\n"));
    assert_non_null(strstr(header.p, "Subject: [gatehouse] A certificate is near its end: "
                                     "a.example, b.example\r\n"));
    assert_non_null(strstr(text.p, "it ends soon\r\n"));
    assert_non_null(strstr(text.p, "certificate  shop\r\n"));
    mail = mail_of(json_of(MESSAGE_RESOLVED, &r));
    assert_non_null(strstr(mail.p, "Subject: [gatehouse] resolved: "));
    assert_non_null(strstr(mail_of(json_of(MESSAGE_TEST, NULL)).p, "] A test: gw.example"));
}

/* Whoever writes the words of an alarm cannot write headers, commands or lines. */
static void nothing_hostile_gets_into_the_header(void **state)
{
    (void)state;
    static const char *const hostile[] = {"x\r\nBcc: evil@example.org",
                                          "x\n.\nMAIL FROM:<evil@example.org>",
                                          "\xc3\xa4\x01\x7f", "=?utf-8?q?=0D=0ABcc:?="};
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct str words = str_from(hostile[i]);
        AUTO(json_decref) json_t *doc = NULL;
        struct alarm_row r = row(hostile[i]);
        assert_false(failed(json_read(json_of(MESSAGE_RAISED, &r), &doc)));
        static const char *const members[] = {"title", "gateway", "id", "detail",
                                              "certificate"};
        for (size_t k = 0; k < ARRAY_LEN(members); k++)
            assert_int_equal(json_object_set_new(doc, members[k], json_from_str(words)), 0);
        assert_int_equal(
            json_array_set_new(json_object_get(doc, "names"), 0, json_from_str(words)), 0);
        struct buf text;
        buf_init(&text, 65536);
        assert_false(failed(json_write(doc, &text)));
        struct str mail = mail_of(buf_view(&text));
        buf_fini(&text);
        struct str header = header_of(mail), line;
        size_t lines = 0;
        for (; header.len > 0 && str_next(&header, '\n', &line); lines++) {
            assert_false(str_starts(line, STR("Bcc")));
            for (size_t k = 0; k + 1 < line.len; k++)
                assert_in_range(line.p[k], ' ', 0x7e);
        }
        assert_int_equal(lines, 10);
        assert_non_null(strstr(text_of_mail(mail).p, hostile[i]));
    }
}

static void a_long_text_has_short_lines(void **state)
{
    (void)state;
    char words[3001];
    memset(words, '.', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    struct alarm_row r = row(words);
    struct str mail = mail_of(json_of(MESSAGE_RAISED, &r)), line;
    while (mail.len > 0 && str_next(&mail, '\n', &line)) {
        assert_true(line.len < 998);
        assert_false(str_eq(line, STR(".\r")));
    }
}

static void what_is_no_message_is_no_mail(void **state)
{
    (void)state;
    const struct alarm_email email = {.from = STR("a@b.org")};
    struct str mail;
    assert_true(err_is(message_mail(STR("{"), &email, arena, &mail), ERR_JSON));
    assert_true(err_is(message_mail(STR("{}"), &email, arena, &mail), ERR_JSON_FIELD));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_alarm_is_a_document, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_message_has_an_id_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_signature_is_that_of_the_standard, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_mail_says_what_people_need, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_hostile_gets_into_the_header, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_long_text_has_short_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_message_is_no_mail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
