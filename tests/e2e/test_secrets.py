"""Planted secrets are looked for in every byte that the programs wrote: logs at every level, answers, metrics, command lines."""
import base64
import json
import os
import pathlib

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwcrypto import jwk

from conftest import b64, b64u, unb64

CALLER = "caller-CANARYaccessTOKEN-0123456789abcdefghijklmnopqrstuvwxyz"
OCT = b"CANARY-oct-key-material-32-bytes"
FEDERATED = "eyJhbGciOiJSUzI1NiJ9.Q0FOQVJZZmVkZXJhdGVkVG9rZW5DQU5BUlk.Q0FOQVJZc2lnbmF0dXJl"


def forms(secret):
    """A secret as it is, and in the encodings in which it could leak."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    out = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):  # base64 at every alignment, without the digits that neighbours change
        text = base64.b64encode(b"\0" * shift + raw)
        out.add(text[shift + 2:len(text) - 4])
        out.add(text[shift + 2:len(text) - 4].replace(b"+", b"-").replace(b"/", b"_"))
    return {f for f in out if len(f) >= 12}


class Watch:
    """What skr said, and the secrets it must not have said."""

    def __init__(self):
        self.said, self.secrets = [], {}

    def plant(self, name, secret):
        self.secrets[name] = forms(secret)

    def hear(self, where, data):
        self.said.append((where, data if isinstance(data, bytes) else data.encode()))

    def check(self):
        for name, fs in self.secrets.items():
            for where, data in self.said:
                for f in fs:
                    assert f not in data, f"{name} appears in {where}"


def cmdlines(pid):
    for d in pathlib.Path("/proc").iterdir():
        if d.name.isdigit():
            try:
                if int(d.name) == pid or f"PPid:\t{pid}\n" in (d / "status").read_text():
                    yield (d / "cmdline").read_bytes()
            except OSError:
                continue


@pytest.mark.parametrize("level,log_format", [("trace", "text"), ("trace", "json"), ("error", "text")])
def test_nothing_that_was_written_holds_a_secret(cloud, start, tmp_path, level, log_format):
    w = Watch()
    rsa_key = json.loads(jwk.JWK.from_pyca(rsa.generate_private_key(65537, 2048)).export(private_key=True))
    cloud.import_oct("oct", OCT)
    cloud.import_key("rsa", dict(rsa_key, kty="RSA-HSM"))
    cloud.import_oct("denied", OCT, policy=cloud.policy(("x-ms-sevsnpvm-vmpl", "7")))
    federated = tmp_path / "federated"
    federated.write_text(FEDERATED)
    w.plant("access_token", CALLER)
    w.plant("federated token", FEDERATED)
    w.plant("released key", OCT)
    for n in ("d", "p", "q", "dp", "dq", "qi"):
        w.plant("private number " + n, unb64(rsa_key[n]))
        w.plant("private number text " + n, rsa_key[n])

    for env in ({}, {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_FEDERATED_TOKEN_FILE": str(federated)}):
        s = start(loglevel=level, args=["-log-format", log_format], env=env, config={"maaconfig": None})
        assert s.release("oct").status == 200 and s.release("rsa").status == 200
        unheard = [s.release(token=CALLER), s.release("denied"), s.release("nosuch"), s.raw(), s.attest(b"[5]")]
        tokens = [json.loads(x["response"])["access_token"] for x in cloud.journal() if "access_token" in (x.get("response") or "")]
        for i, t in enumerate(tokens):
            w.plant(f"vault token {i}", t)
        # Services that echo what they were sent, in every shape an error can take.
        for service, op in (("maa", "attest"), ("akv", "release"), ("imds", "token"), ("entra", "token")):
            for status in (200, 400, 403, 500):
                cloud.fault(service, op=op, status=status, times=1, body={"error": {"code": "Echo", "message": f"Bearer {FEDERATED} {CALLER if service == 'akv' else ''}"}, "token": FEDERATED})
                if service in ("imds", "entra"):
                    cloud.set(revoke_tokens=True)
                unheard.append(s.release(token=CALLER if service == "akv" else None))
                cloud.control("DELETE", "/faults")
        for r in unheard[:4] + unheard[5:]:
            if r.status != 200:
                w.hear("an error answer", r.body)
        w.hear("metrics", s.get("/metrics").body)
        for line in cmdlines(s.p.pid):
            w.hear("a command line", line)
        s.stop()
        w.hear("the log", s.log.read_bytes())
    w.hear("the local cloud's log", cloud.log.read_bytes())
    w.check()


def test_the_watch_itself_sees_every_encoding():
    for wrap in (lambda b: b, lambda b: b.hex().encode(), lambda b: base64.b64encode(b"x" + b), lambda b: base64.urlsafe_b64encode(b"xy" + b)):
        w = Watch()
        w.plant("canary", OCT)
        w.hear("here", b"before " + wrap(OCT) + b" after")
        with pytest.raises(AssertionError):
            w.check()


def test_memory_of_the_process_is_out_of_reach(start):
    s = start()
    if os.geteuid() != 0:
        with pytest.raises(OSError):
            open(f"/proc/{s.p.pid}/mem", "rb")
    else:
        assert os.stat(f"/proc/{s.p.pid}").st_uid == 0
