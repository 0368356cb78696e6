"""The programs under measurement: cloudsim, skr, the load generator, and what the kernel says about them.

skr has one processor for itself, everything else runs on the others, as far as there are two.
"""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

CPUS = sorted(os.sched_getaffinity(0))
SKR_CPU = CPUS[0]
REST_CPUS = set(CPUS[1:]) or set(CPUS)
KEY = "bench-key"
CLEAN_ENV = {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def reference():
    """One fixed computation where skr runs: milliseconds of processor time, which neighbours on the core or host lengthen, and
    how many times as long it took by the clock, because others had the processor too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SKR_CPU})
    start, clock = time.process_time(), time.monotonic()
    hashlib.pbkdf2_hmac("sha256", b"reference", b"salt", 50000)
    taken, passed = time.process_time() - start, time.monotonic() - clock
    os.sched_setaffinity(0, before)
    return taken * 1000, passed / taken


def ask(url, body=None, headers=None, method=None, timeout=60):
    data = None if body is None else json.dumps(body).encode()
    req = urllib.request.Request(url, data, dict(headers or {}, **({"Content-Type": "application/json"} if data else {})), method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(req, timeout=timeout) as r:
        text = r.read()
    return json.loads(text) if text.lstrip().startswith((b"{", b"[")) else text.decode()


def wait_for(what, ready, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"{what} did not come up")


class Program:
    """A running program; its output goes to a file that a failure shows. It ends with after, an ExitStack."""

    def __init__(self, argv, env, log, cpus, after):
        self.log = pathlib.Path(log)
        with self.log.open("w") as out:
            # bound before it starts: a runtime counts its processors then
            self.process = subprocess.Popen(["taskset", "-c", ",".join(map(str, cpus)), *(str(a) for a in argv)], env=env, stdout=out, stderr=out)
        after.callback(self.stop)
        self.pid = self.process.pid

    def check(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args[0]} ended: {self.log.read_text()[-2000:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def cpu_s(self):
        """Processor time of the whole process, threads that ended included, to the nanosecond."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def status_kib(self, field):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1])


class Cloud(Program):
    """cloudsim with one key that its group may have."""

    def __init__(self, bin_dir, folder, after):
        self.dir = folder / "cloud"
        super().__init__([bin_dir / "cloudsim", "-dir", self.dir, "-tls_port", 0, "-http_port", 0, "-control_port", 0, "-loglevel", "error"],
                         CLEAN_ENV, folder / "cloudsim.log", REST_CPUS, after)
        wait_for("cloudsim", lambda: self.check() or self.log.read_text().endswith("ready\n"))
        self.env = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", (self.dir / "env.sh").read_text(), re.M))
        self.maa, self.akv = self.env["CLOUDSIM_MAA"], self.env["CLOUDSIM_AKV"]
        self.release = json.dumps({"maa_endpoint": self.maa, "akv_endpoint": self.akv, "kid": KEY})
        self._import_key()

    def _import_key(self):
        context = ssl.create_default_context(cafile=str(self.dir / "ca.pem"))
        token = ask(self.env["CLOUDSIM_IMDS"] + "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
                    + urllib.parse.quote("https://vault.azure.net", safe=""), headers={"Metadata": "true"})["access_token"]
        policy = base64.b64decode((self.dir / "security-context" / "security-policy-base64").read_text())
        rule = {"version": "1.0.0", "anyOf": [{"authority": "https://" + self.maa, "allOf": [
            {"claim": "x-ms-sevsnpvm-hostdata", "equals": hashlib.sha256(policy).hexdigest()}]}]}
        body = {"key": {"kty": "oct-HSM", "k": b64u(bytes(range(32))), "key_size": 256}, "hsm": True, "attributes": {"exportable": True},
                "release_policy": {"contentType": "application/json; charset=utf-8", "data": b64u(json.dumps(rule).encode())}}
        host, port = self.akv.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), timeout=20)
        connection.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", int(port)), 20), server_hostname=host)
        connection.request("PUT", f"/keys/{KEY}?api-version=7.4", json.dumps(body),
                           {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"the key could not be imported: {answer.status} {answer.read()[:500]}")
        connection.close()

    def control(self, method, path, body=None):
        return ask(self.env["CLOUDSIM_CONTROL"] + path, body, method=method)

    def faults(self, *rules):
        """These rules and no others; also forgets the journal, which grows with each request."""
        self.control("DELETE", "/faults")
        self.control("DELETE", "/journal")
        for r in rules:
            self.control("POST", "/faults", r)

    def count(self, service, op):
        return len(self.control("GET", f"/journal?service={service}&op={op}"))

    def write_report(self, path):
        """A report of the simulated processor, for the fake device."""
        path.write_bytes(bytes.fromhex(ask(self.env["CLOUDSIM_PSP"] + "/psp/report", {"report_data": "00" * 64})["report"]))


class Setup:
    """How skr is started: its arguments and environment. device: the file of a report for the fake device."""

    def __init__(self, tools, cloud, session=None, device=None):
        config = {"certcache": {"endpoint_type": "LocalTHIM", "endpoint": cloud.env["CLOUDSIM_THIM"]}}
        if session is not None:
            config["session"] = session
        self.env = dict(CLEAN_ENV, **cloud.env)
        self.argv = [tools.bin / "skr", "-insecure-dev", "-loglevel", "error", "-base64"] # the mode widens the hosts: all is on loopback
        if device is None:
            config["simulated_psp"] = cloud.env["CLOUDSIM_PSP"]
        else:
            self.env.update(LD_PRELOAD=str(tools.dir / "bench_fake_device.so"), FAKE_DEVICE_REPORT=str(device))
        self.argv.append(b64(json.dumps(config)))


class OriginalSetup:
    """How the Go original is started. It has no processor, sends a fixed report instead, and asks nobody for anything."""

    def __init__(self, program, cloud):
        policy = (cloud.dir / "security-context" / "security-policy-base64").read_text()
        certs = {"vcekCert": "x", "tcbm": "0", "certificateChain": "x", "cacheControl": "0"}
        self.env = dict(CLEAN_ENV, UVM_SECURITY_POLICY=policy, UVM_HOST_AMD_CERTIFICATE=b64(json.dumps(certs)), GIN_MODE="release")
        self.argv = [program, "-loglevel", "error", "-base64", b64(json.dumps({"maaconfig": {"user_agent": "bench/1"}}))]


class Skr(Program):
    def __init__(self, setup, folder, after, ready="/readyz"):
        self.port = free_port()
        super().__init__([*setup.argv, "-port", self.port], setup.env, folder / f"skr-{self.port}.log", {SKR_CPU}, after)
        wait_for("skr", lambda: self.check() or self.answers(ready))

    def answers(self, path):
        try:
            ask(f"http://127.0.0.1:{self.port}{path}")
            return True
        except urllib.error.HTTPError:
            return False

    def metric(self, name):
        """The sum over all series of a counter."""
        text = ask(f"http://127.0.0.1:{self.port}/metrics")
        return sum(float(v) for v in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))


class Tools:
    def __init__(self, bin_dir):
        self.bin = bin_dir
        self.dir = bin_dir.parent / "bench"
        for name in ("bench_load", "bench_startup", "bench_fake_device.so"):
            if not (self.dir / name).exists():
                raise RuntimeError(f"{self.dir / name} is missing: build it with ninja (not in sanitized builds)")

    def load_argv(self, port, **options):
        argv = ["taskset", "-c", ",".join(map(str, REST_CPUS)), str(self.dir / "bench_load"), "-port", str(port)]
        for k, v in options.items():
            argv += ["-" + k, str(v)]
        return argv

    def load(self, port, **options):
        run = subprocess.run(self.load_argv(port, **options), capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(run.stderr.strip())
        return json.loads(run.stdout)

    def load_begin(self, port, **options):
        return subprocess.Popen(self.load_argv(port, **options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def startup(self, setup, body="", rss=False):
        port = free_port()
        argv = ["taskset", "-c", ",".join(map(str, REST_CPUS)), self.dir / "bench_startup", "-cpu", SKR_CPU, "-port", port, "-body", body,
                *(["-rss"] if rss else []), "--", *setup.argv, "-port", port]
        run = subprocess.run([str(a) for a in argv], env=setup.env, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(run.stderr.strip())
        return json.loads(run.stdout)


def finish(process):
    out, err = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(err.strip())
    return json.loads(out)
