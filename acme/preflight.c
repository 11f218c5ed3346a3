/* preflight.c - list_questions -> dns_ask -> judge_name for each -> gather what is forbidden.
 * */
#include "acme/preflight.h"

#include "acme/caa.h"
#include "store/host_name.h"

/* A name's part of all questions: its own CAA records, and those of each name above it. */
struct climb {
    struct str name;
    size_t first;
    size_t count;
};

struct survey {
    struct climb *climbs;
    size_t climb_count;
    struct dns_question *questions;
    size_t question_count;
};

static size_t count_levels(struct str name)
{
    size_t count = 0;
    for (struct str at = name; at.len > 0; at = caa_parent(at))
        count++;
    return count;
}

static struct err list_questions(struct arena *a, const struct str_list *names,
                                 struct survey *s)
{
    size_t count = 0;
    for (size_t i = 0; i < names->count; i++)
        count += count_levels(names->items[i]);
    s->climbs = arena_array(a, struct climb, names->count + 1);
    s->questions = arena_array(a, struct dns_question, count + 1);
    if (s->climbs == NULL || s->questions == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < names->count; i++) {
        if (host_name_kind(names->items[i]) != HOST_NAME)
            continue; /* addresses have no CAA */
        struct climb *climb = &s->climbs[s->climb_count++];
        *climb = (struct climb){.name = names->items[i], .first = s->question_count};
        for (struct str at = climb->name; at.len > 0; at = caa_parent(at)) {
            struct dns_question *q = &s->questions[s->question_count++];
            *q = (struct dns_question){.name = arena_dup(a, at), .type = DNS_CAA};
            if (q->name.p == NULL)
                return fail(ERR_MEMORY, 0);
        }
        climb->count = s->question_count - climb->first;
    }
    return OK;
}

static struct err judge_name(struct arena *a, const struct survey *s, const struct climb *climb,
                             const struct caa_request *request,
                             struct caa_judgement *ret_judgement)
{
    struct caa_level *levels = arena_array(a, struct caa_level, climb->count + 1);
    if (levels == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < climb->count; i++) {
        const struct dns_question *q = &s->questions[climb->first + i];
        levels[i] = (struct caa_level){.name = q->name,
                                       .outcome = q->outcome,
                                       .records = q->answer.caas,
                                       .count = q->answer.caa_count};
    }
    caa_judge(a, levels, climb->count, request, ret_judgement);
    return OK;
}

/* What to put into the zone, if that can be said. */
static struct str advise(struct arena *a, const struct caa_judgement *j,
                         const struct preflight_request *q)
{
    if (q->issuers.count == 0)
        return arena_fmt(a, "%.*s; change them, or ask another CA", STR_ARG(j->words));
    return arena_fmt(a, "%.*s; add the record: %.*s. CAA 0 issue \"%.*s\"", STR_ARG(j->words),
                     STR_ARG(j->name), STR_ARG(q->issuers.items[0]));
}

static struct err judge_all(struct arena *a, const struct preflight_request *q,
                            const struct survey *s, struct problem *why)
{
    struct caa_request request = {
        .issuers = q->issuers, .method = STR("http-01"), .account_url = q->account_url};
    struct named_problem *items = arena_array(a, struct named_problem, s->climb_count + 1);
    size_t count = 0;
    if (items == NULL)
        return fail(ERR_MEMORY, 0);
    for (size_t i = 0; i < s->climb_count; i++) {
        struct caa_judgement judgement;
        TRY(judge_name(a, s, &s->climbs[i], &request, &judgement));
        if (judgement.verdict != CAA_FORBIDDEN)
            continue;
        items[count].name = s->climbs[i].name;
        problem_set(&items[count].problem, fail(ERR_ACME_PREFLIGHT, 0),
                    advise(a, &judgement, q));
        count++;
    }
    if (count == 0)
        return OK;
    problem_gather(a, items, count, why);
    return fail(ERR_ACME_PREFLIGHT, 0);
}

struct err preflight_check(struct arena *a, const struct preflight_request *q,
                           struct problem *why)
{
    struct survey s = {.climb_count = 0};
    struct dns_options options = {.resolver = q->resolver, .is_cancelled = q->is_cancelled};
    TRY(list_questions(a, q->names, &s));
    struct err e = dns_ask(&options, a, s.questions, s.question_count);
    if (err_is(e, ERR_IO))
        return OK; /* without a resolver nothing is proven */
    TRY(e);
    return judge_all(a, q, &s, why);
}
