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

/* own_name: this machine's host name, accepted in Host besides localhost and addresses;
 * may be empty.  A rebinding page cannot have it: its server has a name of its own. */
struct err guard_check(const struct admin_request *rq, struct str own_name,
                       const char **ret_why);
