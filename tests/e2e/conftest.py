"""End-to-end tests: the real skr against the real cloudsim, over loopback.

BIN is the folder of the programs. Everything that a program wrote is kept until the session ends, so that the search for
planted secrets sees every byte of it.
"""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BIN", ROOT / "build" / "bin")).resolve()
SLOW = 4 if "san" in str(BIN.parent.name) else 1  # sanitized builds


def pytest_configure(config):
    config.addinivalue_line("markers", "concurrent: exercises many threads; run under the thread sanitizer")


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Answer:
    def __init__(self, status, headers, body, seconds):
        self.status, self.headers, self.body, self.seconds = status, {k.lower(): v for k, v in headers}, body, seconds

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r} {self.seconds:.2f}s>"


def call(host, port, method, path, body=None, headers=None, context=None, timeout=60, server_name=None):
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    start = time.monotonic()
    if context:
        raw = socket.create_connection((host, port), timeout)
        c = http.client.HTTPSConnection(server_name, port, timeout=timeout)
        c.sock = context.wrap_socket(raw, server_hostname=server_name)
    else:
        c = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        return Answer(r.status, r.getheaders(), r.read(), time.monotonic() - start)
    finally:
        c.close()


class Program:
    """A process whose output goes to files."""

    def __init__(self, folder, name, args, env=None, prefix=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=folder))
        self.log = self.folder / "log"
        self.out = open(self.log, "wb")
        self.args = [str(a) for a in args]
        self.p = subprocess.Popen([*prefix, str(BIN / name), *self.args], stdin=subprocess.DEVNULL, stdout=self.out,
                                  stderr=subprocess.STDOUT, env=env, cwd=self.folder)

    def output(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, probe, seconds=20, what="up"):
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            assert self.p.poll() is None, f"ended early with {self.p.returncode}: {self.output()[-2000:]}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                if probe():
                    return
            time.sleep(0.02)
        raise AssertionError(f"not {what} in time: {self.output()[-2000:]}")

    def stop(self, sig=signal.SIGTERM, timeout=30):
        if self.p.poll() is None:
            self.p.send_signal(sig)
            try:
                self.p.wait(timeout)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
                raise AssertionError("did not end on a signal: " + self.output()[-2000:]) from None
        self.out.close()
        return self.p.returncode


class Cloud(Program):
    """cloudsim and its control interface."""

    def __init__(self, folder, *args, state=None):
        self.state_dir = pathlib.Path(state or tempfile.mkdtemp(prefix="state-", dir=folder))
        super().__init__(folder, "cloudsim", ["-dir", self.state_dir, "-tls_port", 0, "-http_port", 0, "-control_port", 0,
                                              "-loglevel", "debug", *args])
        self.wait_for(lambda: (self.state_dir / "ports.json").exists() and "ready" in self.output(), 60)
        self.env = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", (self.state_dir / "env.sh").read_text(), re.M))
        self.maa, self.akv, self.hsm = (self.env["CLOUDSIM_" + n] for n in ("MAA", "AKV", "HSM"))
        self.control_port = urllib.parse.urlsplit(self.env["CLOUDSIM_CONTROL"]).port
        self.tls = ssl.create_default_context(cafile=str(self.state_dir / "ca.pem"))

    def control(self, method, path, body=None):
        r = call("127.0.0.1", self.control_port, method, path, body)
        assert r.status in (200, 204), r
        return r.json if r.body.strip() else None

    def fault(self, service, **fault):
        self.control("POST", "/faults", {"service": service, **fault})

    def set(self, **state):
        self.control("POST", "/state", state)

    def journal(self, service=None, op=None):
        q = "&".join(f"{k}={v}" for k, v in (("service", service), ("op", op)) if v)
        return self.control("GET", "/journal" + ("?" + q if q else ""))

    def reset(self):
        self.control("POST", "/reset")

    def https(self, authority, method, path, body=None, headers=None):
        host, port = authority.rsplit(":", 1)
        return call("127.0.0.1", int(port), method, path, body, headers, self.tls, server_name=host)

    def token(self, resource="https://vault.azure.net"):
        u = urllib.parse.urlsplit(self.env["CLOUDSIM_IMDS"])
        r = call("127.0.0.1", u.port, "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
                 + urllib.parse.quote(resource, safe=""), headers={"Metadata": "true"})
        return r.json["access_token"]

    def host_data(self):
        import hashlib
        return hashlib.sha256(base64.b64decode((self.state_dir / "security-context" / "security-policy-base64").read_text())).hexdigest()

    def policy(self, *claims, authority=None):
        conditions = [{"claim": c, "equals": v} for c, v in claims] or [{"claim": "x-ms-sevsnpvm-hostdata", "equals": self.host_data()}]
        return {"version": "1.0.0", "anyOf": [{"authority": authority or "https://" + self.maa, "allOf": conditions}]}

    def import_key(self, name, jwk, policy=None, hsm=False):
        """Imports a key under a policy; returns its versioned URL."""
        authority = self.hsm if hsm else self.akv
        token = self.token("https://managedhsm.azure.net" if hsm else "https://vault.azure.net")
        body = {"key": jwk, "hsm": True, "attributes": {"exportable": True},
                "release_policy": {"contentType": "application/json; charset=utf-8", "data": b64u(json.dumps(policy or self.policy()).encode())}}
        r = self.https(authority, "PUT", f"/keys/{name}?api-version=7.4", body, {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        assert r.status == 200, r
        return r.json["key"]["kid"]

    def import_oct(self, name, value=bytes(range(32)), **more):
        return self.import_key(name, {"kty": "oct-HSM", "k": b64u(value), "key_size": 8 * len(value)}, **more)


class Skr(Program):
    """skr in development mode against a cloud."""

    def __init__(self, folder, cloud, config=None, args=(), env=None, ready=True, loglevel="trace", dev=True, wait=True, prefix=()):
        self.cloud, self.port = cloud, free_port()
        cfg = {"simulated_psp": cloud.env["CLOUDSIM_PSP"], "certcache": {"endpoint_type": "LocalTHIM", "endpoint": cloud.env["CLOUDSIM_THIM"]},
               "maaconfig": {"user_agent": "e2e/1"}, "session": {"max_age_s": 0}}
        cfg.update(config or {})
        cfg = {k: v for k, v in cfg.items() if v is not None}
        e = {"PATH": os.environ["PATH"], **cloud.env, **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        e.update(env or {})
        e = {k: v for k, v in e.items() if v is not None}
        super().__init__(folder, "skr", [*(["-insecure-dev"] if dev else []), "-port", self.port, "-loglevel", loglevel,
                                         "-base64", b64(json.dumps(cfg)), *args], e, prefix)
        if wait:
            self.wait_for(lambda: self.get("/status").status == 200)
        if wait and ready:
            self.wait_for(lambda: self.get("/readyz").status == 200, what="ready")

    def get(self, path, **more):
        return call("127.0.0.1", self.port, "GET", path, **more)

    def post(self, path, body, **more):
        return call("127.0.0.1", self.port, "POST", path, body, **more)

    def raw(self, data=b"x"):
        return self.post("/attest/raw", {"runtime_data": b64(data)})

    def combined(self, data=b"x"):
        return self.post("/attest/combined", {"runtime_data": b64(data)})

    def attest(self, data=b'{"a":1}', maa=None):
        return self.post("/attest/maa", {"maa_endpoint": maa or self.cloud.maa, "runtime_data": b64(data)})

    def release(self, kid="key1", akv=None, maa=None, hsm=False, token=None, **more):
        body = {"maa_endpoint": maa or self.cloud.maa, "akv_endpoint": akv or (self.cloud.hsm if hsm else self.cloud.akv), "kid": kid}
        if token is not None:
            body["access_token"] = token
        return self.post("/key/release", body, **more)

    def jwk(self, *a, **k):
        r = self.release(*a, **k)
        assert r.status == 200, r
        assert list(r.json) == ["key"]
        return json.loads(r.json["key"])

    def metric(self, name, **labels):
        """Sum over the samples with these labels."""
        total = 0
        for line in self.get("/metrics").body.decode().splitlines():
            m = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if m and m[1] == name and all(f'{k}="{v}"' in (m[2] or "") for k, v in labels.items()):
                total += float(m[3])
        return total

    def fds(self):
        return len(os.listdir(f"/proc/{self.p.pid}/fd"))


def failed(answer, status, code=None, stage=None, **more):
    """The answer is one well-formed error document with these members."""
    d = answer.json
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert isinstance(d["error"], str) and d["error"]
    assert isinstance(d["request_id"], str) and d["request_id"] and isinstance(d["retryable"], bool)
    for k, v in (("code", code), ("stage", stage), *more.items()):
        assert v is None or d.get(k) == v, f"{k} is {d.get(k)!r}, wanted {v!r}: {d}"
    return d


@pytest.fixture(scope="session")
def folder():
    with tempfile.TemporaryDirectory(prefix="e2e-") as d:
        yield pathlib.Path(d)


@pytest.fixture(scope="session")
def shared_cloud(folder):
    c = Cloud(folder)
    yield c
    c.stop()


@pytest.fixture
def cloud(shared_cloud):
    """The shared cloud without faults and with one key that this group may have."""
    shared_cloud.reset()
    shared_cloud.set(thim_tcb=None, token_life_s=86399, clock_skew_s=0, federated_token=None, psp={"fail": None, "delay_ms": 0},
                     vault={"allow_read": True, "allow_release": True, "attack": None})
    shared_cloud.import_oct("key1")
    shared_cloud.control("DELETE", "/journal")
    return shared_cloud


@pytest.fixture
def start(folder, cloud):
    """start(**options) -> a running skr; all end, cleanly, with the test."""
    running = []

    def f(**more):
        s = Skr(folder, more.pop("cloud", cloud), **more)
        running.append(s)
        return s

    yield f
    for s in running:
        s.stop()


@pytest.fixture(scope="session")
def shared_skr(folder, shared_cloud):
    s = Skr(folder, shared_cloud)
    yield s
    assert s.stop() == 0, s.output()[-2000:]


@pytest.fixture
def skr(shared_skr, cloud):
    assert shared_skr.p.poll() is None, shared_skr.output()[-2000:]
    return shared_skr
