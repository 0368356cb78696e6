"""docs/api/openapi.yaml against a running skr: schemathesis makes requests from it, and failures of the cloud must be as it says."""
import json
import pathlib
import re
import subprocess
import sys

import pytest
import requests
import schemathesis
import yaml

import programs
from sdk import clients, unb64u

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "docs" / "api" / "openapi.yaml"
CHECKS = ["status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance",
          "negative_data_rejection", "unsupported_method", "allow_header_conformance"]
DOCUMENT = yaml.safe_load(SPEC.read_text())
EXAMPLES = [(path, name, example["value"]) for path, item in DOCUMENT["paths"].items() if "post" in item
            for name, example in item["post"]["requestBody"]["content"]["application/json"]["examples"].items()]
RELEASE = next(value for path, name, value in EXAMPLES if (path, name) == ("/key/release", "vault"))


@pytest.fixture(scope="module")
def api():
    return schemathesis.openapi.from_path(SPEC)


@pytest.fixture
def key(cloud):
    """The key of the examples, in the vault and the HSM of the examples."""
    for product, host in (("vault", "my-vault.vault.azure.net"), ("managed-hsm", "my-hsm.managedhsm.azure.net")):
        cloud.import_oct_with(clients(cloud, product, host), name="my-key")


@pytest.fixture(scope="module")
def impatient(folder, shared_cloud):
    """One that gives up soon, for failures that are tried again first."""
    s = programs.Skr(folder, shared_cloud, config={"certcache": None, "session": {"max_age_s": 0}, "timeouts": {"exchange": 2, "request": 6}})
    yield s
    assert s.stop() == 0, s.output()[-2000:]


def fuzz(skr, folder, *more):
    command = [pathlib.Path(sys.executable).parent / "schemathesis", "run", SPEC, "--url", f"http://127.0.0.1:{skr.port}", "--seed", "1",
               "--generation-database", "none", "--no-color", "--continue-on-failure", "--warnings", "off", "--request-timeout", "60", *more]
    run = subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, text=True, check=False, timeout=90)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    return run.stdout


def test_whatever_schemathesis_sends_is_answered_as_described(skr, key, folder):
    fuzz(skr, folder, "--phases", "examples,coverage,fuzzing", "--max-examples", "60", "--checks", ",".join(CHECKS))


def test_every_report_that_the_description_allows_is_given(skr, folder):
    fuzz(skr, folder, "--phases", "coverage,fuzzing", "--max-examples", "60", "--mode", "positive", "--include-path-regex", "raw|combined|status|ready",
         "--generation-allow-x00", "false", "--checks", ",".join([*CHECKS, "positive_data_acceptance", "not_a_server_error"]))


def ask(skr, api, method, path, **more):
    """One answer, judged by the description."""
    answer = requests.request(method, f"http://127.0.0.1:{skr.port}{path}", timeout=60, **more)
    api[path][method].validate_response(answer)
    return answer


@pytest.mark.parametrize("path,name,body", EXAMPLES, ids=lambda v: v if isinstance(v, str) else "")
def test_the_examples_succeed(skr, api, key, path, name, body):
    answer = ask(skr, api, "POST", path, json=body)
    assert answer.status_code == 200, answer.text
    if path == "/key/release":
        assert unb64u(json.loads(answer.json()["key"])["k"]) == bytes(range(32))


@pytest.mark.parametrize("path", [path for path, item in DOCUMENT["paths"].items() if "get" in item])
def test_the_probes_succeed(skr, api, path):
    assert ask(skr, api, "GET", path).status_code == 200


FAILURES = [  # what goes wrong, status, code, stage
    ({"service": "maa", "status": 400}, 403, "attestation_denied", "attest"),
    ({"service": "maa", "status": 404}, 502, "upstream_invalid", "attest"),
    ({"service": "maa", "status": 500}, 502, "upstream_failed", "attest"),
    ({"service": "maa", "status": 429}, 503, "throttled", "attest"),
    ({"service": "maa", "reset": True}, 502, "upstream_failed", "attest"),
    ({"service": "maa", "delay_ms": 8000}, 504, "timeout", "attest"),
    ({"service": "maa", "body": "no JSON"}, 502, "upstream_invalid", "attest"),
    ({"service": "imds", "status": 400}, 502, "token_refused", "token"),
    ({"service": "akv", "status": 403, "body": {"error": {"code": "Forbidden", "message": "does not meet key release policy"}}}, 403, "policy_denied", "release"),
    ({"service": "akv", "status": 403, "body": {"error": {"code": "Forbidden", "message": "ForbiddenByRbac"}}}, 403, "access_denied", "release"),
    ({"service": "akv", "status": 403, "body": {"error": {"code": "Forbidden", "message": "cannot be verified"}}}, 403, "attestation_denied", "release"),
    ({"service": "akv", "status": 404}, 403, "key_not_found", "release"),
    ({"service": "akv", "status": 409}, 403, "release_refused", "release"),
    ({"service": "akv", "status": 503}, 502, "upstream_failed", "release"),
    ({"service": "akv", "truncate": 40}, 502, "upstream_failed", "release"),
    ({"service": "psp", "status": 500}, 500, "report_failed", "report"),
]


@pytest.mark.parametrize("fault,status,code,stage", FAILURES, ids=lambda v: f"{v['service']}-{v.get('status', sorted(v)[0])}" if isinstance(v, dict) else None)
def test_failures_of_services_are_as_described(api, cloud, key, impatient, fault, status, code, stage):
    cloud.fault(times=99, **fault)
    answer = ask(impatient, api, "POST", "/key/release", json=RELEASE)
    assert (answer.status_code, answer.json()["code"], answer.json()["stage"]) == (status, code, stage), answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize("attack", ["wrong_signature", "other_host", "corrupted_key_hsm"])
def test_a_lying_vault_is_a_described_failure(api, cloud, key, skr, attack):
    cloud.set(vault={"attack": attack})
    assert ask(skr, api, "POST", "/key/release", json=RELEASE).status_code == 502


def test_a_denial_is_explained_as_described(api, cloud, skr):
    cloud.import_oct_with(clients(cloud, "vault", "my-vault.vault.azure.net"), ("x-ms-sevsnpvm-vmpl", "1"), name="my-key")
    answer = ask(skr, api, "POST", "/key/release", json=RELEASE)
    assert answer.status_code == 403
    assert answer.json()["explain"]["failed"] == [{"claim": "x-ms-sevsnpvm-vmpl", "required": "1", "actual": 0}]
    cloud.set(vault={"allow_read": False})
    assert "hint" in ask(skr, api, "POST", "/key/release", json=RELEASE).json()


@pytest.mark.parametrize("path", [path for path, item in DOCUMENT["paths"].items() if "post" in item])
def test_refusals_are_as_described(api, skr, path):
    assert ask(skr, api, "POST", path, data=b"x" * (1024 * 1024 + 1)).json()["code"] == "request_too_large"
    assert ask(skr, api, "POST", path, data=b"{").json()["code"] == "invalid_request"
    hosts = {"maa_endpoint": "evil.example.com", "akv_endpoint": "evil.example.com", "kid": "a", "runtime_data": "e30="}
    if "maa_endpoint" in json.dumps(DOCUMENT["paths"][path]):
        assert ask(skr, api, "POST", path, json=hosts).json()["code"] == "host_not_allowed"


def test_certificates_of_another_tcb_are_a_described_failure(api, cloud, impatient):
    cloud.set(tcb={"microcode": 7}, thim_tcb={"microcode": 3})
    answer = ask(impatient, api, "POST", "/attest/combined", json={"runtime_data": "eA=="})
    assert (answer.status_code, answer.json()["code"]) == (503, "tcb_mismatch")
    assert ask(impatient, api, "GET", "/readyz").status_code in (200, 503)


def test_the_list_of_codes_is_that_of_the_page_for_migrants():
    table = (ROOT / "docs" / "migration.md").read_text().split("Statuses and codes:")[1].split("\n## ")[0]
    codes = {c for line in table.splitlines() if line.startswith("|") for c in re.findall(r"`([a-z_]+)`", line.split("|")[-2])}
    assert set(DOCUMENT["components"]["schemas"]["Code"]["enum"]) == (codes - {"code"}) | {"internal"}
