#!/usr/bin/python3
"""Prints what Python's cryptography reads in a PEM certificate, one fact a line; exit 77: no such
library."""
import sys

try:
    from cryptography import x509
except ImportError:
    sys.exit(77)

c = x509.load_pem_x509_certificate(sys.stdin.buffer.read())
print("serial", c.serial_number)
print("subject", ",".join(a.rfc4514_string() for a in c.subject))
print("issuer", ",".join(a.rfc4514_string() for a in c.issuer))
print("validity", c.not_valid_before.isoformat(), c.not_valid_after.isoformat())
print("algorithm", c.signature_algorithm_oid.dotted_string)
for e in c.extensions:
    v = e.value
    text = {
        x509.BasicConstraints: lambda: f"{v.ca} {v.path_length}",
        x509.KeyUsage: lambda: " ".join(
            n for n in ("digital_signature", "key_encipherment", "key_cert_sign", "crl_sign")
            if getattr(v, n)),
        x509.ExtendedKeyUsage: lambda: " ".join(u.dotted_string for u in v),
        x509.SubjectAlternativeName: lambda: " ".join(
            f"{type(n).__name__}:{n.value}" for n in v),
        x509.UnrecognizedExtension: lambda: v.value.hex(),
    }.get(type(v), lambda: "")()
    print("extension", e.oid.dotted_string, e.critical, text)
