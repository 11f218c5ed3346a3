/* main.c - composition root of the one binary.
 *
 * `gatehouse run`: options -> log -> sockets -> (other user) -> store -> workers -> ACME ->
 * admin -> wait for signals -> drain -> the same way back.  Every other command is the
 * CLI's. */
#include "acme/acme.h"
#include "admin/admin.h"
#include "admin/cli.h"
#include "alarm/alarm.h"
#include "alarm/served.h"
#include "gateway/access_log.h"
#include "gateway/listener.h"
#include "gateway/log_writer.h"
#include "gateway/options.h"
#include "gateway/worker.h"
#include "store/error_text.h"
#include "store/store.h"

#include "gateway/base/limits.h"
#include "gateway/base/log.h"

#include <ares.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(LOG_THREADS_MAX >= OPTIONS_WORKERS_MAX + 32, "no worker is without a log ring");

struct process {
    struct options options;
    struct log_writer *writer;
    struct access_log *access_log;
    struct listener_set *listeners;
    int admin_fd;
    char admin_at[64];
    int unix_fd;
    struct store *store;
    struct ticket_keys *ticket_keys;
    struct worker_bells *bells;
    struct worker *workers[OPTIONS_WORKERS_MAX];
    unsigned worker_count;
    struct acme *acme;
    struct served_listener https[2 * OPTIONS_LISTEN_MAX];
    struct served *served;
    struct alarm *alarm;
    struct admin *admin;
    char host_name[256];
    struct str own_names[1 + OPTIONS_LISTEN_MAX]; /* that the admin interface answers to */
    atomic_bool is_ready;
};

/* Says what went wrong, with where; the caller returns e. */
static struct err report(struct err e, const char *event, const char *at)
{
    AUTO(arena_free) struct arena *a = arena_new(512, 4096);
    struct str why = a == NULL ? STR_NONE : error_text(e, a);
    log_err(e, event, KV_CSTR("at", at), KV_STR("why", why));
    return e;
}

/* For whoever types `gatehouse run` and reads no log: one sentence more. */
static struct err refuse_start(struct err e, const char *event, const char *at)
{
    AUTO(arena_free) struct arena *a = arena_new(512, 4096);
    struct str why = a == NULL ? STR_NONE : error_text(e, a);
    if (str_is_empty(why))
        (void)fprintf(stderr, "gatehouse run: %s: %s\n", at, e.kind->text);
    else
        (void)fprintf(stderr, "gatehouse run: %s: %s: %.*s\n", at, e.kind->text, STR_ARG(why));
    return report(e, event, at);
}

/* ---- the process itself ---- */

static void prepare_process(void)
{
    struct rlimit files;
    /* Keys live in this memory, so it is never dumped. 1 and not 0: core(5), a handler
     * behind a pipe is not bound by 0, but the kernel skips it at 1. */
    struct rlimit no_core = {.rlim_cur = 1, .rlim_max = 1};
    (void)umask(077);
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_MAPPED_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

static void awaited_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

/* Threads started from here on leave signals to the main thread. */
static void block_signals(void)
{
    sigset_t set;
    awaited_signals(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void on_second_signal(int signal_number)
{
    (void)signal_number;
    _exit(1);
}

/* ---- logs ---- */

static bool is_access_log_file(const struct options *o)
{
    struct str path = str_from(o->access_log);
    return !str_eq(path, STR("-")) && !str_eq(path, STR("off"));
}

static struct err open_logs(struct process *p)
{
    int fds[LOG_CHANNEL_COUNT] = {
        [LOG_CHANNEL_EVENTS] = STDERR_FILENO, [LOG_CHANNEL_ACCESS] = STDOUT_FILENO};
    struct str path = str_from(p->options.access_log);
    bool is_off = str_eq(path, STR("off"));
    bool is_file = is_access_log_file(&p->options);
    if (is_file) {
        int fd = open(path.p, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        if (fd < 0) {
            (void)fprintf(stderr, "gatehouse: cannot open the access log %s: %m\n", path.p);
            return fail(ERR_IO, errno);
        }
        fds[LOG_CHANNEL_ACCESS] = fd;
    }
    TRY(log_writer_new(fds, &p->writer));
    bool is_tty = isatty(STDERR_FILENO) == 1;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool is_plain = (no_color != NULL && no_color[0] != '\0') ||
                    (term != NULL && strcmp(term, "dumb") == 0);
    log_setup(&(struct log_options){.format = !is_tty    ? LOG_FORMAT_JSON
                                              : is_plain ? LOG_FORMAT_HUMAN
                                                         : LOG_FORMAT_COLOUR,
                                    .level = p->options.log_level,
                                    .sink = log_writer_sink,
                                    .arg = p->writer});
    bool is_terminal = !is_file && isatty(STDOUT_FILENO) == 1;
    enum access_format format = p->options.has_access_format ? p->options.access_format
                                : is_terminal                ? ACCESS_HUMAN
                                                             : ACCESS_JSON;
    p->access_log = access_log_new(is_off ? NULL : p->writer, LOG_CHANNEL_ACCESS, format);
    return p->access_log == NULL ? fail(ERR_MEMORY, 0) : OK;
}

/* ---- sockets ---- */

/* A text that is no address is wrong usage; one that cannot be bound is a failure. */
static struct err refuse_address(struct err e, const char *flag, const char *at)
{
    if (!err_is(e, ERR_USAGE))
        return refuse_start(e, "listen_failed", at);
    (void)fprintf(stderr,
                  "gatehouse run: %s: \"%s\" is no address; it takes ADDR:PORT, :PORT or "
                  "[ADDR]:PORT\n",
                  flag, at);
    return e;
}

static struct err open_listeners_of(struct process *p, enum listener_kind kind,
                                    const struct option_list *asked, const char *standard,
                                    const char *unprivileged)
{
    char at[64];
    struct err e;
    for (size_t i = 0; i < asked->count; i++) {
        e = listener_set_open(p->listeners, kind, str_from(asked->items[i]), at);
        if (failed(e))
            return refuse_address(e, kind == LISTENER_HTTPS ? "--https" : "--http", at);
    }
    if (asked->count > 0)
        return OK;
    e = listener_set_open(p->listeners, kind, str_from(standard), at);
    if (err_is(e, ERR_IO) && e.detail == EACCES) {
        log_info("port_not_allowed", KV_CSTR("wanted", standard),
                 KV_CSTR("using", unprivileged));
        e = listener_set_open(p->listeners, kind, str_from(unprivileged), at);
    }
    return failed(e) ? refuse_start(e, "listen_failed", at) : OK;
}

static struct err open_sockets(struct process *p)
{
    TRY(listener_set_new(p->options.workers, &p->listeners));
    TRY(open_listeners_of(p, LISTENER_HTTP, &p->options.http, ":80", ":8080"));
    TRY(open_listeners_of(p, LISTENER_HTTPS, &p->options.https, ":443", ":8443"));
    if (str_eq(str_from(p->options.admin), STR("off")))
        return OK;
    struct err e = listener_open_one(str_from(p->options.admin), &p->admin_fd, p->admin_at);
    return failed(e) ? refuse_address(e, "--admin", p->admin_at) : OK;
}

/* DIR/admin.sock, 0600 by the umask.  The lock on DIR says that a socket found there is
 * stale. */
static struct err open_unix_socket(struct process *p)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len =
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/admin.sock", p->options.data);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path))
        return report(fail(ERR_IO, ENAMETOOLONG), "listen_failed", p->options.data);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlink(address.sun_path);
    /* The mode is set before the name exists: bind(2) takes it over. */
    if (fd < 0 || fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, ADMIN_CONNECTIONS_MAX) != 0) {
        struct err e = fail(ERR_IO, errno);
        if (fd >= 0)
            (void)close(fd);
        return report(e, "listen_failed", address.sun_path);
    }
    p->unix_fd = fd;
    return OK;
}

static void remove_unix_socket(const struct process *p)
{
    char path[OPTIONS_PATH_MAX + 16];
    (void)snprintf(path, sizeof(path), "%s/admin.sock", p->options.data);
    (void)unlink(path);
}

/* ---- another user ---- */

static struct err become_user(const struct process *p)
{
    if (p->options.user == NULL)
        return OK;
    const struct passwd *user =
        getpwnam(p->options.user); /* no other thread runs yet that could */
    if (user == NULL)
        return refuse_start(fail(ERR_NO_USER, 0), "no_such_user", p->options.user);
    /* A data directory that root has just made for that user is given to it. */
    if (mkdir(p->options.data, 0700) == 0 &&
        chown(p->options.data, user->pw_uid, user->pw_gid) != 0)
        return report(fail(ERR_IO, errno), "chown_failed", p->options.data);
    if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0)
        return refuse_start(fail(ERR_IO, errno), "cannot_become_user", p->options.user);
    return OK;
}

/* ---- live state for the admin API ---- */

static void add_listener(json_t *list, const char *address, const char *kind)
{
    (void)json_array_append_new(list,
                                json_pack("{s:s, s:s}", "address", address, "kind", kind));
}

static json_t *list_listeners(void *arg)
{
    const struct process *p = arg;
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < p->listeners->count; i++) {
        const struct listener_address *it = &p->listeners->items[i];
        add_listener(list, it->text, it->kind == LISTENER_HTTPS ? "https" : "http");
    }
    if (list != NULL && p->admin_fd >= 0)
        add_listener(list, p->admin_at, "admin");
    return list;
}

static json_t *list_recent_errors(void *arg)
{
    const struct process *p = arg;
    return log_writer_recent(p->writer);
}

static json_t *list_alarms(void *arg)
{
    const struct process *p = arg;
    return alarm_list(p->alarm);
}

static json_t *test_alarms(void *arg)
{
    const struct process *p = arg;
    return alarm_test(p->alarm);
}

static void put_metrics(void *arg, struct buf *out)
{
    const struct process *p = arg;
    alarm_metrics(p->alarm, out);
}

static bool is_ready(void *arg)
{
    struct process *p = arg;
    return atomic_load(&p->is_ready);
}

/* ---- start ---- */

static struct err open_store(struct process *p)
{
    struct invalid why;
    invalid_init(&why);
    struct err e = store_open(p->options.data, &why, &p->store);
    for (size_t i = 0; i < why.kept_count; i++)
        log_warn("store_note", KV_STR("at", why.entries[i].field),
                 KV_STR("note", why.entries[i].message));
    invalid_fini(&why);
    return failed(e) ? refuse_start(e, "store_not_opened", p->options.data) : OK;
}

static struct err start_workers(struct process *p)
{
    TRY(ticket_keys_new(&p->ticket_keys));
    p->bells = worker_bells_new();
    if (p->bells == NULL)
        return fail(ERR_MEMORY, 0);
    for (unsigned i = 0; i < p->options.workers; i++) {
        struct worker_options o = {.publisher = store_publisher(p->store),
                                   .ticket_keys = p->ticket_keys,
                                   .listeners = p->listeners,
                                   .index = i,
                                   .access_log = p->access_log,
                                   .bells = p->bells,
                                   .resolver = p->options.resolver};
        struct err e = worker_start(&o, &p->workers[i]);
        if (failed(e))
            return report(e, "worker_not_started", "");
        p->worker_count++;
    }
    return OK;
}

static bool has_http_listener(const struct process *p)
{
    for (size_t i = 0; i < p->listeners->count; i++) {
        if (p->listeners->items[i].kind == LISTENER_HTTP)
            return true;
    }
    return false;
}

/* Own handshakes go where clients go. */
static struct err start_served(struct process *p)
{
    struct served_options o = {.listeners = p->https, .worker_count = p->worker_count};
    for (size_t i = 0; i < p->listeners->count && o.listener_count < ARRAY_LEN(p->https); i++) {
        const struct listener_address *it = &p->listeners->items[i];
        if (it->kind != LISTENER_HTTPS)
            continue;
        struct served_listener *l = &p->https[o.listener_count++];
        *l = (struct served_listener){.text = str_from(it->text), .port = it->port};
        memcpy(l->address, it->address, sizeof(l->address));
    }
    return served_start(p->store, &o, &p->served);
}

static struct own_names collect_names(struct process *p)
{
    const struct option_list *given = &p->options.admin_hosts;
    size_t count = 0;
    if (gethostname(p->host_name, sizeof(p->host_name) - 1) == 0)
        p->own_names[count++] = str_from(p->host_name);
    for (size_t i = 0; i < given->count; i++)
        p->own_names[count++] = str_from(given->items[i]);
    return (struct own_names){.items = p->own_names, .count = count};
}

static struct err start_control(struct process *p)
{
    struct acme_options acme = {.has_http_listener = has_http_listener(p),
                                .crash_at = p->options.crash_at};
    struct own_names names = collect_names(p);
    TRY(start_served(p));
    TRY(alarm_start(p->store, str_from(p->host_name), &p->alarm));
    TRY(acme_start(p->store, &acme, &p->acme));
    struct admin_ports ports = {.arg = p,
                                .listeners = list_listeners,
                                .recent_errors = list_recent_errors,
                                .alarms = list_alarms,
                                .alarm_test = test_alarms,
                                .metrics = put_metrics,
                                .is_ready = is_ready};
    struct admin_options admin = {.unix_fd = p->unix_fd,
                                  .tcp_fds = &p->admin_fd,
                                  .tcp_count = p->admin_fd >= 0 ? 1 : 0,
                                  .own_names = names};
    return admin_start(p->store, &admin, &ports, &p->admin);
}

/* The only time the token is seen: on the terminal of whoever started us first, not in a
 * log. */
static struct err show_first_token(struct process *p)
{
    struct secret token = {{NULL, 0}};
    bool is_created = false;
    if (p->admin_fd < 0)
        return OK; /* it is for the TCP side */
    TRY(admin_first_token(p->store, &token, &is_created));
    if (is_created) {
        struct str text = secret_bytes(&token);
        (void)fprintf(
            stderr,
            "\nFirst start: this token opens the admin API over TCP. It is shown once.\n"
            "  %.*s\n  curl -H \"Authorization: Bearer TOKEN\" http://%s/v1/status\n\n",
            STR_ARG(text), p->admin_at);
    }
    secret_fini(&token);
    return OK;
}

static struct err start(struct process *p)
{
    TRY(open_logs(p));
    TRY(open_sockets(p));
    TRY(become_user(p));
    TRY(open_store(p));
    TRY(open_unix_socket(p));
    TRY(show_first_token(p));
    TRY(start_workers(p));
    TRY(start_control(p));
    for (size_t i = 0; i < p->listeners->count; i++)
        log_info(
            "listening", KV_CSTR("address", p->listeners->items[i].text),
            KV_CSTR("kind", p->listeners->items[i].kind == LISTENER_HTTPS ? "https" : "http"));
    atomic_store(&p->is_ready, true);
    log_info("ready", KV_CSTR("version", GW_VERSION), KV_CSTR("data", p->options.data),
             KV_U64("workers", p->worker_count));
    return OK;
}

/* ---- run and stop ---- */

static void wait_for_end(struct process *p)
{
    sigset_t set;
    int got = 0;
    awaited_signals(&set);
    while (got != SIGTERM && got != SIGINT) {
        if (sigwait(&set, &got) != 0)
            continue;
        if (got == SIGHUP && is_access_log_file(&p->options)) {
            struct err e =
                log_writer_reopen(p->writer, LOG_CHANNEL_ACCESS, p->options.access_log);
            if (failed(e))
                (void)report(e, "access_log_not_reopened", p->options.access_log);
        }
    }
    log_info("draining", KV_CSTR("signal", got == SIGTERM ? "TERM" : "INT"));
    /* From here on a second signal ends us at once. */
    struct sigaction at_once = {.sa_handler = on_second_signal};
    (void)sigaction(SIGTERM, &at_once, NULL);
    (void)sigaction(SIGINT, &at_once, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void stop(struct process *p)
{
    atomic_store(&p->is_ready, false);
    acme_stop(p->acme);
    served_stop(p->served);
    for (unsigned i = 0; i < p->worker_count; i++)
        worker_drain(p->workers[i]);
    for (unsigned i = 0; i < p->worker_count; i++)
        worker_join(p->workers[i]);
    alarm_stop(p->alarm);
    admin_stop(p->admin);
    alarm_free(p->alarm);
    if (p->unix_fd >= 0)
        remove_unix_socket(p);
    store_close(p->store);
    worker_bells_free(p->bells);
    listener_set_free(p->listeners);
    log_info("stopped");
    log_setup(&(struct log_options){.sink = NULL});
    access_log_free(p->access_log);
    log_writer_free(p->writer);
    ticket_keys_free(p->ticket_keys);
}

static int run(int argc, char **argv)
{
    static struct process process; /* large, and one */
    struct process *p = &process;
    p->admin_fd = p->unix_fd = -1;
    if (failed(options_read(argc, argv, &p->options)))
        return 2;
    if (p->options.wants_help) {
        options_print_help();
        return 0;
    }
    prepare_process();
    block_signals();
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        ares_library_init(ARES_LIB_INIT_ALL) != 0)
        return 1;
    struct err e = start(p);
    if (!failed(e))
        wait_for_end(p);
    stop(p);
    ares_library_cleanup();
    curl_global_cleanup();
    return !failed(e) ? 0 : err_is(e, ERR_USAGE) ? 2 : 1;
}

/* ---- the other commands ---- */

static const char *read_variable(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static bool pause_for(void *arg, unsigned ms)
{
    (void)arg;
    return usleep(ms * 1000) == 0;
}

static struct cli_screen look_at_screen(void *arg)
{
    struct winsize size = {.ws_col = 0};
    (void)arg;
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return (struct cli_screen){.columns = size.ws_col, .lines = size.ws_row};
}

static int run_command(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    struct cli_env env = {.variable = read_variable,
                          .in = stdin,
                          .out = stdout,
                          .err = stderr,
                          .is_root = geteuid() == 0,
                          .is_terminal = isatty(STDOUT_FILENO) == 1,
                          .screen = look_at_screen(NULL),
                          .look = look_at_screen,
                          .pause = pause_for};
    int status = cli_main(&env, argc, argv);
    curl_global_cleanup();
    return status;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && str_eq(str_from(argv[1]), STR("run")))
        return run(argc - 1, argv + 1);
    return run_command(argc, argv);
}
