#include "sim/names.h"

#include "base/str.h"

#include <string.h>

struct family {
    const char *suffix;    /* of the family's members, or the only member */
    const char *preferred; /* what clients are told to use */
};

static const struct family FAMILIES[][NAMES_N_FAMILIES] = {
    [NAMES_LOCALHOST] = {
        [NAMES_MAA] = { ".attest.localhost", "sim.attest.localhost" },
        [NAMES_AKV] = { ".vault.localhost", "sim.vault.localhost" },
        [NAMES_HSM] = { ".managedhsm.localhost", "sim.managedhsm.localhost" },
        [NAMES_LOGIN] = { "login.localhost", "login.localhost" },
    },
    [NAMES_AZURE] = {
        [NAMES_MAA] = { ".attest.azure.net", "sharedneu.neu.attest.azure.net" },
        [NAMES_AKV] = { ".vault.azure.net", "sim.vault.azure.net" },
        [NAMES_HSM] = { ".managedhsm.azure.net", "sim.managedhsm.azure.net" },
        [NAMES_LOGIN] = { "login.microsoftonline.com", "login.microsoftonline.com" },
    },
};

/* A wildcard stands for one label, and attestation services have their region as a second one. */
static const char *const LOCALHOST_CERTIFICATE[] = {
    "*.attest.localhost",
    "*.neu.attest.localhost",
    "*.vault.localhost",
    "*.managedhsm.localhost",
    "login.localhost",
    "localhost",
    NULL,
};

static const char *const AZURE_CERTIFICATE[] = {
    "*.attest.azure.net",
    "*.neu.attest.azure.net",
    "*.weu.attest.azure.net",
    "*.eus.attest.azure.net",
    "*.eus2.attest.azure.net",
    "*.wus.attest.azure.net",
    "*.wus2.attest.azure.net",
    "*.wus3.attest.azure.net",
    "*.uks.attest.azure.net",
    "*.ukw.attest.azure.net",
    "*.cus.attest.azure.net",
    "*.cae.attest.azure.net",
    "*.sasia.attest.azure.net",
    "*.jpe.attest.azure.net",
    "*.eus2.test.attest.azure.net",
    "*.vault.azure.net",
    "*.managedhsm.azure.net",
    "login.microsoftonline.com",
    NULL,
};

int names_kind_parse(const char *text, enum names_kind *out, struct err *e)
{
    if (strcmp(text, "localhost") == 0)
        *out = NAMES_LOCALHOST;
    else if (strcmp(text, "azure") == 0)
        *out = NAMES_AZURE;
    else
        return err_set(e, ERR_ARG, "unknown kind of names \"%.40s\": use localhost or azure", text);
    return 0;
}

bool names_match(enum names_kind kind, enum names_family family, const char *host)
{
    const char *suffix = FAMILIES[kind][family].suffix;

    if (suffix[0] != '.')
        return strcmp(host, suffix) == 0;
    return host[0] != '.' && strlen(host) > strlen(suffix) && str_ends_with(host, suffix);
}

const char *names_default_host(enum names_kind kind, enum names_family family)
{
    return FAMILIES[kind][family].preferred;
}

const char *const *names_certificate(enum names_kind kind)
{
    return kind == NAMES_AZURE ? AZURE_CERTIFICATE : LOCALHOST_CERTIFICATE;
}
