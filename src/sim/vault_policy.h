/* Release policies as the vaults store them: parsed, brought to grammar 1.0.0, written anew. */
#ifndef SIM_VAULT_POLICY_H
#define SIM_VAULT_POLICY_H

#include "base/buf.h"

enum vault_product { VAULT_AKV, VAULT_HSM };

/*
 * Appends the compact JSON that the product would give back for this policy (protocols.md §2.3):
 * keywords in their usual case, the older "condition"/"value" pair as an operator, version "1.0"
 * or none as "1.0.0". AKV writes version before anyOf and authority before its conditions, and
 * takes the final slash off an authority; a Managed HSM sorts members by name.
 *
 * text  the decoded release_policy.data
 *
 * Fails: ERR_PARSE (no JSON, or not the grammar), ERR_CHECK (a version nobody knows), ERR_NOMEM.
 */
MUST_CHECK int vault_policy_normalise(enum vault_product product, struct span text, struct buf *out,
                                      struct err *e);

#endif
