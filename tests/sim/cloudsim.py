"""Starts the real cloudsim for the judges, and speaks to it as clients do.

Each judge_*.py is a test for meson, run as "judge_x.py path/to/cloudsim", and a pytest file inside.
"""

import base64
import hashlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile

SKIP = 77


def need(*modules):
    """Ends the test visibly as skipped when the judge's own tools are not installed."""
    for module in ("pytest",) + modules:
        try:
            __import__(module)
        except ImportError:
            print("SKIPPED: Python module %s is not installed" % module)
            sys.exit(SKIP)


def judge(path):
    """The main program of a judge."""
    import pytest
    if len(sys.argv) != 2:
        sys.exit("usage: %s path/to/cloudsim" % path)
    os.environ["CLOUDSIM"] = sys.argv[1]
    sys.exit(pytest.main(["-q", "-rs", "-p", "no:cacheprovider", "--tb=short", path]))


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Loopback(http.client.HTTPSConnection):
    """A connection to 127.0.0.1 that is checked for, and asks for, the name it was made with."""

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._context.wrap_socket(sock, server_hostname=self.host)


class Cloudsim:
    def __init__(self, *flags):
        self._dir = tempfile.TemporaryDirectory()
        self.dir = self._dir.name
        self._process = subprocess.Popen(
            [os.environ["CLOUDSIM"], "-dir", self.dir, "-tls_port", "0", "-http_port", "0",
             "-control_port", "0", "-logfile", self.dir + "/log", *flags],
            stdout=subprocess.PIPE, text=True)
        for line in self._process.stdout:
            if line.strip() == "ready":
                break
        else:
            raise AssertionError("cloudsim did not start: " + self.log())
        with open(self.dir + "/ports.json") as f:
            self.ports = json.load(f)
        self._tls = ssl.create_default_context(cafile=self.dir + "/ca.pem")
        self.maa = "sim.attest.localhost:%d" % self.ports["tls"]
        self.akv = "sim.vault.localhost:%d" % self.ports["tls"]
        self.hsm = "sim.managedhsm.localhost:%d" % self.ports["tls"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.terminate()
        status = self._process.wait(20)
        self._process.stdout.close()
        log = self.log()
        self._dir.cleanup()
        assert status == 0, "cloudsim ended with %d: %s" % (status, log)

    def log(self):
        with open(self.dir + "/log") as f:
            return f.read()

    def https(self, authority, method, path, body=None, headers=None):
        host, port = authority.split(":")
        connection = Loopback(host, int(port), context=self._tls, timeout=60)
        return self._ask(connection, method, path, body, headers)

    def plain(self, which, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[which], timeout=60)
        return self._ask(connection, method, path, body, headers)

    @staticmethod
    def _ask(connection, method, path, body, headers):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def state(self, change):
        answer = self.plain("control", "POST", "/state", change)
        assert answer.status == 200, answer.body

    def reset(self):
        answer = self.plain("control", "POST", "/reset")
        assert answer.status in (200, 204), answer.body

    def bearer(self, authority):
        """An access token for the vault, as the metadata service gives it."""
        audience = "https://managedhsm.azure.net" if "managedhsm" in authority \
            else "https://vault.azure.net"
        answer = self.plain("http", "GET", "/metadata/identity/oauth2/token"
                            "?api-version=2018-02-01&resource=" + audience,
                            headers={"Metadata": "true"})
        assert answer.status == 200, answer.body
        return answer.json["access_token"]

    def vault(self, authority, method, path, body=None, version="7.4"):
        return self.https(authority, method, path + "?api-version=" + version, body,
                          {"Authorization": "Bearer " + self.bearer(authority)})

    def evidence(self, runtime):
        """A report over the runtime data and the chain of its processor."""
        data = hashlib.sha256(runtime).hexdigest() + "00" * 32
        report = self.plain("http", "POST", "/psp/report", {"report_data": data})
        assert report.status == 200, report.body
        certs = self.plain("http", "GET", "/metadata/THIM/amd/certification",
                           headers={"Metadata": "true"}).json
        return bytes.fromhex(report.json["report"]), \
            (certs["vcekCert"] + certs["certificateChain"]).encode()

    def attest_body(self, report, chain, runtime, nonce=b"7", **more):
        """The request as the sidecar writes it: padded base64url, the nonce a bare number."""
        pad = lambda b: base64.urlsafe_b64encode(b).decode()
        evidence = json.dumps({"SnpReport": pad(report), "VcekCertChain": pad(chain)}).encode()
        body = {"report": pad(evidence), "runtimeData": {"data": pad(runtime), "dataType": "JSON"},
                "initTimeData": {"data": "", "dataType": ""}, **more}
        return json.dumps(body)[:-1].encode() + b', "nonce": ' + nonce + b"}"

    def attest(self, body, authority=None, path="/attest/SevSnpVM", version="2020-10-01"):
        return self.https(authority or self.maa, "POST", path + "?api-version=" + version, body)

    def token(self, runtime, authority=None, **how):
        report, chain = self.evidence(runtime)
        answer = self.attest(self.attest_body(report, chain, runtime, **how), authority)
        assert answer.status == 200, answer.body
        return answer.json["token"]
