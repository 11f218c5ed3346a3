/* cli_acme.c - gatehouse acme show | set | account, and gatehouse settings show | set */
#include "admin/cli_object.h"
#include "store/model.h"

#include "gateway/base/json.h"

static enum cli_exit show_acme(struct cli *cli)
{
    return cli_object_show(cli, STR("/v1/acme"), cli_object_print_members);
}

static enum cli_exit set_acme(struct cli *cli)
{
    return cli_object_set(cli, STR("/v1/acme"), acme_settings_shape, 0);
}

static enum cli_exit account(struct cli *cli)
{
    return cli_object_show(cli, STR("/v1/acme/account"), cli_object_print_members);
}

static enum cli_exit show_settings(struct cli *cli)
{
    return cli_object_show(cli, STR("/v1/settings"), cli_object_print_members);
}

static enum cli_exit set_settings(struct cli *cli)
{
    return cli_object_set(cli, STR("/v1/settings"), settings_shape, 0);
}

/* clang-format off */
const struct cli_command cli_acme_commands[] = {
    {.name = "show", .arguments = "", .summary = "Show where certificates come from.",
     .fn = show_acme},
    {.name = "set", .arguments = "NAME=VALUE...", .least = 1, .most = -1,
     .summary = "Change where certificates come from.",
     .more =
        "Examples:\n"
        "  gatehouse acme set tos_agreed=true contact=mailto:ops@example.org\n"
        "  gatehouse acme set directory=https://acme-v02.api.letsencrypt.org/directory\n"
        "  gatehouse acme set directory=https://ca.lan/acme/dir ca_bundle=@ca.pem\n"
        "  gatehouse acme set eab.kid=KID eab.hmac=@hmac.txt\n",
     .fn = set_acme},
    {.name = "account", .arguments = "",
     .summary = "Show the account at the certificate authority.", .fn = account},
    {.name = NULL},
};
/* clang-format on */

/* clang-format off */
const struct cli_command cli_settings_commands[] = {
    {.name = "show", .arguments = "", .summary = "Show the settings of the whole gateway.",
     .fn = show_settings},
    {.name = "set", .arguments = "NAME=VALUE...", .least = 1, .most = -1,
     .summary = "Change settings of the whole gateway.",
     .more =
        "Examples:\n"
        "  gatehouse settings set trusted_proxies=10.0.0.0/8,fd00::/8\n"
        "  gatehouse settings set unknown_host=404 tls_min_version=1.3\n",
     .fn = set_settings},
    {.name = NULL},
};
/* clang-format on */
