"""Keys of every kind, imported into both products, come out as what went in; judged by jwcrypto and cryptography."""
import base64
import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwcrypto import jwk as jose

from conftest import b64u, failed, unb64


def jose_private(key):
    return json.loads(jose.JWK.from_pyca(key).export(private_key=True, as_dict=False))


@pytest.mark.parametrize("hsm", [False, True], ids=["vault", "managed-hsm"])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_symmetric_keys_come_back(cloud, skr, hsm, size):
    value = os.urandom(size)
    cloud.import_oct("sym", value, hsm=hsm)
    got = skr.jwk("sym", hsm=hsm)
    assert got["kty"] == "oct" and got["k"] == b64u(value)


@pytest.mark.parametrize("hsm", [False, True], ids=["vault", "managed-hsm"])
@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_rsa_keys_come_back(cloud, skr, hsm, bits):
    want = jose_private(rsa.generate_private_key(65537, bits))
    cloud.import_key("rsa", dict(want, kty="RSA-HSM", key_ops=["encrypt", "decrypt"]), hsm=hsm)
    got = skr.jwk("rsa", hsm=hsm)
    assert {k: v for k, v in got.items() if k != "key_ops"} == {k: v for k, v in want.items() if k not in ("kid", "key_ops")}
    assert got["key_ops"] == ["encrypt", "decrypt"]


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda c: c.name)
def test_elliptic_keys_come_back(cloud, skr, curve):
    want = jose_private(ec.generate_private_key(curve))
    cloud.import_key("ec", dict(want, kty="EC-HSM"))
    got = skr.jwk("ec")
    assert {k: got[k] for k in ("kty", "crv", "x", "y", "d")} == {k: want[k] for k in ("kty", "crv", "x", "y", "d")}
    assert jose.JWK(**{k: v for k, v in got.items() if k != "key_ops"}).has_private


def test_members_are_sorted_and_compact(cloud, skr):
    r = skr.release()
    assert r.headers["cache-control"] == "no-store"
    text = r.json["key"]
    assert text == json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True)


def test_a_key_is_named_in_three_ways(cloud, skr):
    url = cloud.import_oct("named", b"A" * 32)
    version = url.rsplit("/", 1)[1]
    for kid in ("named", f"named/{version}", url, url.rsplit("/", 1)[0]):
        assert skr.jwk(kid)["k"] == b64u(b"A" * 32), kid


def test_an_older_version_is_released_by_its_name(cloud, skr):
    first = cloud.import_oct("twice", b"1" * 32).rsplit("/", 1)[1]
    cloud.import_oct("twice", b"2" * 32)
    assert skr.jwk("twice")["k"] == b64u(b"2" * 32)
    assert skr.jwk(f"twice/{first}")["k"] == b64u(b"1" * 32)


def test_the_caller_s_token_is_used_and_no_other(cloud, skr):
    token = cloud.token()
    cloud.control("DELETE", "/journal")
    skr.jwk(token=token)
    assert not cloud.journal("imds")


def test_each_release_has_a_key_and_an_attestation_of_its_own(cloud, skr):
    for _ in range(3):
        skr.jwk()
    seen = {unb64(json.loads(x["body"])["runtimeData"]["data"]) for x in cloud.journal("maa")}
    assert len(seen) == 3
    for text in seen:
        key = json.loads(text)["keys"][0]
        assert text.decode() == '{"keys":[{"e":"AQAB","key_ops":["encrypt"],"kid":"%s","kty":"RSA","n":"%s"}]}' % (key["kid"], key["n"])
        assert jose.JWK(**key).thumbprint() == key["kid"]


def test_attestation_tokens_are_for_the_caller_s_data(cloud, skr):
    data = b'{"nonce": "abc",  "list": [1, 2]}'
    r = skr.attest(data)
    assert r.status == 200 and list(r.json) == ["token"]
    claims = json.loads(unb64(r.json["token"].split(".")[1]))
    import hashlib
    assert claims["x-ms-runtime"] == json.loads(data)
    assert claims["x-ms-sevsnpvm-reportdata"] == hashlib.sha256(data).hexdigest() + "00" * 32
    assert claims["x-ms-sevsnpvm-hostdata"] == cloud.host_data()


def test_combined_evidence_has_four_members_in_order(cloud, skr):
    r = skr.combined(b"data")
    assert r.status == 200 and list(r.json) == ["endorsed_tcb", "endorsements", "evidence", "uvm_endorsements"]
    assert base64.b64decode(r.json["endorsements"]).count(b"BEGIN CERTIFICATE") == 3
    assert len(base64.b64decode(r.json["evidence"])) == 1184


def test_every_answer_of_development_mode_is_marked(cloud, skr):
    for r in (skr.get("/status"), skr.raw(), skr.get("/nothing"), skr.post("/key/release", b"{"), skr.get("/metrics")):
        assert r.headers.get("x-insecure-dev") == "true", r


def test_a_kid_with_tricks_is_refused_before_anything_is_asked(cloud, skr):
    version = "0" * 32
    for kid in ("../secrets/x", "a/b/c", "a?x=1", "a#b", "a%2fb", "a b", "a\n", "", "a" * 128, "key1/", "key1/..", "key1/" + version.upper()[:31],
                f"https://other.vault.localhost/keys/key1", f"https://{cloud.akv}/secrets/key1", f"https://{cloud.akv}@evil/keys/key1",
                f"http://{cloud.akv}/keys/key1", "key1/release", "k\u00e9y"):
        failed(skr.release(kid), 400, "invalid_request", "request")
    assert not cloud.journal()


def test_hosts_outside_the_list_are_refused_before_anything_is_asked(cloud, skr):
    bad = ["example.com", "evilvault.azure.net", "v.vault.azure.net.evil.example.com", "vault.azure.net.", "user@v.vault.azure.net",
           "v.vault.azure.net:8443", "169.254.169.254", "v.vault.azure.net/../x", "v.vault.azure.net?x", "a..vault.azure.net"]
    for host in bad:
        d = failed(skr.release(akv=host), 400, stage="request")
        assert d["code"] in ("host_not_allowed", "invalid_request"), d
    for host in ("example.com", "evilattest.azure.net", "m.attest.azure.net.evil.example.com", "v.vault.azure.net"):
        failed(skr.release(maa=host), 400, stage="request")
        failed(skr.attest(maa=host), 400, stage="request")
    assert not cloud.journal()


def test_the_configuration_replaces_the_list_of_hosts_and_keys(cloud, start):
    s = start(config={"allow": {"maa": ["*.attest.example"], "akv": ["one.vault.azure.net"], "kids": ["key1"]}})
    failed(s.release(akv="two.vault.azure.net"), 400, "host_not_allowed")
    failed(s.attest(maa="m.attest.azure.net"), 400, "host_not_allowed")
    failed(s.release("key2"), 400, stage="request")
    assert s.jwk()["kty"] == "oct"  # development mode adds the local cloud
