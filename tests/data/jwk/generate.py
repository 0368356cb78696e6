#!/usr/bin/python3
"""Makes material.json, refused.json, oaep.json and keywrap.json: released keys as a vault would
send them, and what must become of them. The judges are Python's cryptography (keys, PKCS#8, OAEP,
key wrapping) and jwcrypto (JWK). Each run makes new keys; the files that are committed are the
fixed vectors of the tests. published.json is not made here: it names its source.

All of these keys are test data and protect nothing.
"""
import base64
import json
import os
import subprocess
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from jwcrypto import jwk

HERE = os.path.dirname(os.path.abspath(__file__))
DER = serialization.Encoding.DER
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()

RSA_OID = "2a864886f70d010101"
EC_OID = "2a8648ce3d0201"
CURVES = {  # JWK name -> curve, its object identifier, width
    "P-256": (ec.SECP256R1(), "2a8648ce3d030107", 32),
    "P-384": (ec.SECP384R1(), "2b81040022", 48),
    "P-521": (ec.SECP521R1(), "2b81040023", 66),
    "P-256K": (ec.SECP256K1(), "2b8104000a", 32),
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# ---- DER by hand, for what the libraries refuse to write ----

def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def number(value):
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(content):
    return tlv(6, bytes.fromhex(content))


def pkcs8(algorithm, parameters, key, version=0, behind=b""):
    return tlv(0x30, number(version), tlv(0x30, oid(algorithm), parameters), tlv(4, key), behind)


def pkcs1(numbers, version=0, behind=b""):
    return tlv(0x30, number(version), *[number(v) for v in numbers], behind)


def rsa_pkcs8(numbers, **kw):
    return pkcs8(RSA_OID, tlv(5), pkcs1(numbers, **kw))


def sec1(d, inner=None, point=None, version=1, behind=b""):
    return tlv(0x30, number(version), tlv(4, d),
               tlv(0xa0, oid(CURVES[inner][1])) if inner else b"",
               tlv(0xa1, tlv(3, b"\0", point)) if point else b"", behind)


def ec_pkcs8(curve, *args, **kw):
    return pkcs8(EC_OID, oid(CURVES[curve][1]), sec1(*args, **kw))


# ---- keys ----

def rsa_numbers(key):
    n = key.private_numbers()
    return [n.public_numbers.n, n.public_numbers.e, n.d, n.p, n.q, n.dmp1, n.dmq1, n.iqmp]


def rsa_swapped(key):
    n = key.private_numbers()
    return rsa.RSAPrivateNumbers(n.q, n.p, n.d, n.dmq1, n.dmp1, rsa.rsa_crt_iqmp(n.q, n.p),
                                 n.public_numbers).private_key()


def ec_key(curve, d):
    return ec.derive_private_key(d, CURVES[curve][0])


def ec_width(curve, value):
    return value.to_bytes(CURVES[curve][2], "big")


def ec_point(key, compressed=False):
    form = serialization.PublicFormat
    return key.public_key().public_bytes(
        serialization.Encoding.X962,
        form.CompressedPoint if compressed else form.UncompressedPoint)


def ec_with_zero(curve, member):
    """A key whose x or y begins with a zero byte."""
    top = 8 * (CURVES[curve][2] - 1)
    while True:
        key = ec.generate_private_key(CURVES[curve][0])
        if getattr(key.private_numbers().public_numbers, member) >> top == 0:
            return key


def expected(key):
    out = jwk.JWK.from_pyca(key).export(private_key=True, as_dict=True)
    out.pop("kid", None)
    if out.get("crv") == "secp256k1":
        out["crv"] = "P-256K"
    return out


def thumbprint(key):
    return jwk.JWK.from_pyca(key.public_key()).thumbprint()


def der(key):
    return key.private_bytes(DER, PKCS8, PLAIN)


# ---- what is accepted ----

def accepted():
    cases = []

    def add(name, key, material=None):
        cases.append({"name": name, "material": b64(material or der(key)), "jwk": expected(key)})

    small = rsa.generate_private_key(65537, 1024)
    for bits in (2048, 3072, 4096):
        add(f"RSA-{bits}", rsa.generate_private_key(65537, bits))
    add("RSA-2048, e = 3", rsa.generate_private_key(3, 2048))
    add("RSA-1024", small)
    add("RSA-1024, p and q swapped", rsa_swapped(small))
    add("RSA-1024, without parameters", small, pkcs8(RSA_OID, b"", pkcs1(rsa_numbers(small))))
    add("RSA-1024, with attributes", small,
        pkcs8(RSA_OID, tlv(5), pkcs1(rsa_numbers(small)),
              behind=tlv(0xa0, tlv(0x30, oid("550d"), tlv(0x31, tlv(3, b"\0\x80"))))))
    for curve in CURVES:
        key = ec.generate_private_key(CURVES[curve][0])
        d = ec_width(curve, key.private_numbers().private_value)
        add(curve, key)
        add(f"{curve}, without point", key, ec_pkcs8(curve, d))
        add(f"{curve}, short d", ec_key(curve, 0x1234))
        for member in ("x", "y"):
            add(f"{curve}, short {member}", ec_with_zero(curve, member))
    key = ec_key("P-256", 0xabcdef)
    d = ec_width("P-256", 0xabcdef)
    add("P-256, curve named twice", key, ec_pkcs8("P-256", d, inner="P-256", point=ec_point(key)))
    add("P-256, compressed point", key, ec_pkcs8("P-256", d, point=ec_point(key, True)))
    add("P-256, d without its zeros", key, ec_pkcs8("P-256", b"\xab\xcd\xef"))
    order_minus_1 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550
    add("P-256, the largest d", ec_key("P-256", order_minus_1))
    return cases


# ---- what is refused ----

def openssl_key(algorithm, *options):
    command = ["openssl", "genpkey", "-algorithm", algorithm]
    for option in options:
        command += ["-pkeyopt", option]
    pem = subprocess.run(command, check=True, capture_output=True).stdout
    return subprocess.run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "DER"],
                          input=pem, check=True, capture_output=True).stdout


def refused_rsa(add):
    key = rsa.generate_private_key(65537, 1024)
    good = rsa_numbers(key)
    n, e, d, p, q, dp, dq, qi = good
    names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"]

    for i, name in enumerate(names):
        bad = list(good)
        bad[i] += 2
        add(f"RSA, {name} + 2", rsa_pkcs8(bad))
        bad[i] = 0
        add(f"RSA, {name} = 0", rsa_pkcs8(bad))
    add("RSA, e = 1", rsa_pkcs8([n, 1, 1, p, q, 1, 1, qi]))
    add("RSA, even e", rsa_pkcs8([n, e + 1, d, p, q, dp, dq, qi]))
    add("RSA, p = n and q = 1", rsa_pkcs8([n, e, d, n, 1, dp, dq, qi]))
    add("RSA, p = 1 and q = n", rsa_pkcs8([n, e, d, 1, n, dp, dq, qi]))
    add("RSA, p = q", rsa_pkcs8([p * p, e, d, p, p, dp, dp, 1]))
    add("RSA, d + n", rsa_pkcs8([n, e, d + n, p, q, dp, dq, qi]))
    add("RSA, dp + p - 1", rsa_pkcs8([n, e, d, p, q, dp + p - 1, dq, qi]))
    add("RSA, dq + q - 1", rsa_pkcs8([n, e, d, p, q, dp, dq + q - 1, qi]))
    add("RSA, qi + p", rsa_pkcs8([n, e, d, p, q, dp, dq, qi + p]))
    add("RSA, only p knows d", rsa_pkcs8([n, e, dp, p, q, dp, dq, qi]))
    add("RSA, only q knows d", rsa_pkcs8([n, e, dq, p, q, dp, dq, qi]))
    add("RSA, n of 16392 bits", rsa_pkcs8([1 << 16391 | 1, e, d, p, q, dp, dq, qi]))
    small = rsa.generate_private_key(65537, 512)
    add("RSA-512", der(small))
    add("RSA, three primes", openssl_key("RSA", "rsa_keygen_bits:1024", "rsa_keygen_primes:3"))
    add("RSA, version 2", rsa_pkcs8(good, version=2))
    add("RSA, something behind the numbers", rsa_pkcs8(good, behind=tlv(0x30)))
    add("RSA, a number short", pkcs8(RSA_OID, tlv(5), pkcs1(good[:7])))
    add("RSA, something behind PKCS#1", pkcs8(RSA_OID, tlv(5), pkcs1(good) + b"\0"))
    add("RSA, something behind PKCS#8", rsa_pkcs8(good) + b"\0")
    add("RSA, something behind the key", pkcs8(RSA_OID, tlv(5), pkcs1(good), behind=tlv(5)))
    add("RSA, cut", rsa_pkcs8(good)[:-1])
    add("RSA, open length", b"\x30\x80" + rsa_pkcs8(good)[4:] + b"\0\0")
    add("RSA, PKCS#8 version 1", pkcs8(RSA_OID, tlv(5), pkcs1(good), version=1))
    add("RSA, unknown parameters", pkcs8(RSA_OID, oid(EC_OID), pkcs1(good)))
    add("RSA, negative number", pkcs8(RSA_OID, tlv(5), tlv(
        0x30, number(0), tlv(2, n.to_bytes(128, "big")), *[number(v) for v in good[1:]])))
    add("RSA, number with a zero too many", pkcs8(RSA_OID, tlv(5), tlv(
        0x30, number(0), tlv(2, b"\0\0" + n.to_bytes(128, "big")),
        *[number(v) for v in good[1:]])))
    add("RSA, PKCS#1", pkcs1(good))
    add("RSA, public key", key.public_key().public_bytes(
        DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    add("RSA, encrypted", key.private_bytes(
        DER, PKCS8, serialization.BestAvailableEncryption(b"password")))
    add("RSA-PSS", pkcs8("2a864886f70d01010a", b"", pkcs1(good)))


def refused_ec(add):
    key = ec.generate_private_key(ec.SECP256R1())
    d = ec_width("P-256", key.private_numbers().private_value)
    point = ec_point(key)
    order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551

    add("EC, another point", ec_pkcs8("P-256", d, point=ec_point(ec_key("P-256", 7))))
    add("EC, the negative point", ec_pkcs8(
        "P-256", d, point=bytes([ec_point(key, True)[0] ^ 1]) + ec_point(key, True)[1:]))
    add("EC, a point off the curve", ec_pkcs8("P-256", d, point=point[:-1] +
                                              bytes([point[-1] ^ 1])))
    add("EC, half a point", ec_pkcs8("P-256", d, point=point[:33]))
    add("EC, infinity", ec_pkcs8("P-256", d, point=b"\0"))
    add("EC, empty point", ec_pkcs8("P-256", d, behind=tlv(0xa1, tlv(3, b"\0"))))
    add("EC, point in bits", ec_pkcs8("P-256", d, behind=tlv(0xa1, tlv(3, b"\x01", point))))
    add("EC, d = 0", ec_pkcs8("P-256", bytes(32)))
    add("EC, empty d", ec_pkcs8("P-256", b""))
    add("EC, d = order", ec_pkcs8("P-256", order.to_bytes(32, "big")))
    add("EC, d = order + 1", ec_pkcs8("P-256", (order + 1).to_bytes(32, "big")))
    add("EC, long d", ec_pkcs8("P-256", b"\0" + d))
    add("EC, two curves", ec_pkcs8("P-256", d, inner="P-256K"))
    add("EC, version 0", ec_pkcs8("P-256", d, version=0))
    add("EC, something behind SEC 1", pkcs8(EC_OID, oid(CURVES["P-256"][1]), sec1(d) + b"\0"))
    add("EC, something behind the point", ec_pkcs8("P-256", d, point=point, behind=tlv(5)))
    add("EC, something behind PKCS#8", ec_pkcs8("P-256", d) + b"\0")
    add("EC, something behind the curve", pkcs8(EC_OID, oid(CURVES["P-256"][1]) + tlv(5), sec1(d)))
    add("EC, no curve", pkcs8(EC_OID, b"", sec1(d)))
    add("EC, SEC 1", sec1(d, inner="P-256", point=point))
    add("EC, P-224", der(ec.generate_private_key(ec.SECP224R1())))
    add("EC, explicit parameters",
        openssl_key("EC", "ec_paramgen_curve:P-256", "ec_param_enc:explicit"))
    add("Ed25519", der(ed25519.Ed25519PrivateKey.generate()))
    add("X25519", der(x25519.X25519PrivateKey.generate()))
    add("DSA", der(dsa.generate_private_key(1024)))


def refused():
    cases = {}

    def add(name, material):
        cases[name] = b64(material)

    refused_rsa(add)
    refused_ec(add)
    return cases


# ---- OAEP ----

def pem_with(pem, behind):
    first, *lines, last = pem.strip().split("\n")
    return "\n".join([first, base64.b64encode(base64.b64decode("".join(lines)) + behind).decode(),
                      last, ""])


def oaep():
    key = rsa.generate_private_key(65537, 2048)
    message = bytes(range(32))
    out = {"material": b64(der(key)), "thumbprint": thumbprint(key), "message": message.hex()}
    public = key.public_key()
    for name, alg in (("SHA1", hashes.SHA1), ("SHA256", hashes.SHA256), ("SHA384", hashes.SHA384)):
        out[name] = b64(public.encrypt(
            message, padding.OAEP(padding.MGF1(alg()), alg(), None)))
    out["SHA256, MGF1 with SHA1"] = b64(public.encrypt(
        message, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA256(), None)))
    out["SHA256, with a label"] = b64(public.encrypt(
        message, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"label")))
    out["PKCS#1 v1.5"] = b64(public.encrypt(message, padding.PKCS1v15()))
    form = serialization.PublicFormat
    pem = serialization.Encoding.PEM
    out["spki"] = public.public_bytes(pem, form.SubjectPublicKeyInfo).decode()
    out["pkcs1"] = public.public_bytes(pem, form.PKCS1).decode()
    out["private"] = key.private_bytes(pem, PKCS8, PLAIN).decode()
    out["certificate"] = subprocess.run(
        ["openssl", "req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=test", "-days", "36500"],
        input=out["private"].encode(), check=True, capture_output=True).stdout.decode()
    for kind in ("spki", "pkcs1", "certificate"):
        out[kind + " and a byte"] = pem_with(out[kind], b"\0")
    out["ec"] = ec_key("P-256", 7).public_key().public_bytes(
        pem, form.SubjectPublicKeyInfo).decode()
    out["rsa-1024"] = rsa.generate_private_key(65537, 1024).public_key().public_bytes(
        pem, form.SubjectPublicKeyInfo).decode()
    return out


# ---- key wrapping ----

def wrap_raw(kek, initial, padded):
    """The wrapping function of RFC 3394 over whatever is called an initial value and padding."""
    ecb = Cipher(algorithms.AES(kek), modes.ECB()).encryptor()
    if len(padded) == 8:
        return ecb.update(initial + padded)
    a, r = initial, [padded[i:i + 8] for i in range(0, len(padded), 8)]
    for j in range(6):
        for i, block in enumerate(r):
            out = ecb.update(a + block)
            step = len(r) * j + i + 1
            a = (int.from_bytes(out[:8], "big") ^ step).to_bytes(8, "big")
            r[i] = out[8:]
    return a + b"".join(r)


def keywrap():
    good = []
    for kek_size in (16, 24, 32):
        for size in (1, 7, 8, 9, 16, 20, 32, 257):
            kek = bytes(range(1, kek_size + 1))
            key = bytes(i * 7 & 255 for i in range(size))
            good.append({"kek": kek.hex(), "key": key.hex(),
                         "wrapped": aes_key_wrap_with_padding(kek, key).hex()})
    kek = bytes(range(1, 33))
    magic, key = b"\xa6\x59\x59\xa6", bytes(range(20))
    assert wrap_raw(kek, magic + b"\0\0\0\x14", key + bytes(4)) == \
        aes_key_wrap_with_padding(kek, key)
    lies = {
        "another magic": (b"\xa6\x59\x59\xa7\0\0\0\x14", key + bytes(4)),
        "magic of RFC 3394": (b"\xa6" * 8, key + bytes(4)),
        "longer than it is": (magic + b"\0\0\0\x19", key + bytes(4)),
        "shorter than it is": (magic + b"\0\0\0\x10", key + bytes(4)),
        "huge": (magic + b"\xff\xff\xff\xf4", key + bytes(4)),
        "empty": (magic + bytes(4), bytes(8)),
        "padding in its last byte": (magic + b"\0\0\0\x14", key + b"\0\0\0\x01"),
        "padding in its first byte": (magic + b"\0\0\0\x14", key + b"\x01\0\0\0"),
        "padding of one block": (magic + b"\0\0\0\x07", bytes(7) + b"\x01"),
    }
    return {"good": good, "kek": kek.hex(),
            "lies": {k: wrap_raw(kek, *v).hex() for k, v in lies.items()}}


def write(name, value):
    with open(os.path.join(HERE, name), "w", encoding="ascii") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def main():
    write("material.json", accepted())
    write("refused.json", refused())
    write("oaep.json", oaep())
    write("keywrap.json", keywrap())
    return 0


if __name__ == "__main__":
    sys.exit(main())
