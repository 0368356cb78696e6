"""The simulated attestation service as jwcrypto and the openssl command see it."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import time

import cloudsim

if __name__ == "__main__":
    cloudsim.need("jwcrypto", "cryptography")
    cloudsim.judge(__file__)

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from jwcrypto import jwk, jws

RUNTIME = b'{"keys":[{"e":"AQAB","key_ops":["encrypt"],"kid":"k","kty":"RSA","n":"AQAB"}]}'

NAMES = ["exp", "iat", "iss", "jti", "nbf", "nonce", "x-ms-attestation-type", "x-ms-policy-hash",
         "x-ms-runtime"] + ["x-ms-sevsnpvm-" + n for n in (
             "authorkeydigest", "bootloader-svn", "familyId", "guestsvn", "hostdata", "idkeydigest",
             "imageId", "is-debuggable", "launchmeasurement", "microcode-svn", "migration-allowed",
             "reportdata", "reportid", "smt-allowed", "snpfw-svn", "tee-svn", "vmpl")] + ["x-ms-ver"]


@pytest.fixture(scope="module")
def cloud():
    with cloudsim.Cloudsim() as c:
        yield c


@pytest.fixture(autouse=True)
def clean(cloud):
    yield
    cloud.reset()


def parts(token):
    return [cloudsim.unb64u(p) for p in token.split(".")]


def signer_of(cloud, token, authority=None):
    """The certificate that the service publishes under the token's kid."""
    kid = json.loads(parts(token)[0])["kid"]
    keys = cloud.https(authority or cloud.maa, "GET", "/certs").json["keys"]
    found = [k for k in keys if k["kid"] == kid]
    assert len(found) == 1 and set(found[0]) == {"x5c", "kid", "kty"} and found[0]["kty"] == "RSA"
    return x509.load_der_x509_certificate(base64.b64decode(found[0]["x5c"][0]))


def verify(cloud, token, authority=None):
    """jwcrypto's verdict; the payload."""
    cert = signer_of(cloud, token, authority)
    key = jwk.JWK.from_pem(cert.public_bytes(serialization.Encoding.PEM))
    signed = jws.JWS()
    signed.deserialize(token)
    signed.verify(key, alg="RS256")
    return json.loads(signed.payload)


def test_jwcrypto_accepts_the_token_and_its_claims_are_complete_and_in_order(cloud):
    token = cloud.token(RUNTIME, nonce=b"3413764049005270139")
    claims = verify(cloud, token)
    header = parts(token)[0].decode()
    issuer = "https://" + cloud.maa
    kid = json.loads(header)["kid"]
    assert header == '{"alg":"RS256","jku":"%s/certs","kid":"%s","typ":"JWT"}' % (issuer, kid)
    assert len(base64.b64decode(kid, validate=True)) == 32
    assert list(claims) == NAMES == sorted(NAMES)
    assert parts(token)[1].decode() == json.dumps(claims, separators=(",", ":"))
    assert claims["iss"] == issuer and claims["exp"] - claims["iat"] == 28800
    assert claims["nbf"] == claims["iat"] and abs(claims["iat"] - time.time()) < 60
    assert re.fullmatch("[0-9a-f]{64}", claims["jti"])
    assert claims["nonce"] == "3413764049005270139"
    assert claims["x-ms-runtime"] == json.loads(RUNTIME)
    assert claims["x-ms-sevsnpvm-reportdata"] == hashlib.sha256(RUNTIME).hexdigest() + "0" * 64
    assert claims["x-ms-sevsnpvm-is-debuggable"] is False and claims["x-ms-sevsnpvm-vmpl"] == 0


def test_the_openssl_command_accepts_the_signature(cloud, tmp_path):
    token = cloud.token(RUNTIME)
    key = signer_of(cloud, token).public_key()
    (tmp_path / "key.pem").write_bytes(key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "sig").write_bytes(parts(token)[2])
    (tmp_path / "text").write_text(token.rsplit(".", 1)[0])
    done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig",
                           "text"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "Verified OK"


@pytest.mark.parametrize("sent,echoed", [
    (b"0", "0"), (b"18446744073709551615", "18446744073709551615"), (b'"text"', "text")])
def test_echoes_nonces_without_rounding(cloud, sent, echoed):
    assert verify(cloud, cloud.token(RUNTIME, nonce=sent))["nonce"] == echoed


def test_metadata_leads_to_the_keys(cloud):
    meta = cloud.https(cloud.maa, "GET", "/.well-known/openid-configuration").json
    assert meta["issuer"] == "https://" + cloud.maa
    assert meta["jwks_uri"] == meta["issuer"] + "/certs"


@pytest.mark.parametrize("path", ["/attest/SevSnpVM", "/attest/SevSnpVm", "/ATTEST/sevsnpvm"])
@pytest.mark.parametrize("version", ["2020-10-01", "2022-08-01", "2022-09-01-preview",
                                     "2025-06-01"])
def test_takes_every_spelling_of_the_path_and_all_versions(cloud, path, version):
    report, chain = cloud.evidence(RUNTIME)
    body = cloud.attest_body(report, chain, RUNTIME)
    assert cloud.attest(body, path=path, version=version).status == 200


def test_each_host_is_an_issuer_with_a_key_of_its_own(cloud):
    other = "eu.neu.attest.localhost:%d" % cloud.ports["tls"]
    token = cloud.token(RUNTIME, other)
    assert verify(cloud, token, other)["iss"] == "https://" + other
    assert json.loads(parts(token)[0])["kid"] != json.loads(parts(cloud.token(RUNTIME))[0])["kid"]


def test_a_rotated_key_signs_and_the_old_one_stays_published(cloud):
    old = cloud.token(RUNTIME)
    cloud.state({"rotate_maa_key": True})
    new = cloud.token(RUNTIME)
    assert json.loads(parts(old)[0])["kid"] != json.loads(parts(new)[0])["kid"]
    verify(cloud, old)
    verify(cloud, new)


def test_the_clock_may_be_wrong(cloud):
    cloud.state({"clock_skew_s": 86400})
    assert abs(verify(cloud, cloud.token(RUNTIME))["iat"] - time.time() - 86400) < 60


def test_init_time_data_must_be_what_host_data_says(cloud):
    data = b'{"policy":"mine"}'
    cloud.state({"host_data": hashlib.sha256(data).hexdigest()})
    report, chain = cloud.evidence(RUNTIME)
    for text, status in ((data, 200), (b'{"policy":"other"}', 400)):
        body = cloud.attest_body(report, chain, RUNTIME, initTimeData={
            "data": base64.b64encode(text).decode(), "dataType": "JSON"})
        answer = cloud.attest(body)
        assert answer.status == status
        if status == 200:
            claims = verify(cloud, answer.json["token"])
            assert claims["x-ms-inittime"] == json.loads(data)
            assert list(claims) == sorted(claims)
        else:
            assert "host_data" in answer.json["error"]["message"]


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def pem_swap(chain):
    ends = [m.end() for m in re.finditer(b"-----END CERTIFICATE-----\n?", chain)]
    return chain[ends[0]:ends[1]] + chain[:ends[0]] + chain[ends[1]:]


@pytest.mark.parametrize("needle,bend", [
    ("report_data", lambda r, c, d: (r, c, d + b" ")),
    ("signature", lambda r, c, d: (flip(r, 0x2a0), c, d)),
    ("signature", lambda r, c, d: (flip(r, 0x90), c, d)),
    ("(size", lambda r, c, d: (r[:-1], c, d)),
    ("Vcek certificate chain is invalid", lambda r, c, d: (r, c[:len(c) // 2], d)),
    ("Vcek certificate chain is invalid", lambda r, c, d: (r, pem_swap(c), d)),
    ("Vcek certificate chain is invalid", lambda r, c, d: (r, b"no certificates", d)),
])
def test_names_the_check_that_evidence_failed(cloud, needle, bend):
    report, chain = cloud.evidence(RUNTIME)
    report, chain, runtime = bend(report, chain, RUNTIME)
    answer = cloud.attest(cloud.attest_body(report, chain, runtime))
    assert answer.status == 400
    assert answer.json["error"]["code"] == "InvalidParameter"
    assert answer.headers["x-ms-error-code"] == "InvalidParameter"
    assert needle in answer.json["error"]["message"]


def test_refuses_certificates_of_another_tcb(cloud):
    _, old_chain = cloud.evidence(RUNTIME)
    cloud.state({"tcb": {"microcode": 200}})
    report, chain = cloud.evidence(RUNTIME)
    assert cloud.attest(cloud.attest_body(report, chain, RUNTIME)).status == 200
    assert cloud.attest(cloud.attest_body(report, old_chain, RUNTIME)).status == 400


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/attest/SevSnpVM?api-version=2020-10-01", 405),
    ("POST", "/attest/SevSnpVM", 400),
    ("POST", "/attest/SevSnpVM?api-version=1999-01-01", 400),
    ("POST", "/attest/SevSnpVM?api-version=2020-10-01", 400),
    ("POST", "/certs", 405),
    ("GET", "/nothing", 404),
])
def test_refuses_in_its_error_shape(cloud, method, path, status):
    answer = cloud.https(cloud.maa, method, path, "{}" if method == "POST" else None)
    assert answer.status == status
    assert set(answer.json["error"]) == {"code", "message"}


def test_takes_a_configured_report_whatever_its_report_data(cloud, tmp_path):
    report, chain = cloud.evidence(RUNTIME)
    forged = bytearray(report)
    forged[0x90:0xc0] = b"m" * 48  # no longer signed
    (tmp_path / "report").write_bytes(forged)
    other = b'{"other":1}'
    bound = bytes(forged[:0x50]) + hashlib.sha256(other).digest() + bytes(32) + bytes(forged[0x90:])
    assert cloud.attest(cloud.attest_body(bound, b"none", other)).status == 400
    with cloudsim.Cloudsim("-accept_report", str(tmp_path / "report")) as lenient:
        assert lenient.attest(lenient.attest_body(bound, b"none", other)).status == 200
        for bad in (lenient.attest_body(bound, b"none", RUNTIME),
                    lenient.attest_body(flip(bound, 0xc0), b"none", other)):
            assert lenient.attest(bad).status == 400
