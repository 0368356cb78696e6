"""azure-keyvault-keys against both vaults: import, create, get, list, update, and a release that the `cryptography` package unwraps."""
import json
import os

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import ApiVersion, JsonWebKey, KeyClient, KeyExportEncryptionAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sdk import Guest, clients, json_web_key, load_private, number, policy, unb64u

HASHES = {KeyExportEncryptionAlgorithm.ckm_rsa_aes_key_wrap: hashes.SHA1, KeyExportEncryptionAlgorithm.rsa_aes_key_wrap_256: hashes.SHA256,
          KeyExportEncryptionAlgorithm.rsa_aes_key_wrap_384: hashes.SHA384}


@pytest.fixture(params=["vault", "managed-hsm"])
def product(request):
    return request.param


@pytest.fixture
def client(cloud, product):
    return clients(cloud, product)


@pytest.fixture(scope="module")
def private():
    return rsa.generate_private_key(65537, 2048)


def put(client, cloud, private, name="key", **more):
    return client.import_key(name, json_web_key(private), hardware_protected=True, exportable=True, release_policy=policy(cloud, **more))


def test_the_audience_is_learned_from_the_challenge(client):
    with pytest.raises(ResourceNotFoundError) as refused:
        client.get_key("none")
    assert refused.value.error.code == "KeyNotFound"


@pytest.mark.parametrize("version", [ApiVersion.V7_3, ApiVersion.V7_4, ApiVersion.V7_5, ApiVersion.V7_6, ApiVersion.V2025_07_01])
def test_every_version_of_the_interface_with_releases_is_spoken(cloud, skr, product, version):
    client = KeyClient(cloud.vault(product), ManagedIdentityCredential(), api_version=version, retry_total=0)
    client.create_rsa_key("key", size=2048, hardware_protected=True, exportable=True, release_policy=policy(cloud))
    guest = Guest(skr)
    assert isinstance(load_private(guest.unwrap(client.release_key("key", guest.token).value)), rsa.RSAPrivateKey)


@pytest.mark.parametrize("algorithm", [None, *HASHES])
def test_an_imported_rsa_key_is_released(client, cloud, skr, private, algorithm):
    made = put(client, cloud, private)
    assert made.key.n == number(private.public_key().public_numbers().n) and made.key_operations == ["encrypt", "decrypt"]
    guest = Guest(skr)
    more = {"algorithm": algorithm, "nonce": "n1"} if algorithm else {}
    value = client.release_key("key", guest.token, **more).value
    assert load_private(guest.unwrap(value, HASHES.get(algorithm, hashes.SHA1))).private_numbers() == private.private_numbers()
    asked = jwt.decode(value, options={"verify_signature": False})["request"]
    assert (algorithm is None or asked["enc"] == algorithm.value) and asked.get("nonce") == more.get("nonce")


def test_what_skr_releases_is_the_key_that_the_sdk_imported(client, cloud, skr, product, private):
    put(client, cloud, private, "shared")
    got = skr.jwk("shared", hsm=product == "managed-hsm")
    assert int.from_bytes(unb64u(got["d"]), "big") == private.private_numbers().d


def test_a_symmetric_key_is_released(client, cloud, skr):
    value = os.urandom(32)
    key = JsonWebKey(kty="oct-HSM", k=value, key_ops=["encrypt", "decrypt"])
    client.import_key("sym", key, hardware_protected=True, exportable=True, release_policy=policy(cloud))
    guest = Guest(skr)
    assert guest.unwrap(client.release_key("sym", guest.token).value) == value


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_an_elliptic_key_is_made_and_released(client, cloud, skr, curve):
    made = client.create_ec_key("ec", curve=curve, hardware_protected=True, exportable=True, release_policy=policy(cloud))
    guest = Guest(skr)
    released = load_private(guest.unwrap(client.release_key("ec", guest.token).value))
    assert isinstance(released, ec.EllipticCurvePrivateKey)
    assert number(released.public_key().public_numbers().x) == made.key.x.lstrip(b"\0")


def test_versions_are_listed_and_released_by_name(client, cloud, skr, private):
    first = put(client, cloud, private).properties.version
    second = client.create_rsa_key("key", size=3072, hardware_protected=True, exportable=True, release_policy=policy(cloud)).properties.version
    assert {v.version for v in client.list_properties_of_key_versions("key")} == {first, second}
    assert client.get_key("key").properties.version == second and client.get_key("key", first).properties.version == first
    guest = Guest(skr)
    value = client.release_key("key", guest.token, version=first).value
    assert load_private(guest.unwrap(value)).private_numbers() == private.private_numbers()


def test_a_policy_that_is_not_met_denies(client, cloud, skr):
    client.create_rsa_key("key", size=2048, hardware_protected=True, exportable=True, release_policy=policy(cloud))
    token = Guest(skr).token
    client.update_key_properties("key", release_policy=policy(cloud, ("x-ms-sevsnpvm-vmpl", "1")))
    assert json.loads(client.get_key("key").properties.release_policy.encoded_policy)["anyOf"][0]["allOf"][0]["equals"] == "1"
    with pytest.raises(HttpResponseError, match="does not meet key release policy requirements") as refused:
        client.release_key("key", token)
    assert refused.value.status_code == 403


def test_a_token_of_another_authority_denies(client, cloud, skr):
    client.create_rsa_key("key", size=2048, hardware_protected=True, exportable=True,
                          release_policy=policy(cloud, authority="https://other.neu.attest.azure.net"))
    with pytest.raises(HttpResponseError) as refused:
        client.release_key("key", Guest(skr).token)
    assert refused.value.status_code == 403


def test_an_altered_token_denies(client, cloud, skr, private):
    put(client, cloud, private)
    token = Guest(skr).token
    with pytest.raises(HttpResponseError) as refused:
        client.release_key("key", token[:-8] + ("A" * 8 if token[-8:] != "A" * 8 else "B" * 8))
    assert refused.value.status_code == 403


def test_an_immutable_policy_stays(client, cloud, private):
    assert put(client, cloud, private, immutable=True).properties.release_policy.immutable
    with pytest.raises(HttpResponseError, match="Immutable Key Release Policy cannot be modified"):
        client.update_key_properties("key", release_policy=policy(cloud, ("x-ms-sevsnpvm-vmpl", "1")))


def test_exportable_keys_need_a_policy(client):
    with pytest.raises(HttpResponseError, match="Exportable keys must have release policy"):
        client.create_ec_key("key", hardware_protected=True, exportable=True)


def test_roles_are_asked_for(client, cloud, skr, private):
    put(client, cloud, private)
    cloud.set(vault={"allow_release": False})
    with pytest.raises(HttpResponseError) as refused:
        client.release_key("key", Guest(skr).token)
    assert refused.value.status_code == 403 and not isinstance(refused.value, ClientAuthenticationError)


def test_a_throttled_vault_is_asked_again(cloud, product, private):
    client = KeyClient(cloud.vault(product), ManagedIdentityCredential(), retry_backoff_factor=0.1)
    put(client, cloud, private)
    cloud.fault("mhsm" if product == "managed-hsm" else "akv", status=429, times=1, headers={"Retry-After": "0"})
    assert client.get_key("key").name == "key"
