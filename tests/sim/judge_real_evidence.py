"""Published evidence of real processors before the simulated attestation service: accepted with
AMD's own roots, refused after one flipped bit."""

import base64
import json
import os
import pathlib

import cloudsim

if __name__ == "__main__":
    cloudsim.need("jwcrypto")
    cloudsim.judge(__file__)

import pytest
from jwcrypto import jws

VECTORS = pathlib.Path(os.environ.get("VECTORS_DIR", "/nonexistent"))

if not (VECTORS / "manifest_real.json").exists():
    pytest.skip("VECTORS_DIR has no published evidence", allow_module_level=True)


def entry(name):
    manifest = json.loads((VECTORS / "manifest_real.json").read_text())
    return next(e for e in manifest if e["id"] == name)


@pytest.fixture(scope="module")
def cloud():
    with cloudsim.Cloudsim("-amd_roots", "builtin") as c:
        yield c


def sidecar(cloud, bend=lambda report: report):
    e = entry("sidecar")
    read = lambda member: (VECTORS / e[member]).read_bytes()
    return cloud.attest_body(bend(read("report")), read("chain_pem_vcek_ask_ark"),
                             read("runtime_data"))


def recorded(bend=lambda report: report):
    """A whole request, with the report inside bent."""
    body = json.loads((VECTORS / "azure-cleanroom/caci-encryption/maa-request.json").read_text())
    evidence = json.loads(cloudsim.unb64u(body["report"].rstrip("=")))
    report = bend(cloudsim.unb64u(evidence["SnpReport"].rstrip("=")))
    assert len(report) == 1184
    evidence["SnpReport"] = base64.urlsafe_b64encode(report).decode()
    body["report"] = base64.urlsafe_b64encode(json.dumps(evidence).encode()).decode()
    return json.dumps(body)


def flip(at):
    return lambda r: r[:at] + bytes([r[at] ^ 1]) + r[at + 1:]


def claims(answer):
    assert answer.status == 200, answer.body
    token = jws.JWS()
    token.deserialize(answer.json["token"])
    return json.loads(token.objects["payload"])


def test_accepts_the_sidecars_evidence(cloud):
    c = claims(cloud.attest(sidecar(cloud)))
    report = (VECTORS / entry("sidecar")["report"]).read_bytes()
    assert c["x-ms-sevsnpvm-launchmeasurement"] == report[0x90:0xc0].hex()
    assert c["x-ms-sevsnpvm-hostdata"] == report[0xc0:0xe0].hex()
    assert (c["x-ms-sevsnpvm-bootloader-svn"], c["x-ms-sevsnpvm-tee-svn"],
            c["x-ms-sevsnpvm-snpfw-svn"], c["x-ms-sevsnpvm-microcode-svn"]) == (3, 0, 8, 115)


def test_accepts_a_recorded_request_as_it_was_sent(cloud):
    raw = (VECTORS / "azure-cleanroom/caci-encryption/maa-request.json").read_bytes()
    c = claims(cloud.attest(raw))
    report = (VECTORS / entry("cleanroom-maa")["report"]).read_bytes()
    assert c["x-ms-sevsnpvm-reportdata"] == report[0x50:0x90].hex()
    assert c["x-ms-sevsnpvm-microcode-svn"] == 0xdb


@pytest.mark.parametrize("at", [0x04, 0x50, 0x90, 0xc0, 0x180, 0x1a0, 0x2a0, 0x2e8])
def test_refuses_one_flipped_bit(cloud, at):
    for body in (sidecar(cloud, flip(at)), recorded(flip(at))):
        answer = cloud.attest(body)
        assert answer.status == 400 and answer.json["error"]["code"] == "InvalidParameter"


def test_without_amds_roots_real_evidence_is_foreign(cloud):
    with cloudsim.Cloudsim() as strict:
        for body in (sidecar(strict), recorded()):
            answer = strict.attest(body)
            assert answer.status == 400
            assert "Vcek certificate chain is invalid" in answer.json["error"]["message"]
