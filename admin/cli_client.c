#include "admin/cli_client.h"

#include "gateway/base/limits.h"

#include <curl/curl.h>
#include <sys/un.h>

AUTO_DEFINE(curl_easy_cleanup, CURL *)
AUTO_DEFINE(curl_slist_free_all, struct curl_slist *)

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct cli_answer *answer = arg;
    return failed(buf_append(&answer->body, str_make(bytes, size * count))) ? 0 : size * count;
}

/* The socket in the data directory, or ERR_IO with words. */
static struct err find_socket(struct arena *a, struct str data_dir, struct str *ret_path,
                              struct str *ret_words)
{
    *ret_path = arena_fmt(a, "%.*s/admin.sock", STR_ARG(data_dir));
    if (ret_path->p == NULL)
        return fail(ERR_MEMORY, 0);
    if (ret_path->len < sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return OK;
    *ret_words =
        arena_fmt(a, "the path %s is too long for a socket; use a shorter --data", ret_path->p);
    return fail(ERR_IO, 0);
}

/* Where it goes: by socket or by URL. */
static struct err set_address(CURL *curl, struct arena *a, const struct cli_server *server,
                              const struct cli_request *request, struct str *ret_words)
{
    struct str base = STR("http://localhost");
    if (!str_is_empty(server->url)) {
        base = server->url;
        while (str_ends(base, STR("/")))
            base.len--;
    } else {
        struct str socket;
        TRY(find_socket(a, server->data_dir, &socket, ret_words));
        if (curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket.p) != CURLE_OK)
            return fail(ERR_MEMORY, 0);
    }
    struct str url = arena_fmt(a, "%.*s%.*s", STR_ARG(base), STR_ARG(request->path));
    if (url.p == NULL || curl_easy_setopt(curl, CURLOPT_URL, url.p) != CURLE_OK)
        return fail(ERR_MEMORY, 0);
    return OK;
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = line == NULL ? NULL : curl_slist_append(*list, line);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

static struct err make_headers(struct arena *a, const struct cli_server *server,
                               const struct cli_request *request, struct curl_slist **list)
{
    bool is_ok = add_header(list, "Expect:");
    if (!str_is_empty(request->body))
        is_ok = is_ok && add_header(list, "Content-Type: application/json");
    if (!str_is_empty(server->token))
        is_ok = is_ok &&
                add_header(
                    list, arena_fmt(a, "Authorization: Bearer %.*s", STR_ARG(server->token)).p);
    return is_ok ? OK : fail(ERR_MEMORY, 0);
}

static struct err set_options(CURL *curl, const struct cli_request *request,
                              struct curl_slist *headers, struct cli_answer *answer)
{
    CURLcode c = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    /* Proxies of the environment are for the outside, not for one's own gateway. */
    c = c ? c : curl_easy_setopt(curl, CURLOPT_PROXY, "");
    c = c ? c : curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CLI_CONNECT_LIMIT_MS);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)CLI_REQUEST_LIMIT_MS);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    c = c ? c : curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (!str_is_empty(request->body)) {
        c = c ? c
              : curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                 (curl_off_t)request->body.len);
        c = c ? c : curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.p);
    }
    return c == CURLE_OK ? OK : fail(ERR_MEMORY, (int32_t)c);
}

/* What to do about it is part of the sentence. */
static struct str explain(struct arena *a, const struct cli_server *server, CURLcode code)
{
    bool is_socket = str_is_empty(server->url);
    if (is_socket && (code == CURLE_COULDNT_CONNECT || code == CURLE_FAILED_INIT))
        return arena_fmt(
            a,
            "gatehouse is not running on %.*s, or you may not open its admin.sock\n"
            "  start it with:    gatehouse run --data %.*s\n"
            "  or look elsewhere: --data DIR, or --server URL --token TOKEN",
            STR_ARG(server->data_dir), STR_ARG(server->data_dir));
    if (is_socket)
        return arena_fmt(a, "%.*s/admin.sock: %s", STR_ARG(server->data_dir),
                         curl_easy_strerror(code));
    return arena_fmt(a, "%.*s: %s", STR_ARG(server->url), curl_easy_strerror(code));
}

struct err cli_client_transport(void *arg, struct arena *a, const struct cli_server *server,
                                const struct cli_request *request, struct cli_answer *answer)
{
    (void)arg;
    AUTO(curl_easy_cleanup) CURL *curl = curl_easy_init();
    AUTO(curl_slist_free_all) struct curl_slist *headers = NULL;
    long status = 0;
    if (curl == NULL)
        return fail(ERR_MEMORY, 0);
    TRY(set_address(curl, a, server, request, &answer->words));
    TRY(make_headers(a, server, request, &headers));
    TRY(set_options(curl, request, headers, answer));
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        answer->words = explain(a, server, code);
        return fail(ERR_IO, (int32_t)code);
    }
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (unsigned)status;
    return OK;
}
