#!/usr/bin/env python3
"""The openssl command judges the same reports and chains as our verifier, and both must agree.

openssl_report.py REPORT_VERDICTS: all evidence of VECTORS_DIR as it is, and each accepted report with bits flipped.
"""
import base64
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

NOW = 1772323200  # 2026-03-01, as in the unit tests
VECTORS = pathlib.Path(os.environ.get("VECTORS_DIR", "/nonexistent"))
ENDS = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")


def pem_of(der):
    text = base64.b64encode(der).decode()
    return "\n".join([ENDS[0], *(text[i:i + 64] for i in range(0, len(text), 64)), ENDS[1], ""])


def split(chain):
    return [ENDS[0] + part.split(ENDS[1])[0] + ENDS[1] + "\n" for part in chain.split(ENDS[0])[1:]]


def cases():
    """name, report, chain, time, trusted root (None: AMD's)"""
    for e in json.loads((VECTORS / "manifest_real.json").read_text()):
        if "chain_pem_vcek_ask_ark" in e:
            chain = (VECTORS / e["chain_pem_vcek_ask_ark"]).read_text()
        else:
            kind = "vcek" if "vcek" in e else "vlek"
            issuers = "amd-roots/ask_ark_milan" + ("" if kind == "vcek" else "_vlek") + ".pem"
            chain = pem_of((VECTORS / e[kind]).read_bytes()) + (VECTORS / issuers).read_text()
        yield e["id"], (VECTORS / e["report"]).read_bytes(), chain, e.get("verify_at") or NOW, None
    syn = VECTORS / "synthetic"
    for e in json.loads((syn / "manifest_reports.json").read_text()):
        chain = "".join((syn / e[k]).read_text() for k in ("vcek", "vlek", "ask", "ark") if k in e)
        yield e["id"], (syn / e["report"]).read_bytes(), chain, NOW, (syn / e["trusted_ark"]).read_text()


def der_int(n):
    b = n.to_bytes(n.bit_length() // 8 + 1, "big")
    return bytes([2, len(b)]) + b


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=False)


def openssl_signature(tmp, report):
    if len(report) != 1184:
        return False
    r, s = (int.from_bytes(report[o:o + 72], "little") for o in (0x2A0, 0x2E8))
    body = der_int(r) + der_int(s)
    if len(body) > 127:
        body = b"\x81" + bytes([len(body)]) + body
    else:
        body = bytes([len(body)]) + body
    (tmp / "sig").write_bytes(b"\x30" + body)
    (tmp / "signed").write_bytes(report[:0x2A0])
    return openssl("dgst", "-sha384", "-verify", str(tmp / "pub"), "-signature", str(tmp / "sig"),
                   str(tmp / "signed")).returncode == 0


def openssl_chain(tmp, certs, at, root):
    (tmp / "root").write_text(root if root is not None else certs[2])
    (tmp / "ask").write_text(certs[1])
    (tmp / "vek").write_text(certs[0])
    return openssl("verify", "-attime", str(at), "-CAfile", str(tmp / "root"), "-no-CApath", "-no-CAstore",
                   "-untrusted", str(tmp / "ask"), str(tmp / "vek")).returncode == 0


def ours(tool, tmp, report, chain, at, root):
    (tmp / "report").write_bytes(report)
    (tmp / "chain").write_text(chain)
    args = [tool, str(tmp / "report"), str(tmp / "chain"), str(at)]
    if root is not None:
        (tmp / "roots").write_text(root)
        args.append(str(tmp / "roots"))
    out = subprocess.run(args, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in out.splitlines())


# What we ask of a signer's certificate and openssl does not; a bad key or padding keeps ours from being looked at.
OURS_ONLY = ("cert.ext", "cert.integer", "cert.name", "cert.sigalg", "product", "certificates")


def main():
    tool = sys.argv[1]
    if not (VECTORS / "manifest_real.json").exists():
        print(f"no published evidence in {VECTORS}")
        return 77
    if shutil.which("openssl") is None:
        print("no openssl command")
        return 77
    rng = random.Random(4711)
    failed, n_good, n_bad = [], 0, 0
    with tempfile.TemporaryDirectory() as d:
        tmp = pathlib.Path(d)
        for name, report, chain, at, root in cases():
            certs = split(chain)
            pub = openssl("x509", "-noout", "-pubkey", data=certs[0].encode())
            (tmp / "pub").write_bytes(pub.stdout)
            variants = [(name, report)]
            for i in range(4 if root is None else 0):
                bad = bytearray(report)
                bit = rng.randrange(8 * (0x2A0 if i < 3 else 0x2D0))
                bad[bit // 8] ^= 1 << bit % 8
                variants.append((f"{name}, bit {bit}", bytes(bad)))
            for what, r in variants:
                v = ours(tool, tmp, r, chain, at, root)
                judge = openssl_signature(tmp, r)
                # on P-256 openssl goes on, we do not
                if judge != (v["signature"] == "pass") and v["cert.key"] == "pass":
                    failed.append(f"{what}: signature: openssl {judge}, ours {v['signature']}")
                n_good, n_bad = n_good + judge, n_bad + (not judge)
            v = ours(tool, tmp, report, chain, at, root)
            judge = openssl_chain(tmp, certs, at, root)
            if (v["chain"] == v["cert.time"] == v["cert.name"] == "pass") and not judge:
                failed.append(f"{name}: chain: openssl refuses what we accept")
            if judge and "fail" in (v["chain"], v["cert.time"]) and all(v[c] == "pass" for c in OURS_ONLY):
                failed.append(f"{name}: chain: we refuse what openssl accepts")
    print("\n".join(failed))
    print(f"{n_good} good and {n_bad} bad signatures by openssl's word, {len(failed)} disagreements")
    return 1 if failed or n_good < 50 or n_bad < 50 else 0


sys.exit(main())
