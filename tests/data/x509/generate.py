#!/usr/bin/python3
"""Makes the certificates that tests/crypto/test_x509.c reads, with Python's cryptography.

Keys are thrown away. Signature algorithms that the library does not write into certificates are
put together here, from the bytes up. Run in this directory.
"""
import datetime, glob, os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

BORN, DIES = datetime.datetime(2024, 1, 1), datetime.datetime(2044, 1, 1)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    size = bytes([n]) if n < 128 else bytes([0x80 + (n.bit_length() + 7) // 8]) + n.to_bytes(
        (n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + size + body


def oid(last):
    """Of the arcs that occur here."""
    return {"sha256": bytes.fromhex("0609608648016503040201"),
            "sha384": bytes.fromhex("0609608648016503040202"),
            "mgf1": bytes.fromhex("06092a864886f70d010108"),
            "pss": bytes.fromhex("06092a864886f70d01010a"),
            "rsa-sha384": bytes.fromhex("06092a864886f70d01010c")}[last]


NULL = b"\x05\x00"


def pss(hash="sha384", mgf="sha384", salt=48, trailer=None, null=NULL, more=b""):
    parts = []
    if hash:
        parts.append(tlv(0xa0, tlv(0x30, oid(hash), null)))
    if mgf:
        parts.append(tlv(0xa1, tlv(0x30, oid("mgf1"), tlv(0x30, oid(mgf), null))))
    if salt is not None:
        parts.append(tlv(0xa2, tlv(0x02, bytes([salt]))))
    if trailer is not None:
        parts.append(tlv(0xa3, tlv(0x02, bytes([trailer]))))
    return tlv(0x30, oid("pss"), tlv(0x30, *parts, more))


issuer_key = rsa.generate_private_key(65537, 3072)
issuer_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Issuer")])
ec_key = ec.generate_private_key(ec.SECP384R1())
HWID = bytes(range(64))


def builder(subject="Leaf", key=None, ext=()):
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, cn)
             for cn in ([subject] if isinstance(subject, str) else subject)]
    b = (x509.CertificateBuilder().subject_name(x509.Name(parts)).issuer_name(issuer_name)
         .public_key((key or ec_key).public_key()).serial_number(7)
         .not_valid_before(BORN).not_valid_after(DIES))
    for value, critical in ext:
        b = b.add_extension(value, critical)
    return b


def raw_ext(dotted, content):
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(dotted), content), False


def split(der):
    """The elements of a SEQUENCE."""
    def read(p):
        n, at = der[p + 1], p + 2
        if n >= 0x80:
            at += n - 0x80
            n = int.from_bytes(der[p + 2:at], "big")
        return at, at + n
    p, end = read(0)
    out = []
    while p < end:
        _, after = read(p)
        out.append(der[p:after])
        p = after
    return out


def resign(cert, inner, pad, hash, outer=None, key=issuer_key):
    tbs = split(split(cert.public_bytes(DER))[0])
    tbs[2] = inner
    body = tlv(0x30, *tbs)
    return tlv(0x30, body, outer or inner, tlv(0x03, b"\0", key.sign(body, pad, hash)))


def mgf_pad(mgf, salt):
    return padding.PSS(padding.MGF1(mgf), salt)


S1, S256, S384 = hashes.SHA1(), hashes.SHA256(), hashes.SHA384()
leaf = builder(ext=[raw_ext("1.3.6.1.4.1.3704.1.4", HWID),
                    raw_ext("1.3.6.1.4.1.3704.1.3.8", b"\x02\x02\x00\xdb")]).sign(issuer_key, S256)
good = mgf_pad(S384, 48)
out = {
    "pss_good": resign(leaf, pss(), good, S384),
    "pss_good_trailer": resign(leaf, pss(trailer=1), good, S384),
    "pss_good_without_null": resign(leaf, pss(null=b""), good, S384),
    "pss_other_key": resign(leaf, pss(), good, S384, key=rsa.generate_private_key(65537, 3072)),
    "pss_sha256": resign(leaf, pss(hash="sha256", mgf="sha256"), mgf_pad(S256, 48), S256),
    "pss_mgf_sha256": resign(leaf, pss(mgf="sha256"), mgf_pad(S256, 48), S384),
    "pss_mgf_default": resign(leaf, pss(mgf=None), mgf_pad(S1, 48), S384),
    "pss_hash_default": resign(leaf, pss(hash=None), mgf_pad(S384, 48), S1),
    "pss_salt_32": resign(leaf, pss(salt=32), mgf_pad(S384, 32), S384),
    "pss_salt_default": resign(leaf, pss(salt=None), mgf_pad(S384, 20), S384),
    "pss_salt_lies": resign(leaf, pss(salt=48), mgf_pad(S384, 32), S384),
    "pss_all_default": resign(leaf, pss(None, None, None), mgf_pad(S1, 20), S1),
    "pss_no_parameters": resign(leaf, tlv(0x30, oid("pss")), good, S384),
    "pss_trailer_2": resign(leaf, pss(trailer=2), good, S384),
    "pss_member_behind": resign(leaf, pss(more=tlv(0xa4, tlv(2, b"\x01"))), good, S384),
    "pss_inner_differs": resign(leaf, pss(trailer=1), good, S384, outer=pss()),
    "pkcs1_sha384": resign(leaf, tlv(0x30, oid("rsa-sha384"), NULL), padding.PKCS1v15(), S384),
}
tampered = bytearray(out["pss_good"])
tampered[tampered.index(HWID)] ^= 1
out["pss_tampered"] = bytes(tampered)


def ca(value, usage=None):
    ext = [] if value is None else [(x509.BasicConstraints(value, None), True)]
    if usage is not None:
        ext.append((x509.KeyUsage(False, False, False, False, False, usage, True, False, False),
                    True))
    return builder("CA", ext=ext).sign(issuer_key, S256).public_bytes(DER)


out |= {
    "issuer": builder("Issuer", issuer_key, [(x509.BasicConstraints(True, None), True)]).sign(
        issuer_key, S256).public_bytes(DER),
    "p256": builder(key=ec.generate_private_key(ec.SECP256R1())).sign(
        issuer_key, S256).public_bytes(DER),
    "rsa": builder(key=issuer_key).sign(issuer_key, S256).public_bytes(DER),
    "ca_without_usage": ca(True), "ca_with_usage": ca(True, True),
    "ca_without_cert_sign": ca(True, False), "ca_false": ca(False), "ca_false_with_usage":
    ca(False, True), "ca_absent": ca(None), "ca_absent_with_usage": ca(None, True),
    "name_two": builder(["One", "Two"]).sign(issuer_key, S256).public_bytes(DER),
    "name_none": builder([]).sign(issuer_key, S256).public_bytes(DER),
    "name_nul": builder("SEV\0VCEK").sign(issuer_key, S256).public_bytes(DER),
    "name_utf8": builder("Gerät").sign(issuer_key, S256).public_bytes(DER),
}
ext = tlv(0x30, bytes.fromhex("06092b060104019c780104"), tlv(0x04, b"once"))
tbs = split(split(leaf.public_bytes(DER))[0])
tbs[-1] = tlv(0xa3, tlv(0x30, ext, ext))
body = tlv(0x30, *tbs)
out["extension_twice"] = tlv(0x30, body, tbs[2], tlv(0x03, b"\0", issuer_key.sign(
    body, padding.PKCS1v15(), S256)))

message = b"a report"
r, s = utils.decode_dss_signature(ec_key.sign(message, ec.ECDSA(S384)))
out_sig = r.to_bytes(48, "big") + s.to_bytes(48, "big")

for old in glob.glob("*.der"):
    os.remove(old)
for case, der in out.items():
    with open(case + ".der", "wb") as f:
        f.write(der)
with open("report.sig", "wb") as f:
    f.write(out_sig)
