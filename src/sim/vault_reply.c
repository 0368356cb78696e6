#include "sim/vault_reply.h"

#include "base/random.h"
#include "base/str.h"
#include "sim/sim_token.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define REGION "westeurope"

const char *vault_audience(enum vault_product product)
{
    return product == VAULT_HSM ? "https://managedhsm.azure.net" : "https://vault.azure.net";
}

/* RFC 4122, version 4. */
static void make_uuid(char out[static VAULT_REQUEST_ID_SIZE])
{
    uint8_t r[16];

    random_fill(r, sizeof(r));
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    snprintf(out, VAULT_REQUEST_ID_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1],
             r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14],
             r[15]);
}

int vault_reply_begin(struct vault_call *c, struct err *e)
{
    static const struct sim_header akv[] = {
        { "Cache-Control", "no-cache" },
        { "Pragma", "no-cache" },
        { "Expires", "-1" },
        { "x-ms-keyvault-region", REGION },
        { "x-ms-keyvault-service-version", "1.9.2489.1" },
        { "X-Content-Type-Options", "nosniff" },
        { "Strict-Transport-Security", "max-age=31536000;includeSubDomains" },
    };
    static const struct sim_header hsm[] = {
        { "cache-control", "no-cache" },
        { "content-security-policy", "default-src 'self'" },
        { "x-content-type-options", "nosniff" },
        { "x-frame-options", "SAMEORIGIN" },
        { "x-ms-keyvault-region", REGION },
        { "x-ms-server-latency", "1" },
    };
    const bool is_hsm = c->product == VAULT_HSM;
    const struct sim_header *h = is_hsm ? hsm : akv;
    const char *client_id = sim_request_header(c->req, "x-ms-client-request-id");

    make_uuid(c->request_id);
    for (size_t i = 0; i < (is_hsm ? ARRAY_LEN(hsm) : ARRAY_LEN(akv)); i++)
        if (sim_reply_header(c->reply, h[i].name, h[i].value, e) != 0)
            return -1;
    if (!is_hsm && client_id != NULL &&
        sim_reply_header(c->reply, "x-ms-client-request-id", client_id, e) != 0)
        return -1;
    return sim_reply_header(c->reply, "x-ms-request-id", c->request_id, e);
}

static int answer(struct vault_call *c, int status, json_t *value, struct err *e)
{
    CLEANUP(json_freep) json_t *owned = value;
    CLEANUP(buf_done) struct buf text = { 0 };

    if (owned == NULL)
        return err_nomem(e);
    if (json_format(owned, c->product == VAULT_HSM, &text, e) != 0)
        return -1;
    return sim_reply_bytes(c->reply, status, "application/json; charset=utf-8", buf_span(&text), e);
}

int vault_reply_ok(struct vault_call *c, json_t *value, struct err *e)
{
    sim_reply_verdict(c->reply, "ok");
    return answer(c, 200, value, e);
}

/* "AKV.SKR.1004: Exportable keys must have release policy." without its first and last piece. */
static struct span without_akv(const char *message)
{
    const char *start = message;

    if (str_starts_with(message, "AKV") && strstr(message, ": ") != NULL)
        start = strstr(message, ": ") + 2;
    const size_t n = strlen(start);
    return span_of(start, n > 0 && start[n - 1] == '.' ? n - 1 : n);
}

int vault_reply_refuse(struct vault_call *c, int status, const char *code, const char *inner,
                       const char *message, struct err *e)
{
    CLEANUP(str_freep) char *text = NULL;

    if (c->product == VAULT_HSM) {
        const struct span plain = without_akv(message);
        if (str_printf(&text, e, "%.*s (Activity ID: %s)", (int)plain.n, (const char *)plain.p,
                       c->request_id) != 0)
            return -1;
    } else if (str_dup(message, &text, e) != 0) {
        return -1;
    }
    if (c->reply->verdict[0] == '\0')
        sim_reply_verdict(c->reply, "%s: %s", inner != NULL ? inner : code, message);
    json_t *error = json_pack("{s:s, s:s}", "code", code, "message", text);
    if (error != NULL && inner != NULL &&
        json_object_set_new(error, "innererror", json_pack("{s:s}", "code", inner)) != 0) {
        json_decref(error);
        return err_nomem(e);
    }
    return answer(c, status, json_pack("{s:o}", "error", error), e);
}

int vault_reply_bad_parameter(struct vault_call *c, struct err *e)
{
    CLEANUP(str_freep) char *message = NULL;

    if (e->code != ERR_ARG && e->code != ERR_PARSE && e->code != ERR_CHECK)
        return -1;
    if (str_dup(e->msg, &message, e) != 0)
        return -1;
    return vault_reply_refuse(c, 400, "BadParameter", NULL, message, e);
}

/* The port of the cloud, which the token service shares; ":443" is never written. */
static const char *port_of(const struct sim_request *req)
{
    const char *colon = strrchr(req->authority, ':');

    return colon != NULL ? colon : "";
}

int vault_reply_challenge(struct vault_call *c, const char *message, struct err *e)
{
    CLEANUP(str_freep) char *challenge = NULL;
    const char *login = names_default_host(c->sim->config->names, NAMES_LOGIN);

    if (str_printf(&challenge, e, "Bearer authorization=\"https://%s%s/%s\", resource=\"%s\"",
                   login, port_of(c->req), SIM_TOKEN_TENANT, vault_audience(c->product)) != 0)
        return -1;
    if (c->product == VAULT_HSM) {
        sim_reply_verdict(c->reply, "Unauthorized: %s", message);
        return sim_reply_header(c->reply, "www-authenticate", challenge, e) != 0
                   ? -1
                   : sim_reply_bytes(c->reply, 401, NULL, span_of(NULL, 0), e);
    }
    return sim_reply_header(c->reply, "WWW-Authenticate", challenge, e) != 0
               ? -1
               : vault_reply_refuse(c, 401, "Unauthorized", NULL, message, e);
}

static int vault_name(const struct vault_call *c)
{
    return (int)strcspn(c->req->host, ".");
}

int vault_reply_forbidden(struct vault_call *c, const char *action, struct err *e)
{
    CLEANUP(str_freep) char *message = NULL;

    if (c->product == VAULT_HSM) {
        if (str_printf(&message, e,
                       "Not authorized to access Microsoft.KeyVault/managedHsm/keys/%s on /keys/%s",
                       action, c->name) != 0)
            return -1;
        return vault_reply_refuse(c, 403, "AccessDenied", NULL, message, e);
    }
    if (str_printf(&message, e,
                   "Caller is not authorized to perform action on resource.\r\n"
                   "If role assignments, deny assignments or role definitions were changed "
                   "recently, please observe propagation time.\r\n"
                   "Caller: appid=%s;oid=%s;iss=https://sts.windows.net/%s/\r\n"
                   "Action: 'Microsoft.KeyVault/vaults/keys/%s'\r\n"
                   "Resource: '/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/"
                   "cloudsim/providers/microsoft.keyvault/vaults/%.*s/keys/%s'\r\n"
                   "Assignment: (not found)\r\nDenyAssignmentId: null\r\n"
                   "DecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: %.*s;location=" REGION
                   "\r\n",
                   SIM_TOKEN_CLIENT, SIM_TOKEN_CLIENT, SIM_TOKEN_TENANT, action, vault_name(c),
                   c->req->host, c->name, vault_name(c), c->req->host) != 0)
        return -1;
    sim_reply_verdict(c->reply, "ForbiddenByRbac: no role for %s", action);
    return vault_reply_refuse(c, 403, "Forbidden", "ForbiddenByRbac", message, e);
}

int vault_reply_not_found(struct vault_call *c, struct err *e)
{
    CLEANUP(str_freep) char *message = NULL;

    if (c->product == VAULT_HSM ? str_printf(&message, e, "Key not found: %s", c->name) != 0
                                : str_printf(&message, e,
                                             "A key with (name/id) %s%s%s was not found in this "
                                             "key vault. If you recently deleted this key you may "
                                             "be able to recover it using the correct recovery "
                                             "command. For help resolving this issue, please see "
                                             "https://go.microsoft.com/fwlink/?linkid=2125182",
                                             c->name, str_is_empty(c->version) ? "" : "/",
                                             str_is_empty(c->version) ? "" : c->version) != 0)
        return -1;
    return vault_reply_refuse(c, 404, "KeyNotFound", NULL, message, e);
}
