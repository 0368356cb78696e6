"""Releases of the simulated vaults as jwcrypto, cryptography and the openssl command see them."""

import base64
import concurrent.futures
import functools
import hashlib
import json
import re
import subprocess

import cloudsim

if __name__ == "__main__":
    cloudsim.need("jwcrypto", "cryptography")
    cloudsim.judge(__file__)

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from jwcrypto import jwk, jws

HASHES = {"CKM_RSA_AES_KEY_WRAP": hashes.SHA1, "RSA_AES_KEY_WRAP_256": hashes.SHA256,
          "RSA_AES_KEY_WRAP_384": hashes.SHA384}
OCT = bytes(range(32))
WRAP = rsa.generate_private_key(65537, 2048)


def number(n):
    return cloudsim.b64u(n.to_bytes((n.bit_length() + 7) // 8, "big"))


def wrap_jwk(**members):
    public = WRAP.public_key().public_numbers()
    return dict({"e": "AQAB", "key_ops": ["encrypt"], "kid": "wrap", "kty": "RSA",
                 "n": number(public.n)}, **members)


RUNTIME = json.dumps({"keys": [wrap_jwk()]}, separators=(",", ":")).encode()


@pytest.fixture(scope="module")
def cloud():
    with cloudsim.Cloudsim() as c:
        yield c


@pytest.fixture(autouse=True)
def clean(cloud):
    yield
    cloud.reset()


@pytest.fixture(params=["akv", "hsm"])
def vault(cloud, request):
    return getattr(cloud, request.param)


def is_hsm(authority):
    return "managedhsm" in authority


def policy(cloud, *conditions):
    conditions = conditions or ({"claim": "x-ms-sevsnpvm-is-debuggable", "equals": "false"},
                                {"claim": "x-ms-sevsnpvm-vmpl", "equals": "0"})
    return {"version": "1.0.0",
            "anyOf": [{"authority": "https://" + cloud.maa, "allOf": list(conditions)}]}


def exportable(cloud, rules=None, **more):
    data = base64.b64encode(json.dumps(rules or policy(cloud)).encode()).decode()
    return {"attributes": {"exportable": True},
            "release_policy": {"contentType": "application/json; charset=utf-8", "data": data,
                               **more}}


def oct_body(cloud, rules=None, **more):
    return {"key": {"kty": "oct-HSM", "key_ops": ["encrypt", "decrypt"], "k": cloudsim.b64u(OCT),
                    "key_size": 256}, "hsm": True, **exportable(cloud, rules, **more)}


@functools.lru_cache
def fresh(kind):
    return jwk.JWK.generate(kty="RSA", size=2048) if kind == "RSA" \
        else jwk.JWK.generate(kty="EC", crv=kind)


def pair(kind):
    """A key and its members, which the caller may change."""
    key = fresh(kind)
    members = key.export(as_dict=True)
    members.pop("kid", None)
    return key, members


def imported(cloud, vault, body, name="key"):
    answer = cloud.vault(vault, "PUT", "/keys/" + name, body)
    assert answer.status == 200, answer.body
    return answer.json


def release(cloud, vault, path="/keys/key/release", token=None, **more):
    return cloud.vault(vault, "POST", path, {"target": token or cloud.token(RUNTIME), **more})


def check_chain(cloud, header, host, tmp_path):
    """openssl builds the chain to the cloud's CA for the host; cryptography looks at the names."""
    certs = [x509.load_der_x509_certificate(base64.b64decode(c, validate=True))
             for c in header["x5c"]]
    assert len(certs) == 3
    for i, cert in enumerate(certs):
        (tmp_path / str(i)).write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    with open(cloud.dir + "/ca.pem", "rb") as f:
        assert x509.load_pem_x509_certificate(f.read()) == certs[2]
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", "2", "-untrusted", "1",
                           "-purpose", "sslserver", "-verify_hostname", host, "0"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.stdout == "0: OK\n", done.stderr
    ext = certs[0].extensions
    assert ExtendedKeyUsageOID.SERVER_AUTH in \
        ext.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    names = ext.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    wanted = ["*." + host, host] if is_hsm(host) \
        else ["vault.localhost", "*.vault.localhost", "*.vaultcore.localhost"]
    assert names.get_values_for_type(x509.DNSName) == wanted
    return certs[0]


def check_thumbprints(header, leaf, hsm):
    der = leaf.public_bytes(serialization.Encoding.DER)
    sha1, sha256 = hashlib.sha1(der).digest(), hashlib.sha256(der).digest()
    if hsm:
        assert list(header) == ["alg", "kid", "x5c", "x5t#S256"]
        assert header["kid"] == header["x5t#S256"] == cloudsim.b64u(sha256)
    else:
        assert list(header) == ["alg", "kid", "x5t", "typ", "x5t#S256", "x5c"]
        assert header["kid"] == sha1.hex().upper() and header["x5t"] == cloudsim.b64u(sha1)
        assert header["x5t#S256"] == cloudsim.b64u(sha256)


def opened(cloud, vault, value, tmp_path):
    """The payload of an answer that everybody else's software accepts."""
    host = vault.split(":")[0]
    header = json.loads(cloudsim.unb64u(value.split(".")[0]))
    leaf = check_chain(cloud, header, host, tmp_path)
    check_thumbprints(header, leaf, is_hsm(vault))
    signed = jws.JWS()
    signed.deserialize(value)
    signed.verify(jwk.JWK.from_pem(leaf.public_bytes(serialization.Encoding.PEM)), alg="RS256")
    return json.loads(signed.payload)


def unwrapped(payload):
    blob = json.loads(cloudsim.unb64u(payload["response"]["key"]["key"]["key_hsm"]))
    assert blob["schema_version"] == "1.0"
    assert blob["header"] == {"kid": "wrap", "alg": "dir", "enc": payload["request"]["enc"]}
    text = cloudsim.unb64u(blob["ciphertext"])
    algorithm = HASHES[payload["request"]["enc"]]()
    kek = WRAP.decrypt(text[:256], padding.OAEP(padding.MGF1(algorithm), algorithm, None))
    assert len(kek) == 32
    return keywrap.aes_key_unwrap_with_padding(kek, text[256:])


@pytest.mark.parametrize("enc", [None] + list(HASHES))
@pytest.mark.parametrize("kind", ["oct", "RSA", "P-256", "P-384"])
def test_releases_what_was_imported(cloud, vault, tmp_path, kind, enc):
    if kind == "oct":
        body = oct_body(cloud)
    else:
        key, members = pair(kind)
        kty = members.pop("kty")
        body = {"key": dict(members, kty=kty + "-HSM"), "hsm": True, **exportable(cloud)}
    bundle = imported(cloud, vault, body)
    answer = release(cloud, vault, nonce="n/1", **({"enc": enc} if enc else {}))
    assert answer.status == 200, answer.body
    payload = opened(cloud, vault, answer.json["value"], tmp_path)
    assert payload["request"]["enc"] == (enc or "CKM_RSA_AES_KEY_WRAP")
    assert payload["request"]["nonce"] == "n/1"
    material = unwrapped(payload)
    if kind == "oct":
        assert material == OCT
        return
    released = serialization.load_der_private_key(material, None)
    assert released.private_numbers() == \
        serialization.load_pem_private_key(key.export_to_pem(True, None), None).private_numbers()
    member = "n" if kind == "RSA" else "x"
    assert payload["response"]["key"]["key"][member] == bundle["key"][member] == members[member]


def test_the_answer_has_each_products_order_and_spelling(cloud, vault, tmp_path):
    _, members = pair("RSA")
    bundle = imported(cloud, vault, {"key": members, "hsm": True, **exportable(cloud)})
    payload = opened(cloud, vault, release(cloud, vault).json["value"], tmp_path)
    key = payload["response"]["key"]
    url = "https://%s/keys/key" % vault
    assert payload["request"] == {"api-version": "7.4", "enc": "CKM_RSA_AES_KEY_WRAP", "kid": url}
    assert key["key"]["kid"] == bundle["key"]["kid"] and re.fullmatch(
        re.escape(url) + "/[0-9a-f]{32}", bundle["key"]["kid"])
    assert bundle["key"]["kty"] == "RSA-HSM"
    assert key["attributes"] == bundle["attributes"]
    blob = json.loads(cloudsim.unb64u(key["key"]["key_hsm"]))
    if is_hsm(vault):
        assert list(key) == ["attributes", "key", "release_policy"]
        assert list(bundle) == ["attributes", "key", "release_policy"]
        assert list(key["key"]) == ["e", "key_hsm", "key_ops", "kid", "kty", "n"]
        assert (key["key"]["kty"], key["key"]["e"]) == ("RSA", "AQAB")
        assert list(key["release_policy"]) == ["contentType", "data"]
        assert list(blob) == ["ciphertext", "header", "schema_version"]
        assert list(blob["header"]) == ["alg", "enc", "kid"]
    else:
        assert list(key) == ["key", "attributes", "release_policy"]
        assert list(key["key"]) == ["kid", "kty", "key_ops", "n", "e", "key_hsm"]
        assert (key["key"]["kty"], key["key"]["e"]) == ("RSA-HSM", "AAEAAQ")
        assert list(key["release_policy"]) == ["data"]
        assert list(blob) == ["schema_version", "header", "ciphertext"]
        assert list(blob["header"]) == ["kid", "alg", "enc"]


def test_versions_of_a_key(cloud, vault, tmp_path):
    first = imported(cloud, vault, oct_body(cloud))["key"]["kid"].rsplit("/", 1)[1]
    second = imported(cloud, vault, oct_body(cloud))["key"]["kid"].rsplit("/", 1)[1]
    for path, kid, version in (("/keys/key/release", "key", second),
                               ("/keys/key//release", "key", second),
                               ("/keys/KEY/release", "KEY", second),
                               ("/keys/key/%s/release" % first, "key/" + first, first)):
        payload = opened(cloud, vault, release(cloud, vault, path).json["value"], tmp_path)
        assert payload["request"]["kid"] == "https://%s/keys/%s" % (vault, kid)
        assert payload["response"]["key"]["key"]["kid"].endswith("/keys/key/" + version)
    for path, version in (("/keys/key", second), ("/keys/key/", second), ("/keys/key/" + first, first)):
        assert cloud.vault(vault, "GET", path).json["key"]["kid"].endswith("/" + version)
    listed = cloud.vault(vault, "GET", "/keys/key/versions").json["value"]
    assert [v["kid"].rsplit("/", 1)[1] for v in listed] == [first, second]
    assert cloud.vault(vault, "GET", "/keys/key/" + "0" * 32).status == 404


@pytest.mark.parametrize("body,kty", [
    ({"kty": "RSA-HSM", "key_size": 3072}, "RSA"), ({"kty": "EC-HSM", "crv": "P-256"}, "EC"),
    ({"kty": "oct-HSM", "key_size": 128}, "oct")])
def test_creates_keys_that_can_be_released(cloud, vault, tmp_path, body, kty):
    answer = cloud.vault(vault, "POST", "/keys/key/create", {**body, **exportable(cloud)})
    assert answer.status == 200 and answer.json["key"]["kty"] == kty + "-HSM"
    payload = opened(cloud, vault, release(cloud, vault).json["value"], tmp_path)
    material = unwrapped(payload)
    if kty == "oct":
        assert len(material) == 16
    else:
        public = serialization.load_der_private_key(material, None).public_key().public_numbers()
        wanted = payload["response"]["key"]["key"]["n" if kty == "RSA" else "x"]
        assert int.from_bytes(cloudsim.unb64u(wanted), "big") == \
            (public.n if kty == "RSA" else public.x)


def test_many_callers_at_once_get_their_own_answers(cloud, vault):
    """Readers and writers of the same store; under the thread sanitizer this is the test of locks."""
    tokens = cloud.token(RUNTIME), cloud.bearer(vault)

    def call(i):
        name = "key%d" % (i % 3)
        ask = lambda method, path, body: cloud.https(
            vault, method, path + "?api-version=7.4", body, {"Authorization": "Bearer " + tokens[1]})
        made = ask("PUT", "/keys/" + name, oct_body(cloud))
        assert made.status == 200
        patched = ask("PATCH", "/keys/" + name, {"attributes": {"enabled": True}})
        assert patched.status == 200
        got = ask("POST", "/keys/%s/release" % name, {"target": tokens[0], "nonce": str(i)})
        assert got.status == 200, got.body
        assert ask("GET", "/keys/%s/versions" % name, None).status == 200
        payload = json.loads(cloudsim.unb64u(got.json["value"].split(".")[1]))
        assert payload["request"]["nonce"] == str(i) and unwrapped(payload) == OCT

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(call, i) for i in range(32)]:
            done.result()


# -- who may --------------------------------------------------------------------------------------

def test_sdk_style_first_request_learns_where_to_ask(cloud, vault):
    answer = cloud.https(vault, "GET", "/keys/key/?api-version=7.4")
    assert answer.status == 401
    audience = "https://%s.azure.net" % ("managedhsm" if is_hsm(vault) else "vault")
    found = re.fullmatch(r'Bearer authorization="(https://[^"]+)", resource="([^"]+)"',
                         answer.headers["www-authenticate"])
    assert found and found[2] == audience
    if is_hsm(vault):
        assert answer.body == b""
    else:
        assert answer.json["error"] == {
            "code": "Unauthorized",
            "message": "AKV10000: Request is missing a Bearer or PoP token."}
    login, tenant = found[1][len("https://"):].split("/")
    token = cloud.https(login, "POST", "/%s/oauth2/v2.0/token" % tenant,
                        "grant_type=client_credentials&client_id=a&client_assertion=%s&scope=%s"
                        "&client_assertion_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Aclient-assertion"
                        "-type%%3Ajwt-bearer" % (cloud.token(b"{}"), audience + "/.default"),
                        {"Content-Type": "application/x-www-form-urlencoded"})
    assert token.status == 200, token.body
    answer = cloud.https(vault, "GET", "/keys/key/?api-version=7.4", headers={
        "Authorization": "Bearer " + token.json["access_token"], "x-ms-client-request-id": "id-1"})
    assert answer.status == 404
    if not is_hsm(vault):
        assert answer.headers["x-ms-client-request-id"] == "id-1"


def test_refuses_tokens_of_others(cloud, vault):
    other = cloud.akv if is_hsm(vault) else cloud.hsm
    for token, needle in ((cloud.bearer(other), "AKV10022: Invalid audience"),
                          ("not-a-token", "unknown")):
        answer = cloud.https(vault, "GET", "/keys/key?api-version=7.4",
                             headers={"Authorization": "Bearer " + token})
        assert answer.status == 401 and "www-authenticate" in answer.headers
        if not is_hsm(vault):
            assert needle in answer.json["error"]["message"]
    token = cloud.bearer(vault)
    cloud.state({"revoke_tokens": True})
    assert cloud.https(vault, "GET", "/keys/key?api-version=7.4",
                       headers={"Authorization": "Bearer " + token}).status == 401


def test_roles_can_be_taken_away(cloud, vault):
    imported(cloud, vault, oct_body(cloud))
    for role, ask in (("allow_read", lambda: cloud.vault(vault, "GET", "/keys/key")),
                      ("allow_release", lambda: release(cloud, vault))):
        assert ask().status == 200
        cloud.state({"vault": {role: False}})
        answer = ask()
        assert answer.status == 403
        error = answer.json["error"]
        if is_hsm(vault):
            assert error["code"] == "AccessDenied" and "Not authorized to access" in error["message"]
        else:
            assert error["innererror"]["code"] == "ForbiddenByRbac"
        cloud.state({"vault": {role: True}})


# -- refusals -------------------------------------------------------------------------------------

def refusal(answer, vault):
    """status, code, message without what an HSM puts behind it."""
    error = answer.json["error"]
    message = error["message"]
    if is_hsm(vault):
        found = re.fullmatch(r"(.*) \(Activity ID: ([0-9a-f-]{36})\)", message, re.S)
        assert found and found[2] == answer.headers["x-ms-request-id"]
        message = found[1]
    return answer.status, error["code"], message


UNVERIFIED = "Target environment attestation statement cannot be verified"
UNMET = "Target environment attestation does not meet key release policy requirements"


def bend_signature(token):
    head, sig = token.rsplit(".", 1)
    return head + "." + ("B" if sig[0] == "A" else "A") + sig[1:]


def bend_payload(token):
    head, payload, sig = token.split(".")
    claims = json.loads(cloudsim.unb64u(payload))
    claims["x-ms-sevsnpvm-vmpl"] = 1
    return ".".join((head, cloudsim.b64u(json.dumps(claims).encode()), sig))


def test_refuses_attestation_tokens_that_cannot_be_verified(cloud, vault):
    imported(cloud, vault, oct_body(cloud))
    good = cloud.token(RUNTIME)
    kid = json.loads(cloudsim.unb64u(good.split(".")[0]))["kid"]
    none = cloudsim.b64u(json.dumps({"alg": "none", "kid": kid}).encode()) + "." + \
        good.split(".")[1] + ".AA"
    no_key = json.dumps({"keys": [wrap_jwk(key_ops=["sign"])]}).encode()
    for bad in (bend_signature(good), bend_payload(good), good + "x", good.rsplit(".", 1)[0], none,
                "a.b.c", cloud.token(b"{}"), cloud.token(no_key)):
        status, code, message = refusal(release(cloud, vault, token=bad), vault)
        assert (status, code) == (403, "Forbidden") and message.startswith(UNVERIFIED)
    cloud.state({"clock_skew_s": 28800 + 200})
    assert release(cloud, vault, token=good).status == 200
    cloud.state({"clock_skew_s": 28800 + 400})
    assert refusal(release(cloud, vault, token=good), vault)[2].startswith(UNVERIFIED)
    cloud.state({"clock_skew_s": -400})
    assert refusal(release(cloud, vault, token=good), vault)[2].startswith(UNVERIFIED)


def test_an_issuer_that_is_not_there_cannot_be_reached(cloud, vault):
    imported(cloud, vault, oct_body(cloud))
    head, _, sig = cloud.token(RUNTIME).split(".")
    foreign = ".".join((head, cloudsim.b64u(b'{"iss":"https://elsewhere.example"}'), sig))
    status, code, message = refusal(release(cloud, vault, token=foreign), vault)
    assert (status, code) == (400, "BadParameter")
    assert "The specified attestation service *** cannot be reached" in message


def test_tokens_outlive_a_rotation_of_the_signing_key(cloud, vault):
    imported(cloud, vault, oct_body(cloud))
    token = cloud.token(RUNTIME)
    cloud.state({"rotate_maa_key": True})
    assert release(cloud, vault, token=token).status == 200
    for _ in range(3):
        cloud.state({"rotate_maa_key": True})
    assert refusal(release(cloud, vault, token=token), vault)[2].startswith(UNVERIFIED)


def test_wraps_to_the_first_suitable_key(cloud, vault, tmp_path):
    other = number(rsa.generate_private_key(65537, 2048).public_key().public_numbers().n)
    runtime = {"keys": [{"kty": "EC", "kid": "ec", "key_ops": ["encrypt"]},
                        wrap_jwk(n=other, key_ops=["sign"]),
                        {k: v for k, v in wrap_jwk(n=other).items() if k != "kid"},
                        wrap_jwk(key_ops=[], use="enc"), wrap_jwk(n=other, kid="late")]}
    imported(cloud, vault, oct_body(cloud))
    token = cloud.token(json.dumps(runtime).encode())
    answer = release(cloud, vault, token=token)
    assert unwrapped(opened(cloud, vault, answer.json["value"], tmp_path)) == OCT


@pytest.mark.parametrize("condition,met", [
    ({"claim": "x-ms-sevsnpvm-vmpl", "equals": "0"}, True),
    ({"claim": "x-ms-sevsnpvm-vmpl", "equals": "1"}, False),
    ({"claim": "x-ms-sevsnpvm-is-debuggable", "equals": False}, True),
    ({"claim": "x-ms-compliance-status", "equals": "azure-compliant-uvm"}, False),
    ({"claim": "x-ms-attestation-type", "condition": "equals", "value": "sevsnpvm"}, True),
    ({"anyOf": [{"claim": "none", "equals": "1"}, {"claim": "x-ms-ver", "equals": "1.0"}]}, True),
])
def test_evaluates_the_release_policy(cloud, vault, condition, met):
    imported(cloud, vault, oct_body(cloud, policy(cloud, condition)))
    answer = release(cloud, vault)
    if met:
        assert answer.status == 200
    else:
        status, code, message = refusal(answer, vault)
        assert (status, code) == (403, "Forbidden") and message.startswith(UNMET)


def test_the_authority_of_the_policy_must_be_the_issuer(cloud, vault):
    rules = policy(cloud)
    for authority, status in (("https://%s/" % cloud.maa, 200), ("https://other", 403)):
        rules["anyOf"][0]["authority"] = authority
        imported(cloud, vault, oct_body(cloud, rules))
        assert release(cloud, vault).status == status


def test_stores_policies_in_the_products_own_words(cloud, vault):
    rules = {"version": "1.0", "anyOf": [{"authority": "https://a/", "allOf": [
        {"claim": "c", "equals": "d"}]}]}
    imported(cloud, vault, oct_body(cloud, rules, immutable=False))
    stored = cloud.vault(vault, "GET", "/keys/key").json["release_policy"]
    assert stored["contentType"] == "application/json; charset=utf-8" and "immutable" not in stored
    assert cloudsim.unb64u(stored["data"]).decode() == (
        '{"anyOf":[{"allOf":[{"claim":"c","equals":"d"}],"authority":"https://a/"}],'
        '"version":"1.0.0"}' if is_hsm(vault) else
        '{"version":"1.0.0","anyOf":[{"authority":"https://a",'
        '"allOf":[{"claim":"c","equals":"d"}]}]}')


def test_policies_change_unless_immutable(cloud, vault):
    strict = policy(cloud, {"claim": "none", "equals": "1"})
    change = {"release_policy": exportable(cloud, strict)["release_policy"]}
    imported(cloud, vault, oct_body(cloud), "soft")
    assert cloud.vault(vault, "PATCH", "/keys/soft", change).status == 200
    assert release(cloud, vault, "/keys/soft/release").status == 403
    assert imported(cloud, vault, oct_body(cloud, immutable=True),
                    "hard")["release_policy"]["immutable"] is True
    for answer in (cloud.vault(vault, "PATCH", "/keys/hard", change),
                   cloud.vault(vault, "PUT", "/keys/hard", oct_body(cloud, strict))):
        status, code, message = refusal(answer, vault)
        assert (status, code) == (400, "BadParameter")
        assert message == ("Immutable Key Release Policy cannot be modified" if is_hsm(vault) else
                           "AKV.SKR.1020: Immutable Key Release Policy cannot be modified.")


def test_a_disabled_key_stays_inside(cloud, vault):
    imported(cloud, vault, oct_body(cloud))
    cloud.vault(vault, "PATCH", "/keys/key", {"attributes": {"enabled": False}})
    answer = release(cloud, vault)
    assert refusal(answer, vault)[:2] == (403, "Forbidden")
    assert answer.json["error"]["innererror"]["code"] == "KeyDisabled"


@pytest.mark.parametrize("body,needle", [
    ({}, "target"), ({"target": ""}, "target"), ({"target": "a.b.c", "enc": "ROT13"}, "enc"),
    ({"target": 7}, "target"), ([], "")])
def test_refuses_malformed_releases(cloud, vault, body, needle):
    imported(cloud, vault, oct_body(cloud))
    status, code, message = refusal(cloud.vault(vault, "POST", "/keys/key/release", body), vault)
    assert (status, code) == (400, "BadParameter") and needle in message


@pytest.mark.parametrize("method,path,version,status", [
    ("GET", "/keys/none", "7.4", 404), ("POST", "/keys/none/release", "7.4", 404),
    ("GET", "/keys/key_1", "7.4", 400), ("DELETE", "/keys/key", "7.4", 405),
    ("GET", "/secrets/a", "7.4", 404), ("GET", "/keys/key", "", 400),
    ("GET", "/keys/key", "6.9", 400), ("GET", "/keys/" + "a" * 128, "7.4", 400)])
def test_refuses_in_the_products_words(cloud, vault, method, path, version, status):
    assert refusal(cloud.vault(vault, method, path, version=version), vault)[0] == status
    if status == 404 and path == "/keys/none":
        assert refusal(cloud.vault(vault, method, path), vault)[1] == "KeyNotFound"


def test_the_api_version_is_mandatory(cloud, vault):
    answer = cloud.https(vault, "GET", "/keys/key",
                         headers={"Authorization": "Bearer " + cloud.bearer(vault)})
    assert refusal(answer, vault)[:2] == (400, "BadParameter")


def test_exportable_keys_and_policies_go_together(cloud, vault):
    body = oct_body(cloud)
    del body["release_policy"]
    message = refusal(cloud.vault(vault, "PUT", "/keys/key", body), vault)[2]
    assert message == ("Exportable keys must have release policy" if is_hsm(vault)
                       else "AKV.SKR.1004: Exportable keys must have release policy.")
    body = oct_body(cloud)
    del body["attributes"]
    message = refusal(cloud.vault(vault, "PUT", "/keys/key", body), vault)[2]
    assert message == ("Non-exportable keys must not have release policy" if is_hsm(vault)
                       else "AKV.SKR.1005: Non-exportable keys must not have release policy.")


# -- crooked answers ------------------------------------------------------------------------------

ATTACKS = ["wrong_signature", "other_root", "other_host", "alg_none", "alg_hs256", "alg_es256",
           "other_key_name", "corrupted_key_hsm", "wrong_oaep_hash", "other_wrap_size",
           "short_ciphertext", "other_kty", "inconsistent_rsa", "crit", "garbage_jws", "two_parts",
           "not_json_payload", "unknown_enc"]


def is_bad_rsa(material):
    """The last number of PKCS#8 is qi, which libraries may silently compute anew."""
    numbers = subprocess.run(["openssl", "rsa", "-inform", "DER", "-noout", "-check"],
                             input=material, capture_output=True)
    return b"RSA key ok" not in numbers.stdout


def flaw(cloud, vault, value, tmp_path):
    """Where an honest reader stops: the name of the attack that would explain it."""
    kinds = value.split(".")
    if len(kinds) == 2:
        return "two_parts"
    try:
        header = json.loads(cloudsim.unb64u(kinds[0]))
    except ValueError:
        return "garbage_jws"
    if header["alg"] != "RS256":
        return "alg_" + header["alg"].lower()
    if "crit" in header:
        return "crit"
    leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
    if header["x5c"][2] != base64.b64encode(x509.load_pem_x509_certificate(
            open(cloud.dir + "/ca.pem", "rb").read()).public_bytes(
                serialization.Encoding.DER)).decode():
        return "other_root"
    names = leaf.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    if not any(n.endswith(".localhost") for n in names.get_values_for_type(x509.DNSName)):
        return "other_host"
    signed = jws.JWS()
    signed.deserialize(value)
    try:
        signed.verify(jwk.JWK.from_pem(leaf.public_bytes(serialization.Encoding.PEM)), alg="RS256")
    except jws.InvalidJWSSignature:
        return "wrong_signature"
    try:
        payload = json.loads(signed.payload)
    except ValueError:
        return "not_json_payload"
    key = payload["response"]["key"]["key"]
    if "/keys/key" not in key["kid"]:
        return "other_key_name"
    if payload["request"]["enc"] not in HASHES:
        return "unknown_enc"
    if not key["kty"].startswith("RSA"):
        return "other_kty"
    text = cloudsim.unb64u(json.loads(cloudsim.unb64u(key["key_hsm"]))["ciphertext"])
    if len(text) < 256:
        return "short_ciphertext"
    if len(text) > 256 + 1300:  # PKCS#8 of RSA-2048 has less than 1,230 bytes
        return "other_wrap_size"
    try:
        material = unwrapped(payload)
    except keywrap.InvalidUnwrap:
        return "corrupted_key_hsm"
    except ValueError:
        return "wrong_oaep_hash"
    return "inconsistent_rsa" if is_bad_rsa(material) else "none"


@pytest.mark.parametrize("attack", ["none"] + ATTACKS)
def test_an_attack_is_crooked_in_its_one_way(cloud, vault, tmp_path, attack):
    _, members = pair("RSA")
    imported(cloud, vault, {"key": members, "hsm": True, **exportable(cloud)})
    cloud.state({"vault": {"attack": attack}})
    assert cloud.plain("control", "GET", "/state").json["vault"]["attack"] == attack
    answer = release(cloud, vault)
    assert answer.status == 200, answer.body
    assert flaw(cloud, vault, answer.json["value"], tmp_path) == attack


def test_the_hmac_attack_is_a_real_one(cloud, vault):
    """An HMAC under the public key's DER: what a reader that trusts "alg" would accept."""
    imported(cloud, vault, oct_body(cloud))
    cloud.state({"vault": {"attack": "alg_hs256"}})
    value = release(cloud, vault).json["value"]
    header = json.loads(cloudsim.unb64u(value.split(".")[0]))
    leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
    public = leaf.public_key().public_bytes(serialization.Encoding.DER,
                                            serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = jws.JWS()
    signed.deserialize(value)
    signed.verify(jwk.JWK(kty="oct", k=cloudsim.b64u(public)), alg="HS256")


def test_unknown_attacks_are_refused(cloud):
    answer = cloud.plain("control", "POST", "/state", {"vault": {"attack": "magic"}})
    assert answer.status == 400
