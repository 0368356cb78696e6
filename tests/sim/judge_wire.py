"""cloudsim as a process and as a server: bad answers on the wire, many clients, starts and ends."""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import cloudsim

if __name__ == "__main__":
    cloudsim.need()
    cloudsim.judge(__file__)

import pytest

THIM = "/metadata/THIM/amd/certification"
N_CLIENTS = 300
SLOW = 5 if "san" in os.environ.get("CLOUDSIM", "") else 1


@pytest.fixture(scope="module")
def cloud():
    with cloudsim.Cloudsim() as c:
        yield c


@pytest.fixture(autouse=True)
def clean(cloud):
    yield
    cloud.reset()


def fault(cloud, **rule):
    answer = cloud.plain("control", "POST", "/faults", rule)
    assert answer.status == 200, answer.body


def journal(cloud, query=""):
    return cloud.plain("control", "GET", "/journal" + query).json


def raw(cloud, timeout=5, path=THIM):
    """Everything that comes back, and how it ended: "eof", "reset" or "timeout"."""
    with socket.create_connection(("127.0.0.1", cloud.ports["http"]), timeout) as s:
        s.sendall(("GET %s HTTP/1.1\r\nHost: a\r\nMetadata: true\r\nConnection: close\r\n\r\n" % path).encode())
        got = b""
        try:
            while True:
                piece = s.recv(65536)
                if not piece:
                    return got, "eof"
                got += piece
        except ConnectionResetError:
            return got, "reset"
        except socket.timeout:
            return got, "timeout"


def parts(got):
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return lines[0], {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}, body


def unchunked(body):
    out = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        n = int(size, 16)
        out, body = out + body[:n], body[n + 2:]
    return out


def whole(cloud):
    return parts(raw(cloud)[0])[2]


def test_an_undisturbed_answer_is_whole(cloud):
    got, how = raw(cloud)
    status, headers, body = parts(got)
    assert status == "HTTP/1.1 200 OK" and how == "eof" and int(headers["content-length"]) == len(body)


def test_reset_comes_before_any_byte(cloud):
    fault(cloud, service="thim", reset=True)
    assert raw(cloud) == (b"", "reset")


def test_reset_can_come_in_mid_body(cloud):
    size = len(whole(cloud))
    fault(cloud, service="thim", reset="mid")
    got, how = raw(cloud)
    status, headers, body = parts(got)
    assert how == "reset" and int(headers["content-length"]) == size and len(body) == size // 2


def test_a_body_can_be_cut_short(cloud):
    size = len(whole(cloud))
    fault(cloud, service="thim", truncate=5)
    got, how = raw(cloud)
    status, headers, body = parts(got)
    assert how == "eof" and int(headers["content-length"]) == size and body == b'{"vce'


def test_an_answer_can_stall(cloud):
    size = len(whole(cloud))
    fault(cloud, service="thim", stall=True)
    got, how = raw(cloud, timeout=1)
    assert how == "timeout" and len(parts(got)[2]) == size // 2


def test_an_empty_answer_can_stall_as_well(cloud):
    fault(cloud, service="thim", stall=True, status=200)
    got, how = raw(cloud, timeout=1)
    assert how == "timeout"


def test_a_body_can_be_followed_by_megabytes(cloud):
    body = whole(cloud)
    fault(cloud, service="thim", stream=3000000)
    got, how = raw(cloud)
    status, headers, sent = parts(got)
    assert how == "eof" and headers["transfer-encoding"] == "chunked"
    assert unchunked(sent) == body + b" " * 3000000


def test_the_announced_length_can_be_a_lie(cloud):
    body = whole(cloud)
    fault(cloud, service="thim", content_length=50000, times=1)
    fault(cloud, service="thim", content_length=7, times=1)
    for length, sent in (50000, body), (7, body[:7]):
        got, how = raw(cloud)
        assert int(parts(got)[1]["content-length"]) == length and parts(got)[2] == sent and how == "eof"


def test_status_body_and_headers_are_as_asked(cloud):
    fault(cloud, service="thim", status=429, body={"e": [1]}, headers={"Retry-After": "7", "Content-Type": "x/y"})
    status, headers, body = parts(raw(cloud)[0])
    assert status == "HTTP/1.1 429 Too Many Requests" and body == b'{"e":[1]}'
    assert headers["retry-after"] == "7" and headers["content-type"] == "x/y"


def test_faults_reach_the_services_behind_tls(cloud):
    fault(cloud, service="entra", status=503, times=1)
    authority, path = "login.localhost:%d" % cloud.ports["tls"], "/t/v2.0/.well-known/openid-configuration"
    assert cloud.https(authority, "GET", path).status == 503
    assert cloud.https(authority, "GET", path).status == 200
    fault(cloud, service="entra", reset="mid")
    with pytest.raises((OSError, http.client.HTTPException)):
        cloud.https(authority, "GET", path)


def test_the_journal_tells_connections_apart(cloud):
    cloud.plain("control", "DELETE", "/journal")
    with socket.create_connection(("127.0.0.1", cloud.ports["http"]), 5) as s:
        for _ in range(2):
            s.sendall(("GET %s HTTP/1.1\r\nHost: a\r\nMetadata: true\r\n\r\n" % THIM).encode())
            got = b""
            while b"\r\n\r\n" not in got or len(parts(got)[2]) < int(parts(got)[1]["content-length"]):
                got += s.recv(65536)
    raw(cloud)
    a, b, c = journal(cloud)
    assert a["connection"] == b["connection"] != c["connection"]
    assert [x["n"] for x in journal(cloud, "?since=%d" % a["n"])] == [b["n"], c["n"]]


def test_the_journal_keeps_what_was_sent(cloud):
    cloud.plain("control", "DELETE", "/journal")
    cloud.plain("http", "POST", "/psp/report", b'{"report_data":7}', {"X-Test": "yes", "Content-Type": "a/b"})
    (entry,) = journal(cloud, "?service=psp&op=report")
    assert entry["method"] == "POST" and entry["target"] == "/psp/report" and entry["status"] == 400
    assert entry["body"] == '{"report_data":7}' and entry["headers"]["x-test"] == "yes"
    assert entry["authority"] == "127.0.0.1:%d" % cloud.ports["http"] and abs(entry["t"] - time.time()) < 60


def test_a_request_that_nobody_serves_is_written_down(cloud):
    cloud.plain("control", "DELETE", "/journal")
    assert cloud.plain("http", "GET", "/nowhere?x=%zz").status == 404
    assert cloud.plain("http", "GET", "/%zz").status == 400
    (entry,) = journal(cloud)
    assert entry["service"] == "none" and entry["target"] == "/nowhere?x=%zz"


def test_a_body_over_the_limit_is_refused(cloud):
    assert cloud.plain("http", "POST", "/psp/report", b"x" * (4 * 1024 * 1024 + 1)).status == 413


def test_more_headers_than_fit_are_refused(cloud):
    many = {"X-%d" % i: "v" for i in range(70)}
    assert cloud.plain("http", "GET", THIM, headers={"Metadata": "true", **many}).status == 431


def test_serves_many_at_once_and_control_beside_them(cloud):
    """All of them are waiting in the service at the same time, or this would take minutes."""
    fault(cloud, service="entra", delay_ms=2000)
    authority, path = "login.localhost:%d" % cloud.ports["tls"], "/t/v2.0/.well-known/openid-configuration"
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(N_CLIENTS) as pool:
        answers = [pool.submit(cloud.https, authority, "GET", path) for _ in range(N_CLIENTS)]
        time.sleep(0.5)
        asked = time.monotonic()
        assert cloud.plain("control", "GET", "/state").status == 200
        assert time.monotonic() - asked < 10 * SLOW
        assert [a.result().status for a in answers] == [200] * N_CLIENTS
    assert time.monotonic() - begin < 60 * SLOW
    assert len(journal(cloud, "?service=entra")) == N_CLIENTS


def run(*flags, timeout=20 * SLOW):
    return subprocess.run([os.environ["CLOUDSIM"], *flags], capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("flags,status,needle", [
    (["-help"], 0, "-control_port"),
    (["-nonsense"], 2, "flag provided but not defined: -nonsense"),
    (["surplus"], 2, "unexpected argument"),
    (["-tls_port", "x"], 2, "-tls_port"),
    (["-names", "aws"], 1, "use localhost or azure"),
    (["-amd_roots", "all"], 1, "-amd_roots"),
    (["-policy", "/nonexistent"], 1, "/nonexistent"),
    (["-accept_report", "/nonexistent"], 1, "/nonexistent"),
    (["-loglevel", "loud"], 1, "unknown log level"),
    (["-dir", "/nonexistent/a"], 1, "/nonexistent/a"),
])
def test_refuses_bad_flags(flags, status, needle, tmp_path):
    r = run("-dir", str(tmp_path), *flags) if "-dir" not in flags else run(*flags)
    assert r.returncode == status and needle in r.stdout + r.stderr
    assert "ready" not in r.stdout


def copy_of(cloud, tmp_path):
    """A state directory with keys, so that starts are quick."""
    shutil.copytree(cloud.dir + "/pki", tmp_path / "state" / "pki")
    return ["-dir", str(tmp_path / "state")]


def test_refuses_a_port_in_use_and_bad_addresses(cloud, tmp_path):
    state = copy_of(cloud, tmp_path)
    free = ["-tls_port", "0", "-http_port", "0", "-control_port", "0"]
    for more, needle in ((["-tls_port", str(cloud.ports["tls"])], "listening on 127.0.0.1:%d" % cloud.ports["tls"]),
                         (["-control_port", str(cloud.ports["control"])], str(cloud.ports["control"])),
                         (["-http_listen", "127.0.0.1"], "ip:port"), (["-http_listen", "localhost:0"], "no IPv4 address"),
                         (["-tls_listen", "127.0.0.1:0,127.0.0.1:70000"], "70000")):
        r = run(*state, *free, *more)
        assert r.returncode == 1 and needle in r.stderr and "ready" not in r.stdout, r.stderr


def test_one_directory_serves_one_process(cloud):
    r = run("-dir", cloud.dir, "-tls_port", "0", "-http_port", "0", "-control_port", "0")
    assert r.returncode == 1 and "another process uses" in r.stderr


class Running(cloudsim.Cloudsim):
    """One that this file started itself."""

    def __init__(self, ports):
        self.ports = ports


def start(cloud, tmp_path, *flags):
    state = copy_of(cloud, tmp_path)
    begin = time.monotonic()
    p = subprocess.Popen([os.environ["CLOUDSIM"], *state, "-tls_port", "0", "-http_port", "0", "-control_port", "0",
                          "-logfile", str(tmp_path / "log"), *flags], stdout=subprocess.PIPE, text=True)
    for line in p.stdout:
        if line == "ready\n":
            break
    return p, json.loads((tmp_path / "state" / "ports.json").read_text()), time.monotonic() - begin


def end(p, how=signal.SIGTERM):
    p.send_signal(how)
    status = p.wait(20 * SLOW)
    p.stdout.close()
    return status


def test_a_second_start_is_quick_and_keeps_the_roots(cloud, tmp_path):
    p, ports, seconds = start(cloud, tmp_path)
    assert end(p) == 0 and seconds < 0.5 * SLOW
    for name in "ca.pem", "ark.pem":
        assert (tmp_path / "state" / name).read_bytes() == open(cloud.dir + "/" + name, "rb").read()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_the_middle_of_slow_and_stalled_answers(cloud, tmp_path, how):
    p, ports, _ = start(cloud, tmp_path)
    other = Running(ports)
    fault(other, service="thim", delay_ms=600000, times=1)
    fault(other, service="thim", stall=True)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(raw, other, 60) for _ in range(2)]
        idle = socket.create_connection(("127.0.0.1", ports["tls"]))
        time.sleep(0.5)
        begin = time.monotonic()
        assert end(p, how) == 0
        assert time.monotonic() - begin < 5 * SLOW
        for w in waiting:
            assert w.result()[1] in ("eof", "reset")
        idle.close()


def test_listens_where_it_is_told(cloud, tmp_path):
    p, ports, _ = start(cloud, tmp_path, "-http_listen", "127.0.0.2:0,127.0.0.3:0", "-names", "azure",
                        "-extra_names", "a.example,b.example")
    env = dict(line[len("export "):].split("=", 1) for line in (tmp_path / "state" / "env.sh").read_text().splitlines())
    assert env["CLOUDSIM_IMDS"] == "'http://127.0.0.2:%d'" % ports["http"]
    assert env["CLOUDSIM_AKV"] == "'sim.vault.azure.net:%d'" % ports["tls"]
    r = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % ports["tls"], "-CAfile",
                        str(tmp_path / "state" / "ca.pem"), "-verify_return_error", "-verify_hostname", "b.example"],
                       input="", capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    assert end(p) == 0


def test_env_sh_can_be_sourced(cloud):
    r = subprocess.run(["sh", "-c", '. "$1/env.sh" && env', "sh", cloud.dir], capture_output=True, text=True, check=True)
    env = dict(line.split("=", 1) for line in r.stdout.splitlines() if "=" in line)
    assert os.path.samefile(env["SSL_CERT_FILE"], cloud.dir + "/ca.pem")
    assert os.path.samefile(env["UVM_SECURITY_CONTEXT_DIR"], cloud.dir + "/security-context")
    assert env["CLOUDSIM_MAA"] == cloud.maa and env["CLOUDSIM_HSM"] == cloud.hsm
    assert env["CLOUDSIM_CONTROL"] == "http://127.0.0.1:%d" % cloud.ports["control"]


def test_the_policy_file_is_host_data(cloud, tmp_path):
    (tmp_path / "policy").write_bytes(b"package policy\n\n# \xe2\x82\xac\n\n")
    p, ports, _ = start(cloud, tmp_path, "-policy", str(tmp_path / "policy"))
    connection = http.client.HTTPConnection("127.0.0.1", ports["control"])
    state = cloudsim.Cloudsim._ask(connection, "GET", "/state", None, None).json
    assert state["host_data"] == hashlib.sha256((tmp_path / "policy").read_bytes()).hexdigest()
    stored = (tmp_path / "state" / "security-context" / "security-policy-base64").read_text()
    assert base64.b64decode(stored) == (tmp_path / "policy").read_bytes()
    assert end(p) == 0
