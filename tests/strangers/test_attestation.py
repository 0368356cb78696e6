"""azure-security-attestation and PyJWT against the attestation service, with tokens that skr fetched."""
import base64
import hashlib
import json

import jwt
import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
from azure.security.attestation import AttestationClient, AttestationToken, AttestationTokenValidationException
from cryptography import x509

RUNTIME = {"hello": "world", "n": [1, 2]}


@pytest.fixture
def client(cloud):
    return AttestationClient("https://" + cloud.maa, ManagedIdentityCredential(), retry_total=0)


@pytest.fixture
def token(skr):
    answer = skr.attest(json.dumps(RUNTIME).encode())
    assert answer.status == 200, answer
    return answer.json["token"]


def check(token, signers, issuer, **more):
    """The SDK keeps its check for tokens of its own calls under a private name; there is no other one in it."""
    AttestationToken(token=token)._validate_token(signers, issuer=issuer, validate_issuer=True, **more)


def test_signers_and_metadata_are_read(client, cloud):
    signers = client.get_signing_certificates()
    assert len(signers) == 1 and signers[0].key_id and "BEGIN CERTIFICATE" in signers[0].certificates[0]
    metadata = client.get_open_id_metadata()
    assert metadata["issuer"] == "https://" + cloud.maa and metadata["jwks_uri"] == f"https://{cloud.maa}/certs"


def test_a_token_is_validated(client, cloud, token):
    check(token, client.get_signing_certificates(), "https://" + cloud.maa)


def test_a_rotated_key_still_validates_old_and_new_tokens(client, cloud, skr, token):
    cloud.control("POST", "/state", {"rotate_maa_key": True})
    fresh = skr.attest(json.dumps(RUNTIME).encode()).json["token"]
    signers = client.get_signing_certificates()
    assert len(signers) == 2
    assert jwt.get_unverified_header(fresh)["kid"] != jwt.get_unverified_header(token)["kid"]
    for t in (token, fresh):
        check(t, signers, "https://" + cloud.maa)


def altered(token):
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["x-ms-sevsnpvm-hostdata"] = "0" * 64
    return ".".join((head, base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), signature))


@pytest.mark.parametrize("lie", ["claims", "issuer", "signer"])
def test_a_lie_is_noticed(client, cloud, token, lie):
    signers = client.get_signing_certificates()
    issuer = "https://" + cloud.maa
    if lie == "claims":
        token = altered(token)
    elif lie == "issuer":
        issuer = "https://other.neu.attest.azure.net"
    else:
        cloud.control("POST", "/state", {"rotate_maa_key": True})
        signers = client.get_signing_certificates()[:1]
    with pytest.raises(AttestationTokenValidationException):
        check(token, signers, issuer)


def test_claims_are_those_of_the_report(client, cloud, skr, token):
    metadata = client.get_open_id_metadata()
    kid = jwt.get_unverified_header(token)["kid"]
    signer = next(s for s in client.get_signing_certificates() if s.key_id == kid)  # published as certificates only
    key = x509.load_pem_x509_certificate(signer.certificates[0].encode()).public_key()
    claims = jwt.decode(token, key, metadata["id_token_signing_alg_values_supported"], issuer=metadata["issuer"],
                        options={"require": ["exp", "iat", "nbf", "iss"]})
    assert claims["x-ms-attestation-type"] == "sevsnpvm" and claims["x-ms-runtime"] == RUNTIME
    assert claims["x-ms-sevsnpvm-hostdata"] == cloud.host_data()
    assert claims["x-ms-sevsnpvm-reportdata"] == hashlib.sha256(json.dumps(RUNTIME).encode()).hexdigest() + "00" * 32
    assert claims["x-ms-sevsnpvm-is-debuggable"] is False


def test_what_the_service_does_not_offer_is_an_error_of_the_sdk(client):
    with pytest.raises(HttpResponseError):
        client.attest_sgx_enclave(b"quote")
