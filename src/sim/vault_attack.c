#include "sim/vault_attack.h"

#include "base/str.h"

#include <string.h>

static const char *const NAMES[N_ATTACKS] = {
    [ATTACK_NONE] = "none",
    [ATTACK_WRONG_SIGNATURE] = "wrong_signature",
    [ATTACK_OTHER_ROOT] = "other_root",
    [ATTACK_OTHER_HOST] = "other_host",
    [ATTACK_ALG_NONE] = "alg_none",
    [ATTACK_ALG_HS256] = "alg_hs256",
    [ATTACK_ALG_ES256] = "alg_es256",
    [ATTACK_CRIT] = "crit",
    [ATTACK_GARBAGE_JWS] = "garbage_jws",
    [ATTACK_TWO_PARTS] = "two_parts",
    [ATTACK_NOT_JSON_PAYLOAD] = "not_json_payload",
    [ATTACK_OTHER_KEY_NAME] = "other_key_name",
    [ATTACK_CORRUPTED_KEY_HSM] = "corrupted_key_hsm",
    [ATTACK_WRONG_OAEP_HASH] = "wrong_oaep_hash",
    [ATTACK_OTHER_WRAP_SIZE] = "other_wrap_size",
    [ATTACK_SHORT_CIPHERTEXT] = "short_ciphertext",
    [ATTACK_OTHER_KTY] = "other_kty",
    [ATTACK_INCONSISTENT_RSA] = "inconsistent_rsa",
    [ATTACK_UNKNOWN_ENC] = "unknown_enc",
};

const char *vault_attack_name(enum vault_attack attack)
{
    return NAMES[attack];
}

int vault_attack_parse(const char *name, enum vault_attack *out, struct err *e)
{
    if (str_is_empty(name)) {
        *out = ATTACK_NONE;
        return 0;
    }
    for (size_t i = 0; i < N_ATTACKS; i++) {
        if (strcmp(NAMES[i], name) == 0) {
            *out = (enum vault_attack)i;
            return 0;
        }
    }
    return err_set(e, ERR_ARG, "no attack of vaults has this name");
}
