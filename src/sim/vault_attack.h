/* Crooked answers to a release, one at a time, for tests of those who must not believe them. */
#ifndef SIM_VAULT_ATTACK_H
#define SIM_VAULT_ATTACK_H

#include "base/err.h"

enum vault_attack {
    ATTACK_NONE,
    /* of the signature */
    ATTACK_WRONG_SIGNATURE, /* one bit of it */
    ATTACK_OTHER_ROOT,      /* sound, under a root that nobody trusts */
    ATTACK_OTHER_HOST,      /* sound, by a certificate for another host */
    ATTACK_ALG_NONE,        /* unsigned, with an empty third part */
    ATTACK_ALG_HS256,       /* an HMAC whose key is the certificate's public key */
    ATTACK_ALG_ES256,       /* sound, by a P-256 key, which vaults do not have */
    ATTACK_CRIT,            /* sound, with a critical header that nobody knows */
    ATTACK_GARBAGE_JWS,
    ATTACK_TWO_PARTS,
    ATTACK_NOT_JSON_PAYLOAD,
    /* of what is signed, soundly */
    ATTACK_OTHER_KEY_NAME,
    ATTACK_CORRUPTED_KEY_HSM, /* one bit of the wrapped key */
    ATTACK_WRONG_OAEP_HASH,   /* another hash than "enc" says */
    ATTACK_OTHER_WRAP_SIZE,   /* wrapped to an RSA-3072 key of nobody */
    ATTACK_SHORT_CIPHERTEXT,  /* shorter than the wrapping key's modulus */
    ATTACK_OTHER_KTY,         /* a key type that the material is not of */
    ATTACK_INCONSISTENT_RSA,  /* the last number of the key changed by one bit (RSA, EC) */
    ATTACK_UNKNOWN_ENC,
    N_ATTACKS
};

/* "none", "wrong_signature", … "unknown_enc"; static. */
const char *vault_attack_name(enum vault_attack attack);

/* "" is ATTACK_NONE. Fails: ERR_ARG. */
MUST_CHECK int vault_attack_parse(const char *name, enum vault_attack *out, struct err *e);

#endif
