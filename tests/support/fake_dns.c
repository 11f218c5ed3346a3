#include "tests/support/fake_dns.h"

#include "gateway/base/mem.h"
#include "gateway/base/str.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>

enum { QUERIES_MAX = 16 };

struct half {
    ares_addrinfo_callback callback; /* NULL: not asked, or answered */
    void *arg;
};

struct query {
    struct half halves[2]; /* AF_INET6, AF_INET */
    char name[64];
};

static struct {
    bool is_on;
    struct query queries[QUERIES_MAX];
    size_t count; /* open ones */
    unsigned asked;
    int status_at_once;
    const char *addresses_at_once;
    int alias_ttl;
} dns;

void fake_dns_use(void)
{
    memset(&dns, 0, sizeof(dns));
    dns.is_on = true;
    dns.status_at_once = -1;
}

void fake_dns_restore(void)
{
    dns.is_on = false;
}

void fake_dns_at_once(int status, const char *addresses)
{
    dns.status_at_once = status;
    dns.addresses_at_once = addresses;
}

void fake_dns_alias(int ttl)
{
    dns.alias_ttl = ttl;
}

unsigned fake_dns_asked(void)
{
    return dns.asked;
}

const char *fake_dns_oldest(void)
{
    assert(dns.count > 0);
    return dns.queries[0].name;
}

/* ---- answers ---- */

union sockaddr_any {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static void free_nodes(struct ares_addrinfo_node *node)
{
    while (node != NULL) {
        struct ares_addrinfo_node *next = node->ai_next;
        mem_free(node->ai_addr);
        mem_free(node);
        node = next;
    }
}

static struct ares_addrinfo_node *new_node(const char *text, int ttl)
{
    struct ares_addrinfo_node *node = mem_new(struct ares_addrinfo_node);
    union sockaddr_any *address = mem_new(union sockaddr_any);
    bool is_v6 = strchr(text, ':') != NULL;
    node->ai_ttl = ttl;
    node->ai_family = is_v6 ? AF_INET6 : AF_INET;
    address->any.sa_family = (sa_family_t)node->ai_family;
    node->ai_addrlen = is_v6 ? sizeof(address->v6) : sizeof(address->v4);
    node->ai_addr = &address->any;
    void *bytes = is_v6 ? (void *)&address->v6.sin6_addr : (void *)&address->v4.sin_addr;
    int is_read = inet_pton(node->ai_family, text, bytes);
    assert(is_read == 1);
    return node;
}

/* Those of the family; NULL: there are none. */
static struct ares_addrinfo *new_info(int family, const char *addresses)
{
    struct ares_addrinfo *info = mem_new(struct ares_addrinfo);
    struct ares_addrinfo_node **end = &info->nodes;
    struct str rest = str_from(addresses), item, address, ttl_text;
    while (addresses[0] != '\0' && str_next(&rest, ' ', &item)) {
        char copy[64];
        uint64_t ttl;
        bool is_split = str_split(item, '/', &address, &ttl_text);
        assert(is_split && !failed(str_to_u64(ttl_text, INT32_MAX, &ttl)));
        (void)snprintf(copy, sizeof(copy), "%.*s", STR_ARG(address));
        *end = new_node(copy, (int)ttl);
        if ((*end)->ai_family == family)
            end = &(*end)->ai_next;
        else
            free_nodes(TAKE(*end));
    }
    if (dns.alias_ttl > 0) {
        info->cnames = mem_new(struct ares_addrinfo_cname);
        info->cnames->ttl = dns.alias_ttl;
    }
    return info;
}

static size_t index_of(int family)
{
    return family == AF_INET6 ? 0 : 1;
}

static void answer_half(const struct half *h, int family, int status, const char *addresses)
{
    if (h->callback != NULL)
        h->callback(h->arg, status, 0,
                    status == ARES_SUCCESS ? new_info(family, addresses) : NULL);
}

void fake_dns_answer(int status, const char *addresses)
{
    assert(dns.count > 0);
    struct query q = dns.queries[0];
    dns.count--;
    memmove(&dns.queries[0], &dns.queries[1], dns.count * sizeof(q));
    answer_half(&q.halves[0], AF_INET6, status, addresses);
    answer_half(&q.halves[1], AF_INET, status, addresses);
}

void fake_dns_answer_half(int family, int status, const char *addresses)
{
    assert(dns.count > 0);
    struct half *open = &dns.queries[0].halves[index_of(family)], h = *open;
    assert(h.callback != NULL);
    *open = (struct half){.callback = NULL};
    answer_half(&h, family, status, addresses);
}

/* ---- in place of the library's ---- */

static void *library(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    assert(symbol != NULL);
    return symbol;
}

/* The last one, if its other half is the same question. */
static struct query *query_for(const char *name, int family)
{
    struct query *last = dns.count == 0 ? NULL : &dns.queries[dns.count - 1];
    if (last != NULL && strcmp(last->name, name) == 0 &&
        last->halves[index_of(family)].callback == NULL)
        return last;
    assert(dns.count < QUERIES_MAX);
    dns.asked++;
    last = &dns.queries[dns.count++];
    *last = (struct query){.halves = {{0}}};
    (void)snprintf(last->name, sizeof(last->name), "%s", name);
    return last;
}

void ares_getaddrinfo(ares_channel channel, const char *name, const char *service,
                      const struct ares_addrinfo_hints *hints, ares_addrinfo_callback callback,
                      void *arg)
{
    if (!dns.is_on) {
        void (*real)(ares_channel, const char *, const char *,
                     const struct ares_addrinfo_hints *, ares_addrinfo_callback, void *);
        *(void **)&real = library("ares_getaddrinfo");
        real(channel, name, service, hints, callback, arg);
        return;
    }
    struct half h = {.callback = callback, .arg = arg};
    if (dns.status_at_once >= 0) {
        dns.asked += hints->ai_family == AF_INET;
        answer_half(&h, hints->ai_family, dns.status_at_once, dns.addresses_at_once);
        return;
    }
    query_for(name, hints->ai_family)->halves[index_of(hints->ai_family)] = h;
}

void ares_freeaddrinfo(struct ares_addrinfo *info)
{
    if (!dns.is_on) {
        void (*real)(struct ares_addrinfo *);
        *(void **)&real = library("ares_freeaddrinfo");
        real(info);
        return;
    }
    if (info != NULL) {
        free_nodes(info->nodes);
        mem_free(info->cnames);
    }
    mem_free(info);
}

void ares_destroy(ares_channel channel)
{
    void (*real)(ares_channel);
    while (dns.count > 0)
        fake_dns_answer(ARES_EDESTRUCTION, NULL);
    *(void **)&real = library("ares_destroy");
    real(channel);
}
