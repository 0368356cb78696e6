"""The Go program and skr in the same cloud: both release the same keys, send the same requests, and are denied alike."""
import json
import os

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import JsonWebKey
from cryptography.hazmat.primitives.asymmetric import rsa

from go_original import GoSkr, reported_tcb
from sdk import clients, json_web_key, policy

if not os.environ.get("GO_SKR"):
    pytest.skip("GO_SKR does not name the Go program", allow_module_level=True)

DENIED = ("x-ms-sevsnpvm-vmpl", "1")


@pytest.fixture
def tcb(cloud, accepted_report):
    """The node hands out certificates of the report's TCB, as a real one does."""
    cloud.set(tcb=reported_tcb(accepted_report))


@pytest.fixture
def go(folder, cloud, tcb, policy_of_group):
    program = GoSkr(folder, policy_of_group, cloud, {"SSL_CERT_FILE": cloud.ca})
    yield program
    program.stop()


@pytest.fixture(scope="module")
def private():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(params=["vault", "managed-hsm"])
def product(request):
    return request.param


def same(go, skr, **request):
    """The key that both give."""
    keys = [program.jwk(**request) for program in (go, skr)]
    assert keys[0] == keys[1], [sorted(k) for k in keys]
    return keys[0]


@pytest.mark.parametrize("kind", ["rsa", "oct", "P-256", "P-384", "P-521"])
def test_both_release_the_same_key(cloud, go, skr, product, private, kind):
    client, more = clients(cloud, product), {"hardware_protected": True, "exportable": True, "release_policy": policy(cloud)}
    if kind == "rsa":
        client.import_key("both", json_web_key(private), **more)
    elif kind == "oct":
        client.import_key("both", JsonWebKey(kty="oct-HSM", k=bytes(range(32)), key_ops=["encrypt", "decrypt"]), **more)
    else:
        client.create_ec_key("both", curve=kind, **more)
    assert same(go, skr, kid="both", hsm=product == "managed-hsm")["kty"] == {"rsa": "RSA", "oct": "oct"}.get(kind, "EC")


def test_both_pass_on_the_caller_s_token(cloud, go, skr):
    cloud.import_oct_with(clients(cloud, "vault"))
    token = ManagedIdentityCredential().get_token("https://vault.azure.net/.default").token
    cloud.control("DELETE", "/journal")
    same(go, skr, token=token)
    assert not cloud.journal("imds", "token")
    assert [x["headers"]["authorization"] for x in cloud.journal("akv", "release")] == ["Bearer " + token] * 2


def test_both_attest_the_caller_s_data(cloud, go, skr):
    for program in (go, skr):
        answer = program.attest(b'{"a":1}')
        assert answer.status == 200 and list(answer.json) == ["token"], answer


def test_both_give_the_same_members(go, skr):
    for path, member in (("raw", "report"), ("combined", "evidence")):
        answers = [getattr(program, path)(b"data").json for program in (go, skr)]
        assert sorted(answers[0]) == sorted(answers[1])
        assert len(answers[0][member]) == len(answers[1][member])


def test_both_are_denied_with_the_same_words(cloud, go, skr):
    cloud.import_oct_with(clients(cloud, "vault"), DENIED)
    for answer in (go.release(), skr.release()):
        assert answer.status == 403, answer
        for phrase in ("releasing the key key1 failed", "http response status equal to 403 Forbidden"):
            assert phrase.lower() in answer.json["error"].lower(), (phrase, answer)


@pytest.mark.parametrize("body", ["", "[]", "{", '{"maa_endpoint":7}', "{}", '{"maa_endpoint":"a","akv_endpoint":"b"}', '{"runtime_data":"%"}'])
@pytest.mark.parametrize("path", ["/attest/raw", "/attest/combined", "/attest/maa", "/key/release"])
def test_both_refuse_malformed_requests(go, skr, path, body):
    assert [program.post(path, body).status for program in (go, skr)] == [400, 400]


def shape(exchange):
    """A request without what differs from call to call: the members with their types, and the headers that a service reads."""
    def kinds(v):
        return {k: kinds(x) for k, x in sorted(v.items())} if isinstance(v, dict) else type(v).__name__

    headers = {k: v for k, v in exchange["headers"].items() if k in ("content-type", "user-agent") and (k, exchange["service"]) != ("user-agent", "akv")}
    return exchange["method"], exchange["target"], kinds(json.loads(exchange["body"])), headers


def test_both_send_the_same_requests(cloud, go, skr):
    cloud.import_oct_with(clients(cloud, "vault"))
    seen = []
    for program in (go, skr):
        cloud.control("DELETE", "/journal")
        assert program.release().status == 200
        seen.append([shape(x) for service in ("maa", "akv") for x in cloud.journal(service) if x["status"] == 200])
    assert len(seen[0]) == 2 and seen[0] == seen[1]
