#include "gateway/options.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One row per flag: how it is spelled, what it takes, what it means. */
struct flag {
    const char *name;     /* without "--" */
    const char *variable; /* environment twin */
    const char *value;    /* what stands for its value in --help */
    struct err (*set)(struct options *o, const char *value);
    size_t list; /* offset of the option_list that it adds to; 0: it takes one value */
    const char *help;
};

static struct err complain(const char *what, const char *value)
{
    (void)fprintf(stderr, "gatehouse run: %s: \"%s\" (see gatehouse run --help)\n", what,
                  value);
    return fail(ERR_USAGE, 0);
}

static struct err set_data(struct options *o, const char *value)
{
    int len = snprintf(o->data, sizeof(o->data), "%s", value);
    return len > 0 && (size_t)len < sizeof(o->data) ? OK : complain("bad --data", value);
}

static struct err add(struct option_list *list, const char *value, const char *what)
{
    if (list->count == OPTIONS_LISTEN_MAX)
        return complain(what, value);
    list->items[list->count++] = value;
    return OK;
}

static struct err add_http(struct options *o, const char *value)
{
    return add(&o->http, value, "too many --http");
}

static struct err add_https(struct options *o, const char *value)
{
    return add(&o->https, value, "too many --https");
}

static struct err set_admin(struct options *o, const char *value)
{
    o->admin = value;
    return OK;
}

/* As it stands in Host, without the port. */
static struct err add_admin_host(struct options *o, const char *value)
{
    static const char held[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    if (value[0] == '\0' || value[strspn(value, held)] != '\0')
        return complain("--admin-host takes a name, without a port", value);
    return add(&o->admin_hosts, value, "too many --admin-host");
}

static struct err set_workers(struct options *o, const char *value)
{
    uint64_t n;
    if (failed(str_to_u64(str_from(value), OPTIONS_WORKERS_MAX, &n)) || n == 0)
        return complain("--workers takes a number from 1 to 64", value);
    o->workers = (unsigned)n;
    return OK;
}

static struct err set_user(struct options *o, const char *value)
{
    o->user = value;
    return OK;
}

/* "192.0.2.1:53" or "[2001:db8::1]:53". */
static bool is_server(struct str text)
{
    char host[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    uint64_t port;
    size_t colon = text.len;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || failed(str_to_u64(str_skip(text, colon), UINT16_MAX, &port)) || port == 0)
        return false;
    struct str address = str_sub(text, 0, colon - 1);
    bool is_v6 = str_starts(address, STR("[")) && address.p[address.len - 1] == ']';
    if (is_v6)
        address = str_sub(address, 1, address.len - 2);
    if (address.len >= sizeof(host))
        return false;
    (void)snprintf(host, sizeof(host), "%.*s", STR_ARG(address));
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, host, bytes) == 1;
}

static struct err set_resolver(struct options *o, const char *value)
{
    struct str rest = str_from(value), server;
    while (str_next(&rest, ',', &server)) {
        if (!is_server(server))
            return complain("--resolver takes IP:PORT, or several with commas between them",
                            value);
    }
    o->resolver = value;
    return OK;
}

static struct err set_log_level(struct options *o, const char *value)
{
    if (!log_level_parse(str_from(value), &o->log_level))
        return complain("--log-level is error, warn, info or debug", value);
    return OK;
}

static struct err set_access_log(struct options *o, const char *value)
{
    o->access_log = value;
    return OK;
}

static struct err set_access_format(struct options *o, const char *value)
{
    static const struct {
        struct str name;
        enum access_format format;
    } names[] = {{STR_LIT("human"), ACCESS_HUMAN},
                 {STR_LIT("json"), ACCESS_JSON},
                 {STR_LIT("combined"), ACCESS_COMBINED}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_eq(str_from(value), names[i].name))
            continue;
        o->has_access_format = true;
        o->access_format = names[i].format;
        return OK;
    }
    return complain("--access-log-format is human, json or combined", value);
}

static const struct flag flags[] = {
    {.name = "data",
     .variable = "GATEHOUSE_DATA",
     .value = "DIR",
     .set = set_data,
     .help = "database, keys and admin socket\n"
             "(/var/lib/gatehouse as root, else ~/.local/share/gatehouse)"},
    {.name = "http",
     .variable = "GATEHOUSE_HTTP",
     .value = "ADDR:PORT",
     .set = add_http,
     .list = offsetof(struct options, http),
     .help = "plain HTTP, also for ACME challenges; repeatable\n"
             "(:80, or :8080 without the right to bind it)"},
    {.name = "https",
     .variable = "GATEHOUSE_HTTPS",
     .value = "ADDR:PORT",
     .set = add_https,
     .list = offsetof(struct options, https),
     .help = "HTTPS; repeatable\n(:443, or :8443 without the right to bind it)"},
    {.name = "admin",
     .variable = "GATEHOUSE_ADMIN",
     .value = "ADDR:PORT",
     .set = set_admin,
     .help = "admin API over TCP, with a token; or off (127.0.0.1:8088)"},
    {.name = "admin-host",
     .variable = "GATEHOUSE_ADMIN_HOST",
     .value = "NAME",
     .set = add_admin_host,
     .list = offsetof(struct options, admin_hosts),
     .help = "name that clients of the admin API may use; repeatable\n"
             "(always: addresses, localhost, this machine's name)"},
    {.name = "workers",
     .variable = "GATEHOUSE_WORKERS",
     .value = "N",
     .set = set_workers,
     .help = "threads for traffic (one per CPU)"},
    {.name = "user",
     .variable = "GATEHOUSE_USER",
     .value = "NAME",
     .set = set_user,
     .help = "become this user once the ports are open"},
    {.name = "resolver",
     .variable = "GATEHOUSE_RESOLVER",
     .value = "IP:PORT",
     .set = set_resolver,
     .help = "DNS server for the names of targets; several with commas\n"
             "(those of /etc/resolv.conf)"},
    {.name = "log-level",
     .variable = "GATEHOUSE_LOG_LEVEL",
     .value = "L",
     .set = set_log_level,
     .help = "error, warn, info or debug (info)"},
    {.name = "access-log",
     .variable = "GATEHOUSE_ACCESS_LOG",
     .value = "PATH|-|off",
     .set = set_access_log,
     .help = "one line per request; - is standard output (-)"},
    {.name = "access-log-format",
     .variable = "GATEHOUSE_ACCESS_LOG_FORMAT",
     .value = "F",
     .set = set_access_format,
     .help = "human, json or combined (human on a terminal, else json)"},
};

void options_print_help(void)
{
    printf("usage: gatehouse run [flags]\n\n"
           "Runs the gateway in the foreground until SIGTERM.\n\nflags:\n");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        char head[48];
        (void)snprintf(head, sizeof(head), "--%s %s", flags[i].name, flags[i].value);
        struct str rest = str_from(flags[i].help), line;
        for (bool is_first = true; str_next(&rest, '\n', &line); is_first = false)
            printf("  %-26s %.*s\n", is_first ? head : "", STR_ARG(line));
        printf("  %-26s environment: %s\n", "", flags[i].variable);
    }
    printf("\nSignals: TERM and INT drain and exit, a second one exits at once; HUP opens the\n"
           "access log again.\n\n"
           "example:\n  gatehouse run --data ./data --http :8080 --https :8443\n");
}

static const struct flag *find_flag(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (str_eq(name, str_from(flags[i].name)))
            return &flags[i];
    }
    return NULL;
}

static struct option_list *list_of(struct options *o, const struct flag *f)
{
    return (struct option_list *)(void *)((char *)o + f->list);
}

/* "a,b" from the environment is the flag twice; the copy gives each part its terminator. */
static struct err add_each(struct options *o, const struct flag *f, char copy[1024],
                           const char *value)
{
    if ((size_t)snprintf(copy, 1024, "%s", value) >= 1024)
        return complain("value too long", value);
    for (char *at = copy; at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma++ = '\0';
        TRY(f->set(o, at));
        at = comma;
    }
    return OK;
}

static struct err read_environment(struct options *o)
{
    size_t copies = 0;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const char *value = getenv(flags[i].variable);
        if (value == NULL || value[0] == '\0')
            continue;
        if (flags[i].list != 0)
            TRY(add_each(o, &flags[i], o->split[copies++], value));
        else
            TRY(flags[i].set(o, value));
    }
    o->crash_at = getenv("ACME_CRASH_AT");
    return OK;
}

static struct err read_arguments(int argc, char **argv, struct options *o)
{
    bool was_given[ARRAY_LEN(flags)] = {false};
    for (int i = 1; i < argc; i++) {
        struct str arg = str_from(argv[i]), name, value;
        name = str_skip(arg, 2);
        bool has_value = str_split(name, '=', &name, &value);
        const struct flag *f = str_starts(arg, STR("--")) ? find_flag(name) : NULL;
        if (f == NULL)
            return complain("unknown argument", argv[i]);
        if (!has_value && ++i == argc)
            return complain("a value is missing after", argv[i - 1]);
        /* The first flag replaces what the environment said; further ones add. */
        if (f->list != 0 && !was_given[f - flags])
            list_of(o, f)->count = 0;
        was_given[f - flags] = true;
        TRY(f->set(o, has_value ? value.p : argv[i]));
    }
    return OK;
}

/* Whoever asks for help gets it, whatever else is wrong. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

static struct err default_data(struct options *o)
{
    const char *base = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int len;
    if (geteuid() == 0)
        len = snprintf(o->data, sizeof(o->data), "/var/lib/gatehouse");
    else if (base != NULL && base[0] == '/')
        len = snprintf(o->data, sizeof(o->data), "%s/gatehouse", base);
    else if (home != NULL && home[0] == '/')
        len = snprintf(o->data, sizeof(o->data), "%s/.local/share/gatehouse", home);
    else
        return complain("no home directory: say --data DIR", "");
    return (size_t)len < sizeof(o->data) ? OK : complain("path too long", "");
}

static unsigned cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    unsigned count = (unsigned)CPU_COUNT(&set);
    return count > OPTIONS_WORKERS_MAX ? OPTIONS_WORKERS_MAX : count;
}

struct err options_read(int argc, char **argv, struct options *ret_options)
{
    struct options *o = ret_options;
    *o = (struct options){.admin = "127.0.0.1:8088",
                          .workers = cpu_count(),
                          .log_level = LOG_LEVEL_INFO,
                          .access_log = "-",
                          .wants_help = asks_for_help(argc, argv)};
    if (o->wants_help)
        return OK;
    TRY(read_environment(o));
    TRY(read_arguments(argc, argv, o));
    return o->data[0] != '\0' ? OK : default_data(o);
}
