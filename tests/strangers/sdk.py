"""What the tests of the public SDK share: keys under policies, and the unwrapping of what a vault released."""
import base64
import hashlib
import json

from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import JsonWebKey, KeyClient, KeyReleasePolicy
from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import jwt


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(n):
    return n.to_bytes((n.bit_length() + 7) // 8, "big")


def clients(cloud, product, host=None):
    return KeyClient("https://" + host if host else cloud.vault(product), ManagedIdentityCredential(), retry_total=0)


def policy(cloud, *claims, authority=None, **more):
    return KeyReleasePolicy(json.dumps(cloud.policy(*claims, authority=authority)).encode(), **more)


def json_web_key(private):
    n = private.private_numbers()
    members = {"n": n.public_numbers.n, "e": n.public_numbers.e, "d": n.d, "p": n.p, "q": n.q, "dp": n.dmp1, "dq": n.dmq1, "qi": n.iqmp}
    return JsonWebKey(kty="RSA-HSM", key_ops=["encrypt", "decrypt"], **{k: number(v) for k, v in members.items()})


class Guest:
    """What a sidecar does, written with nothing of this project: an ephemeral key, bound to a token through skr."""

    def __init__(self, skr, maa=None):
        self.key = rsa.generate_private_key(65537, 2048)
        n = self.key.public_key().public_numbers()
        members = {"e": b64u(number(n.e)), "kty": "RSA", "n": b64u(number(n.n))}
        kid = b64u(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())
        self.runtime = {"keys": [dict(members, key_ops=["encrypt"], kid=kid)]}
        answer = skr.attest(json.dumps(self.runtime).encode(), maa=maa)
        assert answer.status == 200, answer
        self.token = answer.json["token"]

    def unwrap(self, signed, digest=hashes.SHA1):
        """The key in a vault's answer, which is checked down to the authority on the way."""
        header = jwt.get_unverified_header(signed)
        leaf, *rest = [x509.load_der_x509_certificate(base64.b64decode(c)) for c in header["x5c"]]
        for child, parent in zip([leaf, *rest], rest):
            child.verify_directly_issued_by(parent)
        payload = jwt.decode(signed, leaf.public_key(), [header["alg"]], options={"verify_aud": False})
        blob = json.loads(unb64u(payload["response"]["key"]["key"]["key_hsm"]))
        ciphertext = unb64u(blob["ciphertext"])
        size = self.key.key_size // 8
        aes = self.key.decrypt(ciphertext[:size], padding.OAEP(padding.MGF1(digest()), digest(), None))
        return keywrap.aes_key_unwrap_with_padding(aes, ciphertext[size:])


def load_private(der):
    return serialization.load_der_private_key(der, None)
