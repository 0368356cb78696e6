/*
 * Which hosts and keys a caller may name. Hosts are allowed by suffix or by exact name; a key
 * reference is a grammar, never a piece of URL that is pasted in.
 */
#ifndef AZURE_ENDPOINT_H
#define AZURE_ENDPOINT_H

#include "base/buf.h"

enum endpoint_kind { ENDPOINT_MAA, ENDPOINT_AKV };

#define ENDPOINT_HOST_SIZE 256

struct endpoint {
    char host[ENDPOINT_HOST_SIZE];          /* lower case, for certificate checks */
    char authority[ENDPOINT_HOST_SIZE + 8]; /* host or host:port, for URLs */
    bool is_hsm;                            /* Managed HSM: by suffix, never by substring */
    char resource[80];      /* audience for tokens, e.g. "https://vault.azure.net"; AKV only */
    const char *login_host; /* Entra host of the same cloud, static */
};

/* Entries of a list: ".suffix" (one or more labels before it), "*.suffix" (the same) or an exact
 * name; with ":port" only that port, without one only the default port 443 — except loopback and
 * *.localhost entries that -insecure-dev adds, where any port goes. */
struct endpoint_allow {
    const char *const *maa; /* NULL-terminated; NULL: the built-in list of all Azure clouds */
    const char *const *akv;
    const char *const *kids; /* exact key names; NULL: any */
    bool insecure_dev;       /* adds 127.0.0.0/8, [::1], localhost and *.localhost on any port */
};

/*
 * text  "host", "host:port", "https://host", "https://host/"; trailing path other than "/", any
 *       other scheme, user information, query: refused
 * Fails: ERR_ARG (not a host), ERR_CHECK (host not allowed; the message names it).
 * In insecure_dev, "*.managedhsm.localhost" is a Managed HSM and "*.vault.localhost" a vault, with
 * the resources of the public cloud.
 */
MUST_CHECK int endpoint_parse(enum endpoint_kind kind, const char *text,
                              const struct endpoint_allow *allow, struct endpoint *out,
                              struct err *e);

/* A configured list entry is well formed. Fails: ERR_ARG. */
MUST_CHECK int endpoint_check_entry(const char *entry, struct err *e);

/* Writes the built-in list of suffixes for a start-up line; borrowed, NULL-terminated. */
const char *const *endpoint_default_list(enum endpoint_kind kind);

#define KEY_NAME_SIZE    128
#define KEY_VERSION_SIZE 33

struct key_ref {
    char name[KEY_NAME_SIZE];       /* 1..127 of letters, digits and '-' */
    char version[KEY_VERSION_SIZE]; /* 32 lower-case hexadecimal digits, or "" */
};

/*
 * kid: "name", "name/version" or "https://<the vault's host>/keys/name[/version]".
 * Fails: ERR_ARG (grammar, or a URL of another vault), ERR_CHECK (name not allowed).
 */
MUST_CHECK int key_ref_parse(const char *kid, const struct endpoint *vault,
                             const struct endpoint_allow *allow, struct key_ref *out,
                             struct err *e);

/* "name" or "name/version" into out. */
void key_ref_format(const struct key_ref *k, char out[static KEY_NAME_SIZE + KEY_VERSION_SIZE]);

/* The URL a vault answered names this key: same host (ports do not count), same name (ASCII case
 * folded, as vaults do), and the same version where one was asked for. */
bool key_ref_matches_url(const struct key_ref *k, const struct endpoint *vault, const char *url);

#endif
