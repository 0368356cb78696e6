#!/usr/bin/python3
"""Judges signatures and keys with jwcrypto and cryptography: one JSON object for each line of
stdin, {"alg", "key": public JWK, "jws", "payload"}; exit 0: all are good; 77: no such libraries."""
import json, sys

try:
    from jwcrypto import jwk, jws
except ImportError:
    sys.exit(77)

for line in sys.stdin:
    case = json.loads(line)
    token = jws.JWS()
    token.allowed_algs = [case["alg"]]
    token.deserialize(case["jws"], jwk.JWK(**case["key"]))
    assert token.payload.decode() == case["payload"], case
    try:
        token.deserialize(case["jws"].replace(".", ".AAAA", 1), jwk.JWK(**case["key"]))
    except jws.InvalidJWSSignature:
        continue
    sys.exit("a changed payload was accepted")
