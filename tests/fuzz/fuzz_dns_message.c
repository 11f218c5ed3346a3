/* Targets: dns_message_read caa_judge */
#include "acme/caa.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_CAA};

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    }
    return s.len <= 253;
}

/* The first byte chooses the type. What is read keeps its promises, and a set of CAA records
 * that allows us still does when it stands one level higher. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(4096, 4 << 20);
    struct dns_answer answer;
    if (size == 0 || a == NULL) {
        arena_free(a);
        return 0;
    }
    struct err e = dns_message_read(a, str_make(data + 1, size - 1), STR("a.test"),
                                    types[data[0] % ARRAY_LEN(types)], &answer);
    if (!failed(e)) {
        struct str ours = STR("ca.test");
        struct caa_request q = {.issuers = {.items = &ours, .count = 1},
                                .method = STR("http-01")};
        struct caa_level levels[2] = {{.name = STR("w.a.test"), .outcome = DNS_NONE},
                                      {STR("a.test"),
                                       answer.caa_count > 0 ? DNS_FOUND : DNS_NONE, answer.caas,
                                       answer.caa_count}};
        struct caa_judgement above, here;
        caa_judge(a, levels, 2, &q, &above);
        caa_judge(a, levels + 1, 1, &q, &here);
        if (above.verdict != here.verdict || here.words.len == 0 || !is_name(answer.alias))
            abort();
    }
    arena_free(a);
    return 0;
}
