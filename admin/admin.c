/* admin.c - one request, in the order libmicrohttpd calls:
 *   on_request (head: read_head, api_begin) -> on_request (body: body_feed) ...
 *   -> on_request (end: api_finish, send_reply) -> on_completed */
#include "admin/admin.h"

#include "admin/api.h"
#include "admin/body.h"

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/rand.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* One listening socket. */
struct door {
    const struct api *api;
    struct MHD_Daemon *daemon;
    bool is_unix;
};

struct admin {
    struct api api;
    struct door *doors;
    size_t door_count;
};

/* One request and its answer. */
struct admin_exchange {
    struct arena *arena;
    struct admin_request request;
    struct admin_reply reply;
    struct api_call call;
    struct body body;
};

static void exchange_free(struct admin_exchange *x)
{
    if (x == NULL)
        return;
    body_fini(&x->body);
    api_call_fini(&x->call);
    admin_reply_fini(&x->reply);
    arena_free(x->arena);
    mem_free(x);
}

static struct admin_exchange *exchange_new(const struct api *api)
{
    struct admin_exchange *x = mem_new(struct admin_exchange);
    if (x == NULL)
        return NULL;
    x->arena = arena_new(ADMIN_ARENA_BYTES, ADMIN_ARENA_MAX_BYTES);
    admin_reply_init(&x->reply);
    body_init(&x->body, 0);
    api_call_init(&x->call, api, &x->request, &x->reply);
    if (x->arena == NULL) {
        exchange_free(x);
        return NULL;
    }
    return x;
}

/* Fields of the head, or parameters of the query, as libmicrohttpd hands them over. */
struct collector {
    struct admin_field *fields;
    size_t count;
    bool is_full;
};

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                const char *value)
{
    struct collector *c = arg;
    (void)kind;
    if (c->count == ADMIN_FIELDS_MAX) {
        c->is_full = true;
        return MHD_NO;
    }
    c->fields[c->count++] =
        (struct admin_field){.name = str_from(name), .value = str_from(value)};
    return MHD_YES;
}

static struct err collect(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                          struct arena *a, struct collector *ret_found)
{
    *ret_found =
        (struct collector){.fields = arena_array(a, struct admin_field, ADMIN_FIELDS_MAX)};
    if (ret_found->fields == NULL)
        return fail(ERR_MEMORY, 0);
    (void)MHD_get_connection_values(connection, kind, on_field, ret_found);
    return ret_found->is_full ? fail(ERR_HEAD_TOO_LARGE, 0) : OK;
}

static struct err read_query(struct MHD_Connection *connection, struct admin_exchange *x)
{
    struct collector found;
    TRY(collect(connection, MHD_GET_ARGUMENT_KIND, x->arena, &found));
    for (size_t i = 0; i < found.count; i++) {
        TRY(admin_request_decode(x->arena, &found.fields[i].name));
        TRY(admin_request_decode(x->arena, &found.fields[i].value));
    }
    x->request.query = found.fields;
    x->request.query_count = found.count;
    return OK;
}

static void read_source(struct MHD_Connection *connection, struct admin_source *ret_source)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || info->client_addr == NULL)
        return;
    if (info->client_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, info->client_addr, sizeof(v6));
        memcpy(ret_source->address, &v6.sin6_addr, 16);
    } else if (info->client_addr->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, info->client_addr, sizeof(v4));
        ret_source->address[10] = ret_source->address[11] = 0xff;
        memcpy(ret_source->address + 12, &v4.sin_addr, 4);
    }
}

static struct err read_head(struct MHD_Connection *connection, const struct door *door,
                            struct admin_exchange *x, const char *path, const char *method)
{
    struct collector found;
    x->request.arena = x->arena;
    x->request.method = str_from(method);
    x->request.path = str_from(path);
    x->request.source.is_unix = door->is_unix;
    (void)snprintf(x->request.id, sizeof(x->request.id), "%016llx",
                   (unsigned long long)rand_u64());
    read_source(connection, &x->request.source);
    TRY(collect(connection, MHD_HEADER_KIND, x->arena, &found));
    x->request.fields = found.fields;
    x->request.field_count = found.count;
    return read_query(connection, x);
}

/* The body's bytes stay in the exchange, which lives until on_completed. */
static struct MHD_Response *make_response(struct admin_exchange *x)
{
    struct str body = buf_view(&x->reply.body);
    bool has_body = x->reply.content_type != NULL;
    /* The library does not write into a persistent buffer, its prototype only could. */
    void *bytes = has_body && body.len > 0 ? (void *)(uintptr_t)body.p : NULL;
    return MHD_create_response_from_buffer(bytes == NULL ? 0 : body.len, bytes,
                                           MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result add_fields(struct MHD_Response *response, const struct admin_exchange *x)
{
    int is_ok = MHD_add_response_header(response, "X-Request-Id", x->request.id);
    is_ok &= MHD_add_response_header(response, "Cache-Control", "no-store");
    is_ok &= MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (x->reply.content_type != NULL)
        is_ok &= MHD_add_response_header(response, "Content-Type", x->reply.content_type);
    for (size_t i = 0; i < x->reply.field_count; i++)
        is_ok &= MHD_add_response_header(response, x->reply.fields[i].name,
                                         x->reply.fields[i].value.p);
    return is_ok ? MHD_YES : MHD_NO;
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct admin_exchange *x)
{
    struct MHD_Response *response = make_response(x);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = add_fields(response, x);
    if (result == MHD_YES)
        result = MHD_queue_response(connection, x->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

/* True if the client can be told at once instead of being read to the end: it waits for
 * "100 Continue", or wants to send more than is worth reading. */
static bool is_early(const struct admin_request *rq)
{
    uint64_t length = 0;
    const struct admin_field *field = admin_request_field(rq, "Content-Length");
    if (admin_request_count(rq, "Expect") > 0)
        return true;
    return field != NULL && (failed(str_to_u64(field->value, UINT64_MAX, &length)) ||
                             length > ADMIN_DISCARD_MAX_BYTES);
}

static enum MHD_Result begin_request(struct MHD_Connection *connection, const struct door *door,
                                     const char *path, const char *method,
                                     struct admin_exchange **ret_exchange)
{
    struct admin_exchange *x = exchange_new(door->api);
    if (x == NULL)
        return MHD_NO;
    *ret_exchange = x; /* freed by on_completed from here on */
    struct err e = read_head(connection, door, x, path, method);
    if (failed(e))
        x->call.error = e;
    else
        api_begin(&x->call);
    body_set_limit(&x->body, api_body_limit(&x->call));
    if (!failed(x->call.error))
        return MHD_YES;
    body_refuse(&x->body);
    if (!admin_request_has_body(&x->request) || !is_early(&x->request))
        return MHD_YES;
    api_finish(&x->call);
    return send_reply(connection, x);
}

static enum MHD_Result end_request(struct MHD_Connection *connection, struct admin_exchange *x)
{
    x->request.body = body_view(&x->body);
    if (body_is_too_large(&x->body))
        api_refuse_large(&x->call);
    api_finish(&x->call);
    return send_reply(connection, x);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are libmicrohttpd's. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *data_len, void **state)
{
    (void)version;
    if (*state == NULL) {
        struct admin_exchange *x = NULL;
        enum MHD_Result result = begin_request(connection, arg, path, method, &x);
        *state = x;
        return result;
    }
    struct admin_exchange *x = *state;
    if (*data_len == 0)
        return end_request(connection, x);
    struct err e = body_feed(&x->body, str_make(data, *data_len));
    *data_len = 0;
    return failed(e) ? MHD_NO : MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    exchange_free(*state);
    *state = NULL;
}

/* Paths and queries are decoded here, after they were taken apart: "%2F" is no separator. */
static size_t leave_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static void on_library_message(void *arg, const char *format, va_list args) PRINTF_LIKE(2, 0);
static void on_library_message(void *arg, const char *format, va_list args)
{
    char text[256];
    (void)arg;
    int len = vsnprintf(text, sizeof(text), format, args);
    struct str message = str_from(len < 0 ? "" : text);
    while (str_ends(message, STR("\n")))
        message.len--;
    log_debug("admin_library", KV_STR("text", message));
}

static struct MHD_Daemon *start_daemon(struct door *door, int fd)
{
    const unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG;
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, ADMIN_CONNECTIONS_MAX, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, ADMIN_IDLE_S, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)ADMIN_HEAD_MAX_BYTES, NULL},
        {MHD_OPTION_THREAD_POOL_SIZE, ADMIN_THREADS, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* The logger comes first, so that it hears about the other options. */
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, door, MHD_OPTION_EXTERNAL_LOGGER,
                            on_library_message, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                            NULL, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
                            MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static struct err open_door(struct admin *a, int fd, bool is_unix)
{
    struct door *door = &a->doors[a->door_count];
    *door = (struct door){.api = &a->api, .is_unix = is_unix};
    door->daemon = start_daemon(door, fd);
    if (door->daemon == NULL)
        return fail(ERR_IO, errno);
    a->door_count++;
    return OK;
}

static struct err open_doors(struct admin *a, const struct admin_options *o, size_t *ret_opened)
{
    if (o->unix_fd >= 0) {
        TRY(open_door(a, o->unix_fd, true));
        (*ret_opened)++;
    }
    for (size_t i = 0; i < o->tcp_count; i++) {
        TRY(open_door(a, o->tcp_fds[i], false));
        (*ret_opened)++;
    }
    return OK;
}

/* Sockets that no daemon has taken over. */
static void close_rest(const struct admin_options *o, size_t opened)
{
    size_t first_tcp = o->unix_fd >= 0 ? 1 : 0;
    if (first_tcp == 1 && opened == 0)
        (void)close(o->unix_fd);
    for (size_t i = 0; i < o->tcp_count; i++) {
        if (first_tcp + i >= opened)
            (void)close(o->tcp_fds[i]);
    }
}

static struct err prepare(struct admin *a, const struct admin_options *o,
                          const struct admin_ports *ports)
{
    a->doors = mem_alloc(o->tcp_count + 1, sizeof(*a->doors));
    if (a->doors == NULL)
        return fail(ERR_MEMORY, 0);
    a->api.own_names = o->own_names;
    a->api.ports = *ports;
    a->api.started_at = clock_now_at();
    a->api.started_ms = clock_mono_ms();
    return auth_new(&a->api.auth);
}

struct err admin_start(struct store *s, const struct admin_options *o,
                       const struct admin_ports *ports, struct admin **ret_admin)
{
    size_t opened = 0;
    struct admin *a = mem_new(struct admin);
    struct err e = a == NULL ? fail(ERR_MEMORY, 0) : OK;
    if (!failed(e)) {
        a->api.store = s;
        e = prepare(a, o, ports);
    }
    if (!failed(e))
        e = open_doors(a, o, &opened);
    if (failed(e)) {
        close_rest(o, opened);
        admin_stop(a);
        return e;
    }
    *ret_admin = a;
    return OK;
}

void admin_stop(struct admin *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->door_count; i++)
        MHD_stop_daemon(a->doors[i].daemon);
    auth_free(a->api.auth);
    mem_free(a->doors);
    mem_free(a);
}

struct err admin_first_token(struct store *s, struct secret *ret_token, bool *ret_is_created)
{
    AUTO(arena_free) struct arena *a = arena_new(ADMIN_ARENA_BYTES, ADMIN_ARENA_MAX_BYTES);
    if (a == NULL)
        return fail(ERR_MEMORY, 0);
    AUTO(store_rollback) struct tx *tx = NULL;
    const struct token *const *tokens;
    const struct token *token;
    size_t count;
    *ret_is_created = false;
    TRY(store_begin(s, &tx));
    TRY(snapshot_tokens(tx_view(tx), a, &tokens, &count));
    if (count > 0)
        return OK;
    struct secret secret = {0};
    TRY(tx_token_create(tx, STR("first-start"), SCOPE_ADMIN, 0, &token, &secret));
    struct err e = store_commit(&tx);
    if (failed(e)) {
        secret_fini(&secret);
        return e;
    }
    *ret_token = secret;
    *ret_is_created = true;
    return OK;
}
