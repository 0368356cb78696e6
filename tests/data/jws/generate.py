#!/usr/bin/python3
"""Makes the signed answers that tests/crypto/test_jws.c opens or refuses.

Keys and certificates are made with Python's cryptography, the good signatures with jwcrypto, so
that nothing here comes from the code under test. Private keys are thrown away. Each NAME.jws lies
in one way, which its name tells; roots.pem is what the reader trusts. Run in this directory.
"""
import base64, datetime, glob, hashlib, hmac, json, os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU, NameOID
from jwcrypto import jwk, jws

HOST = "vault.azure.net"
DAY = datetime.timedelta(days=1)
BORN = datetime.datetime(2024, 1, 1)
DIES = datetime.datetime(2044, 1, 1)
DER = serialization.Encoding.DER


def name(cn):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
                      x509.NameAttribute(NameOID.COMMON_NAME, cn)])


class Party:
    """A certificate and its key."""

    def __init__(self, cn, issuer=None, ca=None, sans=(), ekus=(EKU.SERVER_AUTH,), key=None,
                 born=BORN, dies=DIES, hash=hashes.SHA256(), bits=2048):
        self.key = key or rsa.generate_private_key(65537, bits)
        self.name = name(cn)
        b = (x509.CertificateBuilder().subject_name(self.name)
             .issuer_name(issuer.name if issuer else self.name).public_key(self.key.public_key())
             .serial_number(x509.random_serial_number())
             .not_valid_before(born).not_valid_after(dies))
        if ca is not None:
            b = b.add_extension(x509.BasicConstraints(True, ca if ca >= 0 else None), True)
        if sans:
            b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName(s) for s in sans]), False)
        if ekus and ca is None:
            b = b.add_extension(x509.ExtendedKeyUsage(ekus), False)
        self.cert = b.sign(issuer.key if issuer else self.key, hash)
        self.der = self.cert.public_bytes(DER)


def u64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def std64(raw):
    return base64.b64encode(raw).decode()


root = Party("Root", ca=-1)
issuing = Party("Issuing", root, ca=0)
signer = Party(HOST, issuing, sans=[HOST, "*.vault.azure.net"])
CHAIN = [signer, issuing, root]
PAYLOAD = json.dumps({"request": {"enc": "CKM_RSA_AES_KEY_WRAP"}, "response": {"key": {}}},
                     separators=(",", ":")).encode()


def header(alg="RS256", chain=CHAIN, **more):
    h = {"alg": alg, "x5c": [std64(p.der) for p in chain]}
    if chain:
        h["x5t#S256"] = u64(hashlib.sha256(chain[0].der).digest())
    h.update(more)
    return {k: v for k, v in h.items() if v is not None}


def pad_for(alg):
    h = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512(),
         "1": hashes.SHA1()}[alg[2:]]
    return (padding.PSS(padding.MGF1(h), h.digest_size) if alg[0] == "P" else padding.PKCS1v15()), h


def raw_sign(head, payload=PAYLOAD, key=None, how="RS256", pad=None):
    """Signs whatever the header claims; head is an object or the JSON text."""
    text = head if isinstance(head, bytes) else json.dumps(head, separators=(",", ":")).encode()
    signed = u64(text) + "." + u64(payload)
    p, h = pad_for(how)
    return signed + "." + u64((key or signer.key).sign(signed.encode(), pad or p, h))


def jw_sign(head, key, payload=PAYLOAD):
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    token = jws.JWS(payload)
    token.allowed_algs = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    token.add_signature(jwk.JWK.from_pem(pem), None, json.dumps(head), None)
    return token.serialize(compact=True)


def with_chain(*chain, alg="RS256"):
    return raw_sign(header(alg, list(chain)), key=chain[0].key)


out = {}

# Accepted.
for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
    out["good_" + alg.lower()] = jw_sign(header(alg), signer.key)
out["good_akv"] = jw_sign({"alg": "RS256", "kid": hashlib.sha1(signer.der).hexdigest().upper(),
                           "x5t": u64(hashlib.sha1(signer.der).digest()), "typ": "JWT",
                           "x5t#S256": u64(hashlib.sha256(signer.der).digest()),
                           "x5c": [std64(p.der) for p in CHAIN]}, signer.key)
out["good_without_root"] = jw_sign(header(chain=CHAIN[:2]), signer.key)
out["good_without_thumbprint"] = jw_sign(header(**{"x5t#S256": None}), signer.key)
no_eku = Party(HOST, issuing, sans=[HOST], ekus=())
out["good_without_eku"] = jw_sign(header(chain=[no_eku, issuing, root]), no_eku.key)

# Chains.
fake_root = Party("Root", ca=-1)
fake_issuing = Party("Issuing", fake_root, ca=0)
fake = Party(HOST, fake_issuing, sans=[HOST])
out["chain_other_root_same_name"] = with_chain(fake, fake_issuing, fake_root)
mallory_root = Party("Mallory Root", ca=-1)
mallory = Party(HOST, mallory_root, sans=[HOST])
out["chain_other_root"] = with_chain(mallory, mallory_root)
alone = Party(HOST, sans=[HOST])
out["chain_self_signed"] = with_chain(alone)
out["chain_without_issuing"] = with_chain(signer, root)
out["chain_wrong_order"] = with_chain(issuing, signer, root)
other = Party("other.azure.net", issuing, sans=["other.azure.net"])
out["leaf_other_host"] = with_chain(other, issuing, root)
cn_only = Party(HOST, issuing)
out["leaf_common_name_only"] = with_chain(cn_only, issuing, root)
partial = Party(HOST, issuing, sans=["va*.azure.net"])
out["leaf_partial_wildcard"] = with_chain(partial, issuing, root)
out["leaf_expired"] = with_chain(Party(HOST, issuing, sans=[HOST], dies=BORN + DAY), issuing, root)
out["leaf_not_yet_valid"] = with_chain(Party(HOST, issuing, sans=[HOST], born=DIES - DAY), issuing,
                                       root)
out["leaf_code_signing"] = with_chain(Party(HOST, issuing, sans=[HOST], ekus=[EKU.CODE_SIGNING]),
                                      issuing, root)
out["leaf_sha1"] = with_chain(Party(HOST, issuing, sans=[HOST], hash=hashes.SHA1()), issuing, root)
out["leaf_rsa_1024"] = with_chain(Party(HOST, issuing, sans=[HOST], bits=1024), issuing, root)
by_leaf = Party("By a leaf", signer, sans=[HOST])
out["chain_issued_by_leaf"] = with_chain(by_leaf, signer, issuing, root)
too_deep = Party("Too deep", issuing, ca=0)
deep = Party(HOST, too_deep, sans=[HOST])
out["chain_path_too_long"] = with_chain(deep, too_deep, issuing, root)

# Signatures and algorithms.
good = raw_sign(header())
h, p, s = good.split(".")
sig = bytearray(base64.urlsafe_b64decode(s + "=="))
sig[100] ^= 1
out["signature_wrong"] = ".".join((h, p, u64(bytes(sig))))
out["signature_empty"] = h + "." + p + "."
out["signature_short"] = ".".join((h, p, u64(bytes(sig[1:]))))
out["signature_of_another_payload"] = ".".join((h, u64(b'{"request":{}}'), s))
out["signature_by_another_key"] = raw_sign(header(), key=mallory.key)
out["signature_by_x5c_2"] = raw_sign(header(), key=issuing.key)
out["signature_pss_under_rs256"] = raw_sign(header(), how="PS256")
out["signature_pkcs1_under_ps256"] = raw_sign(header("PS256"))
out["signature_sha384_under_rs256"] = raw_sign(header(), how="RS384")
out["signature_pss_salt_20"] = raw_sign(header("PS256"), how="PS256",
                                        pad=padding.PSS(padding.MGF1(hashes.SHA256()), 20))
out["alg_none"] = u64(json.dumps(header("none")).encode()) + "." + p + "."
spki = signer.key.public_key().public_bytes(serialization.Encoding.PEM,
                                            serialization.PublicFormat.SubjectPublicKeyInfo)
signed = u64(json.dumps(header("HS256")).encode()) + "." + p
out["alg_hs256_with_public_key"] = signed + "." + u64(
    hmac.new(spki, signed.encode(), "sha256").digest())
ec_key = ec.generate_private_key(ec.SECP256R1())
ec_leaf = Party(HOST, issuing, sans=[HOST], key=ec_key)
signed = u64(json.dumps(header("ES256", [ec_leaf, issuing, root])).encode()) + "." + p
r_s = utils.decode_dss_signature(ec_key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
out["alg_es256"] = signed + "." + u64(b"".join(n.to_bytes(32, "big") for n in r_s))
out["leaf_ec_under_rs256"] = raw_sign(header(chain=[ec_leaf, issuing, root]))
out["alg_rs1"] = raw_sign(header("RS1"), how="RS1")
out["alg_lower_case"] = raw_sign(header("rs256"))
out["alg_missing"] = raw_sign(header(None))
out["alg_number"] = raw_sign(header(256))

# The header.
text = json.dumps(header(), separators=(",", ":"))
out["header_alg_twice"] = raw_sign(text.replace('"alg":"RS256"',
                                                '"alg":"none","alg":"RS256"').encode())
out["header_x5c_twice"] = raw_sign((text[:-1] + ',"x5c":[]}').encode())
out["header_crit"] = raw_sign(header(crit=["exp"], exp=1))
out["header_crit_empty"] = raw_sign(header(crit=[]))
out["header_b64"] = raw_sign(header(b64=False))
out["header_array"] = raw_sign(b"[1]")
out["header_text"] = raw_sign(b"RS256")
out["thumbprint_of_another"] = raw_sign(
    header(**{"x5t#S256": u64(hashlib.sha256(issuing.der).digest())}))
out["thumbprint_padded"] = raw_sign(
    header(**{"x5t#S256": u64(hashlib.sha256(signer.der).digest()) + "="}))
out["thumbprint_number"] = raw_sign(header(**{"x5t#S256": 7}))
one = std64(signer.der)
for case, x5c in {
    "missing": None, "empty": [], "text": one, "object": {"0": one}, "number": [1], "null": [None],
    "nine": [std64(signer.der)] + [std64(issuing.der)] * 8,
    "urlsafe": [base64.urlsafe_b64encode(signer.der).decode()],
    "lines": [one[:64] + "\n" + one[64:]], "unpadded_or_odd": [one.rstrip("=") + "A"],
    "garbage": [std64(b"no certificate")], "empty_text": [""],
    "bytes_behind": [std64(signer.der + b"\0")], "pem": [
        signer.cert.public_bytes(serialization.Encoding.PEM).decode()],
    "garbage_behind_leaf": [one, std64(b"\x30\x03\x02\x01\x01")],
}.items():
    out["x5c_" + case] = raw_sign(header(x5c=x5c))

# The form.
out["form_two_parts"] = h + "." + p
out["form_four_parts"] = good + ".AA"
out["form_five_parts"] = good + ".AA.AA"
out["form_padded_signature"] = good + "=="
out["form_padded_header"] = h + "=" * (-len(h) % 4 or 4) + "." + p + "." + s
out["form_newline"] = good + "\n"
out["form_blank"] = " " + good
out["form_standard_alphabet"] = ".".join((h, p, s.replace("-", "+").replace("_", "/")))
last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
out["form_loose_bits"] = good[:-1] + last[last.index(good[-1]) + 1]
out["form_json"] = json.dumps({"protected": h, "payload": p, "signature": s})
out["form_empty"] = ""

# The payload, signed as it should be.
out["payload_array"] = raw_sign(header(), b"[]")
out["payload_text"] = raw_sign(header(), b"released")
out["payload_empty"] = raw_sign(header(), b"")
out["payload_member_twice"] = raw_sign(header(), b'{"a":1,"a":2}')

for old in glob.glob("*.jws"):
    os.remove(old)
for case, value in out.items():
    with open(case + ".jws", "w", newline="") as f:
        f.write(value)
with open("roots.pem", "wb") as f:
    f.write(root.cert.public_bytes(serialization.Encoding.PEM))
with open("other_root.pem", "wb") as f:
    f.write(mallory_root.cert.public_bytes(serialization.Encoding.PEM))
with open("signer.pem", "wb") as f:
    f.write(b"".join(p.cert.public_bytes(serialization.Encoding.PEM) for p in CHAIN))
