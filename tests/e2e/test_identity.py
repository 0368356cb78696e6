"""Access tokens: cached, refreshed, replaced when refused; workload identity."""
import threading
import time
import urllib.parse

import pytest

from conftest import SLOW, b64u, failed

import json


def jwt(**claims):
    return ".".join(b64u(json.dumps(p).encode()) for p in ({"alg": "RS256"}, claims)) + ".c2ln"


def test_one_token_serves_many_releases(cloud, start):
    s = start()
    for _ in range(5):
        s.jwk()
    assert len(cloud.journal("imds", "token")) == 1


def test_each_product_has_its_audience(cloud, start):
    cloud.import_oct("key1", hsm=True)
    cloud.control("DELETE", "/journal")
    s = start()
    s.jwk()
    s.jwk(hsm=True)
    asked = sorted(urllib.parse.unquote(x["target"].split("resource=")[1].split("&")[0]) for x in cloud.journal("imds", "token"))
    assert asked == ["https://managedhsm.azure.net", "https://vault.azure.net"]


@pytest.mark.concurrent
def test_first_callers_share_one_token_request(cloud, start):
    cloud.fault("imds", op="token", delay_ms=500)
    s = start()
    answers = []
    ts = [threading.Thread(target=lambda: answers.append(s.release().status)) for _ in range(12)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert answers == [200] * 12 and len(cloud.journal("imds", "token")) == 1


def test_a_refused_token_is_replaced_once_and_the_release_repeated(cloud, start):
    s = start()
    s.jwk()
    cloud.set(revoke_tokens=True)
    s.jwk()
    assert [x["status"] for x in cloud.journal("akv", "release")] == [200, 401, 200]
    assert len(cloud.journal("imds", "token")) == 2


def test_a_token_that_is_refused_again_is_a_denial(cloud, start):
    s = start()
    cloud.fault("akv", op="release", status=401, headers={"WWW-Authenticate": "Bearer authorization=\"x\""})
    failed(s.release(), 403, "access_denied", "release", upstream_status=401)
    assert len(cloud.journal("akv", "release")) == 2 and len(cloud.journal("imds", "token")) == 2


def test_a_caller_s_token_that_is_refused_is_not_replaced(cloud, start):
    s = start()
    failed(s.release(token="wrong.token.here"), 403, "access_denied", "release", upstream_status=401)
    assert len(cloud.journal("akv", "release")) == 1 and not cloud.journal("imds", "token")


def test_tokens_are_refreshed_before_they_end(cloud, start):
    cloud.set(token_life_s=40)
    s = start()
    s.jwk()
    end = time.monotonic() + 35 * SLOW
    while len(cloud.journal("imds", "token")) < 2 and time.monotonic() < end:
        assert s.release().status == 200
        time.sleep(0.5)
    assert len(cloud.journal("imds", "token")) >= 2
    assert all(x["status"] == 200 for x in cloud.journal("akv", "release"))


@pytest.fixture
def workload(cloud, tmp_path):
    f = tmp_path / "token"
    f.write_text(jwt(sub="system:serviceaccount:default:one") + "\n")
    return f, {"AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555", "AZURE_TENANT_ID": "tenant-1", "AZURE_FEDERATED_TOKEN_FILE": str(f)}


def test_workload_identity_exchanges_the_file_s_token(cloud, start, workload):
    f, env = workload
    s = start(env=env)
    s.jwk()
    (x,) = cloud.journal("entra", "token")
    form = dict(urllib.parse.parse_qsl(x["body"]))
    assert form["client_assertion"] == f.read_text().strip() and form["grant_type"] == "client_credentials"
    assert form["client_id"] == env["AZURE_CLIENT_ID"] and form["scope"].split()[0] == "https://vault.azure.net/.default"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert not cloud.journal("imds", "token")


def test_the_federated_token_file_is_read_again(cloud, start, workload):
    f, env = workload
    s = start(env=env)
    s.jwk()
    f.write_text(jwt(sub="system:serviceaccount:default:two"))
    cloud.set(revoke_tokens=True)
    s.jwk()
    assert [dict(urllib.parse.parse_qsl(x["body"]))["client_assertion"] for x in cloud.journal("entra", "token")][-1] == f.read_text()


def test_a_missing_federated_token_file_is_our_fault(cloud, start, workload):
    f, env = workload
    f.unlink()
    d = failed(start(env=env).release(), 500, "internal", "token")
    assert str(f) in d["error"]


def test_a_refused_federated_token_is_said(cloud, start, workload):
    cloud.set(federated_token=jwt(sub="somebody else"))
    d = failed(start(env=workload[1]).release(), 502, "token_refused", "token")
    assert "AADSTS" in d["error"]


def test_without_all_three_variables_it_is_managed_identity(cloud, start, workload):
    env = dict(workload[1], AZURE_TENANT_ID=None)
    start(env=env).jwk()
    assert cloud.journal("imds", "token") and not cloud.journal("entra")
