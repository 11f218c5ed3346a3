/* guard.h - keeps web pages from driving the API through somebody's browser.
 *
 * Purpose: a page can make a browser send requests to 127.0.0.1 or, by DNS rebinding,
 *          under a name of its own.  A browser cannot hide it: Host names the page's
 *          server, Origin and Sec-Fetch-Site tell on cross-site requests.  Programs send
 *          none of these.
 * Thread:  any; a pure function of its arguments.
 * Fails:   ERR_WRONG_ORIGIN with the reason in ret_why (constant text). */
#pragma once

#include "admin/admin_request.h"

/* Accepted in Host besides localhost and addresses: this machine's host name, and those that
 * the operator gave.  A rebinding page cannot have one: its server has a name of its own. */
struct own_names {
    const struct str *items;
    size_t count;
};

struct err guard_check(const struct admin_request *rq, const struct own_names *own_names,
                       const char **ret_why);
