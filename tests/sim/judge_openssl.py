"""The simulated processor, its certificates, TLS and access tokens as the openssl command, Python's
ssl and jwcrypto see them."""

import base64
import hashlib
import json
import os
import re
import ssl
import subprocess

import cloudsim

if __name__ == "__main__":
    cloudsim.need("jwcrypto", "cryptography")
    cloudsim.judge(__file__)

import pytest
from cryptography import x509
from jwcrypto import jwk, jws

RUNTIME = b'{"a":1}'
TCBS = [{}, {"microcode": 219}, {"boot_loader": 127, "tee": 1, "snp": 24, "microcode": 255},
        {"boot_loader": 0, "tee": 0, "snp": 0, "microcode": 0}]
SPL = {"boot_loader": "3.1", "tee": "3.2", "snp": "3.3", "microcode": "3.8"}


@pytest.fixture(scope="module")
def cloud():
    with cloudsim.Cloudsim() as c:
        yield c


@pytest.fixture(autouse=True)
def clean(cloud):
    yield
    cloud.reset()


def openssl(*args, text=""):
    return subprocess.run(["openssl", *args], input=text, capture_output=True, text=True)


def split(chain):
    return re.findall(r"-----BEGIN.*?-----END CERTIFICATE-----\n", chain.decode(), re.S)


def der_signature(report):
    """R and S, little-endian at 2A0 and 2E8, as openssl wants them."""
    numbers = [int.from_bytes(report[at:at + 72], "little") for at in (0x2a0, 0x2e8)]
    parts = b""
    for n in numbers:
        raw = n.to_bytes(n.bit_length() // 8 + 1, "big")
        parts += b"\x02" + bytes([len(raw)]) + raw
    return b"\x30" + bytes([len(parts)]) + parts


@pytest.mark.parametrize("tcb", TCBS)
def test_reports_verify_under_the_chain_of_their_tcb(cloud, tmp_path, tcb):
    cloud.state({"tcb": tcb})
    report, chain = cloud.evidence(RUNTIME)
    vcek, ask, ark = split(chain)
    for name, content in ("vcek", vcek), ("ask", ask), ("ark", ark):
        (tmp_path / name).write_text(content)
    (tmp_path / "signed").write_bytes(report[:0x2a0])
    (tmp_path / "signature").write_bytes(der_signature(report))
    (tmp_path / "key").write_text(openssl("x509", "-in", str(tmp_path / "vcek"), "-noout",
                                          "-pubkey").stdout)
    verify = lambda: openssl("dgst", "-sha384", "-verify", str(tmp_path / "key"), "-signature",
                             str(tmp_path / "signature"), str(tmp_path / "signed"))
    assert verify().stdout == "Verified OK\n"
    (tmp_path / "signed").write_bytes(report[:0x2a0 - 1] + b"\x01")
    assert verify().returncode != 0

    chained = openssl("verify", "-x509_strict", "-CAfile", str(tmp_path / "ark"), str(tmp_path / "ask"))
    assert chained.returncode == 0, chained.stderr
    chained = openssl("verify", "-CAfile", str(tmp_path / "ark"), "-untrusted",
                      str(tmp_path / "ask"), str(tmp_path / "vcek"))
    assert chained.returncode == 0, chained.stderr
    assert ark == open(cloud.dir + "/ark.pem").read()


@pytest.mark.parametrize("tcb", TCBS)
def test_certificates_have_the_shape_of_amds(cloud, tcb):
    cloud.state({"tcb": tcb})
    report, chain = cloud.evidence(RUNTIME)
    vcek, ask, ark = split(chain)
    text = [openssl("x509", "-noout", "-text", text=c).stdout for c in (vcek, ask, ark)]
    for t in text:
        assert t.count("rsassaPss") == 2 and t.count("sha384") == 4 and "Salt Length: 0x30" in t
    names = ["CN ?= ?SEV-VCEK", "CN ?= ?SEV-Milan", "CN ?= ?ARK-Milan"]
    for t, name, issuer in zip(text, names, names[1:] + names[2:]):
        subject = r"OU ?= ?Engineering, C ?= ?US, L ?= ?Santa Clara, ST ?= ?CA, O ?= ?Advanced Micro Devices, "
        assert re.search("Subject: " + subject + name, t) and re.search("Issuer: " + subject + issuer, t)
    assert "Serial Number: 0 (0x0)" in text[0] and "NIST CURVE: P-384" in text[0]
    assert "Public-Key: (4096 bit)" in text[1] and "CA:TRUE, pathlen:0" in text[1]
    assert "Public-Key: (4096 bit)" in text[2] and "Certificate Sign, CRL Sign" in text[2]

    cert = x509.load_pem_x509_certificate(vcek.encode())
    years = cert.not_valid_after.year - cert.not_valid_before.year
    assert years == 7 and cert.not_valid_after.replace(year=2000) == cert.not_valid_before.replace(year=2000)
    extensions = {e.oid.dotted_string: e.value.value for e in cert.extensions}
    reported = report[0x180:0x188]
    at = {"boot_loader": 0, "tee": 1, "snp": 6, "microcode": 7}
    for part, arc in SPL.items():
        der = extensions["1.3.6.1.4.1.3704.1." + arc]
        assert der[0] == 2 and der[1] == len(der) - 2 and int.from_bytes(der[2:], "big", signed=True) == reported[at[part]]
        if part in tcb:
            assert reported[at[part]] == tcb[part]
    assert extensions["1.3.6.1.4.1.3704.1.4"] == report[0x1a0:0x1e0]
    assert len(set(report[0x1a0:0x1e0])) > 16


def test_a_stale_thim_serves_another_tcb(cloud):
    cloud.state({"thim_tcb": {}, "tcb": {"snp": 20}})
    report, _ = cloud.evidence(RUNTIME)
    thim = cloud.plain("http", "GET", "/metadata/THIM/amd/certification", headers={"Metadata": "true"}).json
    assert int(thim["tcbm"], 16) != int.from_bytes(report[0x180:0x188], "little")
    cloud.state({"thim_tcb": None})
    thim = cloud.plain("http", "GET", "/metadata/THIM/amd/certification", headers={"Metadata": "true"}).json
    assert int(thim["tcbm"], 16) == int.from_bytes(report[0x180:0x188], "little")


def test_the_security_context_is_that_of_the_report(cloud):
    report, chain = cloud.evidence(RUNTIME)
    context = cloud.dir + "/security-context/"
    policy = base64.b64decode(open(context + "security-policy-base64").read(), validate=True)
    certs = json.loads(base64.b64decode(open(context + "host-amd-cert-base64").read(), validate=True))
    assert hashlib.sha256(policy).digest() == report[0xc0:0xe0]
    assert (certs["vcekCert"] + certs["certificateChain"]).encode() == chain
    assert certs["tcbm"] == "%016x" % int.from_bytes(report[0x180:0x188], "little")


@pytest.mark.parametrize("host", ["sim.attest.localhost", "other.attest.localhost", "a.neu.attest.localhost",
                                  "x.vault.localhost", "y.managedhsm.localhost", "login.localhost"])
def test_tls_is_valid_for_the_families_of_names(cloud, host):
    r = openssl("s_client", "-connect", "127.0.0.1:%d" % cloud.ports["tls"], "-servername", host, "-CAfile",
                cloud.dir + "/ca.pem", "-verify_hostname", host, "-verify_return_error", "-x509_strict")
    assert "Verify return code: 0 (ok)" in r.stdout and r.returncode == 0, r.stdout + r.stderr


def test_tls_is_valid_for_no_other_name_and_no_other_root(cloud):
    with pytest.raises(ssl.SSLCertVerificationError):
        cloud.https("sim.vault.azure.net:%d" % cloud.ports["tls"], "GET", "/")
    r = openssl("s_client", "-connect", "127.0.0.1:%d" % cloud.ports["tls"], "-CAfile", cloud.dir + "/ark.pem",
                "-verify_return_error")
    assert r.returncode != 0
    r = openssl("s_client", "-connect", "127.0.0.1:%d" % cloud.ports["tls"], "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in r.stdout


def keys(cloud):
    conf = cloud.https("login.localhost:%d" % cloud.ports["tls"], "GET", "/tenant/v2.0/.well-known/openid-configuration?")
    assert conf.status == 200 and conf.json["issuer"] == "https://login.localhost:%d/tenant/v2.0" % cloud.ports["tls"]
    path = conf.json["jwks_uri"].split(str(cloud.ports["tls"]))[1]
    return jwk.JWKSet.from_json(cloud.https("login.localhost:%d" % cloud.ports["tls"], "GET", path).body.decode())


def claims(cloud, token):
    t = jws.JWS()
    t.deserialize(token)
    t.verify(keys(cloud).get_key(t.jose_header["kid"]), alg="RS256")
    return json.loads(t.payload)


def test_tokens_of_imds_verify_and_say_what_clients_read(cloud):
    answer = cloud.plain("http", "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&client_id=me"
                         "&resource=https%3A%2F%2Fvault.azure.net", headers={"Metadata": "true"})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["server"].startswith("IMDS/")
    assert all(isinstance(v, str) for v in answer.json.values())
    c = claims(cloud, answer.json["access_token"])
    assert c["aud"] == "https://vault.azure.net" and c["appid"] == "me" and c["ver"] == "1.0"
    assert c["exp"] == int(answer.json["expires_on"]) and c["exp"] - c["nbf"] == 86400
    assert re.fullmatch(r"/subscriptions/[0-9a-f-]{36}/.+", c["xms_az_rid"])


def test_tokens_of_entra_verify_and_have_numbers(cloud):
    form = ("client_assertion=e30.e30.c2ln&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type"
            "%3Ajwt-bearer&client_id=me&client_info=1&grant_type=client_credentials"
            "&scope=https%3A%2F%2Fmanagedhsm.azure.net%2F.default+openid+offline_access+profile")
    answer = cloud.https("login.localhost:%d" % cloud.ports["tls"], "POST", "/tenant/oauth2/v2.0/token", form,
                         {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store, no-cache"
    assert answer.json["expires_in"] == 86399 and answer.json["token_type"] == "Bearer"
    assert claims(cloud, answer.json["access_token"])["aud"] == "https://managedhsm.azure.net"


def test_two_tokens_are_never_the_same(cloud):
    assert cloud.bearer(cloud.akv) != cloud.bearer(cloud.akv)


def test_the_clock_and_the_life_of_tokens_can_be_set(cloud):
    cloud.state({"clock_skew_s": -7200, "token_life_s": 60})
    skewed = claims(cloud, cloud.bearer(cloud.akv))
    cloud.reset()
    now = claims(cloud, cloud.bearer(cloud.akv))
    assert skewed["exp"] - skewed["iat"] == 60 and 7190 < now["iat"] - skewed["iat"] < 7400


def test_private_keys_are_for_their_owner_only(cloud):
    for name in os.listdir(cloud.dir + "/pki"):
        mode = os.stat(cloud.dir + "/pki/" + name).st_mode & 0o777
        assert mode == 0o600, name
    for name in "ca.pem", "ark.pem", "env.sh", "ports.json", "security-context/security-policy-base64":
        content = open(cloud.dir + "/" + name).read()
        assert "PRIVATE" not in content and os.stat(cloud.dir + "/" + name).st_mode & 0o777 == 0o644
