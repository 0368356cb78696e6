"""A vault that answers crookedly: no key comes out, and the error says what is wrong."""
import pytest

from conftest import failed

ATTACKS = {  # name -> (code, stage)
    "wrong_signature": ("upstream_invalid", "release"), "other_root": ("upstream_invalid", "release"), "other_host": ("upstream_invalid", "release"),
    "alg_none": ("upstream_invalid", "release"), "alg_hs256": ("upstream_invalid", "release"), "alg_es256": ("upstream_invalid", "release"),
    "other_key_name": ("upstream_invalid", "release"), "corrupted_key_hsm": (None, None), "wrong_oaep_hash": ("unwrap_failed", "unwrap"),
    "other_wrap_size": ("unwrap_failed", "unwrap"), "short_ciphertext": ("unwrap_failed", "unwrap"), "other_kty": (None, None),
    "crit": ("upstream_invalid", "release"), "garbage_jws": ("upstream_invalid", "release"), "two_parts": ("upstream_invalid", "release"),
    "not_json_payload": ("upstream_invalid", "release"), "unknown_enc": ("upstream_invalid", "release"),
}


@pytest.mark.parametrize("hsm", [False, True], ids=["vault", "managed-hsm"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_no_key_comes_out(cloud, skr, attack, hsm):
    cloud.import_oct("key1", hsm=hsm)
    cloud.set(vault={"attack": attack})
    r = skr.release(hsm=hsm)
    code, stage = ATTACKS[attack]
    d = failed(r, 502, code, stage, retryable=False)
    assert d["code"] in ("upstream_invalid", "unwrap_failed")
    cloud.set(vault={"attack": None})
    assert skr.jwk(hsm=hsm)["kty"] == "oct"


def test_an_rsa_key_with_numbers_that_do_not_belong_together(cloud, skr):
    import json
    from cryptography.hazmat.primitives.asymmetric import rsa
    from jwcrypto import jwk
    key = json.loads(jwk.JWK.from_pyca(rsa.generate_private_key(65537, 2048)).export(private_key=True))
    cloud.import_key("rsa", dict(key, kty="RSA-HSM"))
    cloud.set(vault={"attack": "inconsistent_rsa"})
    failed(skr.release("rsa"), 502, "unwrap_failed", "unwrap")
