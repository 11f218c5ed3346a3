/* caa.c - caa_judge: find the level that decides -> refuse what is critical and unknown -> look
 * for one record that lets us in. */
#include "acme/caa.h"

/* What one "issue" value comes to. */
enum fit { FIT_NO, FIT_UNKNOWN, FIT_YES };

struct parameters {
    struct str methods; /* validationmethods */
    struct str account; /* accounturi */
    bool has_methods;
    bool has_account;
};

static bool holds_only_visible(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    }
    return true;
}

/* Twice the same parameter satisfies nobody (RFC 8657 3, 4). */
static bool keep_once(struct str value, struct str *place, bool *has)
{
    if (*has)
        return false;
    *place = value;
    *has = true;
    return true;
}

/* parameters = [parameter *(*WSP ";" *WSP parameter)] (RFC 8659 4.2) */
static bool read_parameters(struct str rest, struct parameters *ret)
{
    struct str item, name, value;
    while (str_next(&rest, ';', &item)) {
        item = str_trim(item);
        if (item.len == 0)
            continue;
        if (!str_split(item, '=', &name, &value))
            return false;
        name = str_trim(name);
        value = str_trim(value);
        if (name.len == 0 || !holds_only_visible(name) || !holds_only_visible(value))
            return false;
        if (str_eq_nocase(name, STR("validationmethods")) &&
            !keep_once(value, &ret->methods, &ret->has_methods))
            return false;
        if (str_eq_nocase(name, STR("accounturi")) &&
            !keep_once(value, &ret->account, &ret->has_account))
            return false;
    }
    return true;
}

static bool is_one_of(struct str list, char sep, struct str wanted)
{
    struct str item;
    while (str_next(&list, sep, &item)) {
        if (str_eq(str_trim(item), wanted))
            return true;
    }
    return false;
}

static enum fit fit_issuer(struct str domain, const struct caa_request *q)
{
    if (domain.len == 0)
        return FIT_NO;
    if (q->issuers.count == 0)
        return FIT_UNKNOWN;
    for (size_t i = 0; i < q->issuers.count; i++) {
        if (str_eq_nocase(domain, q->issuers.items[i]))
            return FIT_YES;
    }
    return FIT_NO;
}

static enum fit fit_record(struct str value, const struct caa_request *q)
{
    struct str domain = value, rest = STR_NONE;
    struct parameters p = {.has_methods = false};
    (void)str_split(value, ';', &domain, &rest);
    domain = str_trim(domain);
    enum fit fit = fit_issuer(domain, q);
    if (fit == FIT_NO || !holds_only_visible(domain) || !read_parameters(rest, &p))
        return FIT_NO;
    if (p.has_methods && !is_one_of(p.methods, ',', q->method))
        return FIT_NO;
    if (!p.has_account || str_eq(p.account, q->account_url))
        return fit;
    return q->account_url.len == 0 ? FIT_UNKNOWN : FIT_NO;
}

/* ---- the set that decides ---- */

static bool is_known_tag(struct str tag)
{
    static const struct str known[] = {STR_LIT("issue"), STR_LIT("issuewild"),
                                       STR_LIT("iodef")};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq_nocase(tag, known[i]))
            return true;
    }
    return false;
}

static bool has_tag(const struct caa_level *level, struct str tag)
{
    for (size_t i = 0; i < level->count; i++) {
        if (str_eq_nocase(level->records[i].tag, tag))
            return true;
    }
    return false;
}

static struct caa_judgement say(enum caa_verdict verdict, struct str name, struct str words)
{
    if (words.p == NULL)
        return (struct caa_judgement){CAA_UNKNOWN, name, STR("out of memory")};
    return (struct caa_judgement){verdict, name, words};
}

/* "issue \"a\", issue \"b\"": the records as they are written in a zone. */
static struct str quote(struct arena *a, const struct caa_level *level, struct str tag)
{
    struct str all = STR("");
    for (size_t i = 0; i < level->count && all.p != NULL; i++) {
        const struct dns_caa *r = &level->records[i];
        if (!str_eq_nocase(r->tag, tag))
            continue;
        all = arena_fmt(a, "%.*s%s%.*s \"%.*s\"", STR_ARG(all), all.len > 0 ? ", " : "",
                        STR_ARG(tag), STR_ARG(r->value));
    }
    return all;
}

static struct caa_judgement judge_level(struct arena *a, const struct caa_level *level,
                                        const struct caa_request *q)
{
    for (size_t i = 0; i < level->count; i++) {
        const struct dns_caa *r = &level->records[i];
        if (r->is_critical && !is_known_tag(r->tag))
            return say(CAA_FORBIDDEN, level->name,
                       arena_fmt(a,
                                 "a CAA record of %.*s has the critical tag \"%.*s\", which "
                                 "no CA may overlook",
                                 STR_ARG(level->name), STR_ARG(r->tag)));
    }
    bool is_wild = q->is_wildcard && has_tag(level, STR("issuewild"));
    struct str tag = is_wild ? STR("issuewild") : STR("issue");
    enum fit best = has_tag(level, tag) ? FIT_NO : FIT_YES;
    for (size_t i = 0; i < level->count && best != FIT_YES; i++) {
        if (!str_eq_nocase(level->records[i].tag, tag))
            continue;
        enum fit fit = fit_record(level->records[i].value, q);
        best = fit > best ? fit : best;
    }
    struct str quoted = quote(a, level, tag);
    switch (best) {
    case FIT_YES:
        return say(CAA_ALLOWED, level->name,
                   arena_fmt(a, "the CAA records of %.*s allow it", STR_ARG(level->name)));
    case FIT_UNKNOWN:
        return say(CAA_UNKNOWN, level->name,
                   arena_fmt(a, "%.*s has CAA %.*s, and it is not known whether that means us",
                             STR_ARG(level->name), STR_ARG(quoted)));
    case FIT_NO:
        break;
    }
    return say(CAA_FORBIDDEN, level->name,
               arena_fmt(a, "%.*s has CAA %.*s, which does not allow this CA with %.*s",
                         STR_ARG(level->name), STR_ARG(quoted), STR_ARG(q->method)));
}

void caa_judge(struct arena *a, const struct caa_level *levels, size_t count,
               const struct caa_request *request, struct caa_judgement *ret_judgement)
{
    for (size_t i = 0; i < count; i++) {
        const struct caa_level *level = &levels[i];
        if (!dns_is_told(level->outcome)) {
            *ret_judgement =
                say(CAA_UNKNOWN, level->name,
                    arena_fmt(a, "the CAA records of %.*s cannot be read: %s",
                              STR_ARG(level->name), dns_outcome_words(level->outcome)));
            return;
        }
        if (level->count > 0) {
            *ret_judgement = judge_level(a, level, request);
            return;
        }
    }
    *ret_judgement =
        say(CAA_ALLOWED, STR_NONE, STR("there are no CAA records: any CA may issue"));
}

struct str caa_parent(struct str name)
{
    struct str label, rest;
    return str_split(name, '.', &label, &rest) ? rest : STR_NONE;
}
