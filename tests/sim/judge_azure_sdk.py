"""The public Azure SDK against the simulated vaults: the unauthenticated first request, the
challenge, and import, get, update, list and release as the client libraries word them."""

import json
import socket
import time

import cloudsim

if __name__ == "__main__":
    cloudsim.need("azure.keyvault.keys", "requests", "jwcrypto")
    cloudsim.judge(__file__)

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import (ApiVersion, JsonWebKey, KeyClient, KeyExportEncryptionAlgorithm,
                                 KeyReleasePolicy)
from jwcrypto import jwk

RUNTIME = b'{"keys":[%s]}' % json.dumps(dict(
    jwk.JWK.generate(kty="RSA", size=2048, kid="wrap").export_public(as_dict=True),
    key_ops=["encrypt"])).encode()


@pytest.fixture(scope="module")
def cloud():
    with cloudsim.Cloudsim() as c:
        yield c


@pytest.fixture(params=["akv", "hsm"])
def vault(cloud, request):
    return getattr(cloud, request.param)


class Credential:
    """Asks the simulated metadata service, and remembers for what it was asked."""

    def __init__(self, cloud, vault):
        self.cloud, self.vault, self.asked = cloud, vault, []

    def get_token(self, *scopes, **_):
        self.asked.append(scopes)
        return AccessToken(self.cloud.bearer(self.vault), int(time.time()) + 3600)


@pytest.fixture
def client(cloud, vault, monkeypatch):
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: resolve(
        "127.0.0.1" if str(host).endswith(".localhost") else host, *more, **named))
    made = KeyClient("https://" + vault, Credential(cloud, vault), api_version=ApiVersion.V7_4,
                     verify_challenge_resource=False, connection_verify=cloud.dir + "/ca.pem",
                     retry_total=0)
    yield made
    cloud.reset()


def policy(cloud, value="0", **more):
    return KeyReleasePolicy(json.dumps({"version": "1.0.0", "anyOf": [{
        "authority": "https://" + cloud.maa,
        "allOf": [{"claim": "x-ms-sevsnpvm-vmpl", "equals": value}]}]}).encode(), **more)


def test_learns_the_audience_from_the_challenge(client, vault):
    with pytest.raises(ResourceNotFoundError) as refused:
        client.get_key("none")
    assert refused.value.error.code == "KeyNotFound"


def test_creates_updates_and_releases(client, cloud):
    made = client.create_rsa_key("key", size=3072, hardware_protected=True, exportable=True,
                                 release_policy=policy(cloud))
    assert made.key_type == "RSA-HSM" and made.properties.exportable
    assert json.loads(made.properties.release_policy.encoded_policy)["version"] == "1.0.0"
    assert client.get_key("key").properties.version == made.properties.version
    assert [v.version for v in client.list_properties_of_key_versions("key")] == [
        made.properties.version]
    target = cloud.token(RUNTIME)
    for algorithm in (None, KeyExportEncryptionAlgorithm.rsa_aes_key_wrap_256):
        more = {"algorithm": algorithm, "nonce": "n"} if algorithm else {}
        assert client.release_key("key", target, **more).value.count(".") == 2
    client.update_key_properties("key", release_policy=policy(cloud, "1"))
    with pytest.raises(HttpResponseError) as refused:
        client.release_key("key", target)
    assert refused.value.status_code == 403
    assert "does not meet key release policy requirements" in refused.value.message


def test_imports_and_keeps_an_immutable_policy(client, cloud):
    members = jwk.JWK.generate(kty="RSA", size=2048).export(as_dict=True)
    numbers = {m: cloudsim.unb64u(members[m]) for m in ("n", "e", "d", "p", "q", "dp", "dq", "qi")}
    numbers["n"] = b"\0" + numbers["n"]
    key = JsonWebKey(kty="RSA-HSM", key_ops=["decrypt"], **numbers)
    made = client.import_key("key", key, hardware_protected=True, exportable=True,
                             release_policy=policy(cloud, immutable=True))
    assert made.key.n == numbers["n"][1:] and made.properties.release_policy.immutable
    assert made.key_operations == ["decrypt"]
    with pytest.raises(HttpResponseError) as refused:
        client.update_key_properties("key", release_policy=policy(cloud, "1"))
    assert "Immutable Key Release Policy cannot be modified" in refused.value.message


def test_exportable_needs_a_policy(client):
    with pytest.raises(HttpResponseError) as refused:
        client.create_ec_key("key", hardware_protected=True, exportable=True)
    assert "Exportable keys must have release policy" in refused.value.message
