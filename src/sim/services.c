#include "sim/services.h"

#include "base/str.h"
#include "sim/sim_entra.h"
#include "sim/sim_imds.h"
#include "sim/sim_maa.h"
#include "sim/sim_psp.h"
#include "sim/sim_vault.h"

#include <string.h>

static bool is_under(const struct sim_request *req, const char *prefix)
{
    return req->listener == SIM_PLAIN && strncasecmp(req->path, prefix, strlen(prefix)) == 0;
}

static bool is_host(const struct sim *sim, const struct sim_request *req, enum names_family family)
{
    return req->listener == SIM_TLS && names_match(sim->config->names, family, req->host);
}

static bool is_thim(const struct sim *sim, const struct sim_request *req)
{
    (void)sim;
    return is_under(req, "/metadata/THIM/");
}

static bool is_imds(const struct sim *sim, const struct sim_request *req)
{
    (void)sim;
    return is_under(req, "/metadata/");
}

static bool is_psp(const struct sim *sim, const struct sim_request *req)
{
    (void)sim;
    return is_under(req, "/psp/");
}

static bool is_entra(const struct sim *sim, const struct sim_request *req)
{
    return is_host(sim, req, NAMES_LOGIN);
}

static bool is_maa(const struct sim *sim, const struct sim_request *req)
{
    return is_host(sim, req, NAMES_MAA);
}

static bool is_akv(const struct sim *sim, const struct sim_request *req)
{
    return is_host(sim, req, NAMES_AKV);
}

static bool is_hsm(const struct sim *sim, const struct sim_request *req)
{
    return is_host(sim, req, NAMES_HSM);
}

static const char *const IMDS_OPS[] = { "token", "other", NULL };
static const char *const THIM_OPS[] = { "certification", "other", NULL };
static const char *const ENTRA_OPS[] = {
    "openid-configuration", "token", "keys", "instance", "other", NULL
};
static const char *const PSP_OPS[] = { "report", "other", NULL };

static const char *const MAA_OPS[] = { "attest", "certs", "openid-configuration", "other", NULL };
static const char *const VAULT_OPS[] = { "import", "create",  "update", "versions",
                                         "get",    "release", "other",  NULL };

static const struct sim_service TABLE[] = {
    { "thim", THIM_OPS, is_thim, sim_thim_op, sim_thim_handle },
    { "imds", IMDS_OPS, is_imds, sim_imds_op, sim_imds_handle },
    { "psp", PSP_OPS, is_psp, sim_psp_op, sim_psp_handle },
    { "entra", ENTRA_OPS, is_entra, sim_entra_op, sim_entra_handle },
    { "maa", MAA_OPS, is_maa, sim_maa_op, sim_maa_handle },
    { "akv", VAULT_OPS, is_akv, sim_vault_op, sim_vault_handle },
    { "mhsm", VAULT_OPS, is_hsm, sim_vault_op, sim_vault_handle },
    { 0 },
};

const struct sim_service *services_table(void)
{
    return TABLE;
}

const struct sim_service *services_find(const struct sim *sim, const struct sim_request *req)
{
    for (const struct sim_service *s = TABLE; s->name != NULL; s++)
        if (s->matches(sim, req))
            return s;
    return NULL;
}

const struct sim_service *services_by_name(const char *name)
{
    for (const struct sim_service *s = TABLE; s->name != NULL; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

int services_open(struct sim *sim, struct err *e)
{
    return sim_maa_new(sim, &sim->maa, e) != 0 ? -1 : sim_vault_new(sim, &sim->vault, e);
}

int services_reset(struct sim *sim, struct err *e)
{
    (void)e;
    sim_vault_reset(sim);
    return 0;
}

void services_close(struct sim *sim)
{
    sim_vault_free(sim->vault);
    sim_maa_free(sim->maa);
}
