/* cli_acme.c - gatehouse acme show | set | account, and gatehouse settings show | set */
#include "admin/cli_object.h"
#include "gateway/base/json.h"
#include "store/model.h"

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

const struct cli_command cli_acme_commands[] = {
    {"show", "", 0, 0, NULL, "Show where certificates come from.", NULL, show_acme},
    {"set", "NAME=VALUE...", 1, -1, NULL, "Change where certificates come from.",
     "Examples:\n"
     "  gatehouse acme set tos_agreed=true contact=mailto:ops@example.org\n"
     "  gatehouse acme set directory=https://acme-staging-v02.api.letsencrypt.org/directory\n"
     "  gatehouse acme set directory=https://ca.lan/acme/dir ca_bundle=@ca.pem\n"
     "  gatehouse acme set eab.kid=KID eab.hmac=@hmac.txt\n",
     set_acme},
    {"account", "", 0, 0, NULL, "Show the account at the certificate authority.", NULL, account},
    {.name = NULL},
};

const struct cli_command cli_settings_commands[] = {
    {"show", "", 0, 0, NULL, "Show the settings of the whole gateway.", NULL, show_settings},
    {"set", "NAME=VALUE...", 1, -1, NULL, "Change settings of the whole gateway.",
     "Examples:\n"
     "  gatehouse settings set trusted_proxies=10.0.0.0/8,fd00::/8\n"
     "  gatehouse settings set unknown_host=404 tls_min_version=1.3\n",
     set_settings},
    {.name = NULL},
};
