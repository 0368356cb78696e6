"""azure-identity against the metadata service and Entra: managed and workload identity, and the refusals as the SDK tells them."""
import time

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError, DefaultAzureCredential, ManagedIdentityCredential, WorkloadIdentityCredential

VAULT = "https://vault.azure.net"
TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"
ASSERTION = jwt.encode({"sub": "system:serviceaccount:default:app", "aud": "api://AzureADTokenExchange"}, "k" * 32)


def claims(token):
    return jwt.decode(token.token, options={"verify_signature": False})


@pytest.fixture
def workload(tmp_path):
    file = tmp_path / "federated-token"
    file.write_text(ASSERTION)
    return WorkloadIdentityCredential(tenant_id=TENANT, client_id=CLIENT, token_file_path=str(file))


@pytest.mark.parametrize("resource", [VAULT, "https://managedhsm.azure.net"])
def test_a_managed_identity_gets_a_token_for_the_resource(cloud, resource):
    token = ManagedIdentityCredential().get_token(resource + "/.default")
    assert claims(token)["aud"] == resource
    assert time.time() + 3600 < token.expires_on <= time.time() + 86400


def test_a_user_assigned_identity_is_named(cloud):
    token = ManagedIdentityCredential(client_id=CLIENT).get_token(VAULT + "/.default")
    assert claims(token)["appid"] == CLIENT


def test_the_default_chain_finds_the_metadata_service(cloud):
    assert claims(DefaultAzureCredential().get_token(VAULT + "/.default"))["aud"] == VAULT


def test_a_token_is_trusted_by_its_published_key(cloud):
    token = ManagedIdentityCredential().get_token(VAULT + "/.default").token
    keys = jwt.PyJWKClient("https://login.microsoftonline.com/common/discovery/v2.0/keys")
    assert jwt.decode(token, keys.get_signing_key_from_jwt(token), ["RS256"], audience=VAULT)["aud"] == VAULT


def test_a_workload_identity_exchanges_its_assertion(cloud, workload):
    cloud.set(federated_token=ASSERTION)
    token = workload.get_token(VAULT + "/.default")
    assert claims(token)["aud"] == VAULT and claims(token)["appid"] == CLIENT


def test_a_refused_assertion_is_told_with_entra_s_code(cloud, workload):
    cloud.set(federated_token=ASSERTION + "x")
    with pytest.raises(ClientAuthenticationError, match="AADSTS70021"):
        workload.get_token(VAULT + "/.default")


def test_an_instance_is_discovered(cloud):
    found = WorkloadIdentityCredential(tenant_id=TENANT, client_id=CLIENT, token_file_path="/nowhere", authority="login.microsoftonline.com")
    with pytest.raises((OSError, ClientAuthenticationError)):
        found.get_token(VAULT + "/.default")
    assert not cloud.journal("entra", "token")


def test_an_identity_that_is_not_there_is_unavailable(cloud):
    cloud.fault("imds", status=400, body='{"error":"invalid_request","error_description":"Identity not found"}', times=8)
    with pytest.raises((CredentialUnavailableError, ClientAuthenticationError), match="Identity not found"):
        ManagedIdentityCredential(retry_total=0).get_token(VAULT + "/.default")


def test_a_throttled_metadata_service_is_asked_again(cloud):
    cloud.fault("imds", status=429, times=1)
    assert claims(ManagedIdentityCredential(retry_backoff_factor=0.1).get_token(VAULT + "/.default"))["aud"] == VAULT
    assert [x["status"] for x in cloud.journal("imds", "token")] == [429, 200]
