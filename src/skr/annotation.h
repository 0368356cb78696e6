/*
 * Wrapping data to a key that only an attested group can have released: the annotation packet of
 * the key-provider protocol (contract.md §2.5, §2.6).
 */
#ifndef SKR_ANNOTATION_H
#define SKR_ANNOTATION_H

#include "codec/json.h"

/*
 * Reads <key_path>-info.json ({"public_key_path","kms_endpoint","attester_endpoint"}) and the
 * public key that it names, and wraps data with RSA-OAEP (SHA-256) to it. The key's name is the
 * last part of key_path. Appends the packet:
 * {"kid","wrapped_data","wrap_type":"rsa_3072","kms_endpoint","attester_endpoint"}
 * Fails: ERR_SYS (a file; named), ERR_PARSE (info file, key file), ERR_CHECK (data too long).
 */
MUST_CHECK int annotation_wrap(const char *key_path, struct span data, struct buf *out,
                               struct err *e);

/* The same from file to file; the packet in base64. No output file is left behind on failure. */
MUST_CHECK int annotation_wrap_file(const char *infile, const char *key_path, const char *outfile,
                                    struct err *e);

#endif
