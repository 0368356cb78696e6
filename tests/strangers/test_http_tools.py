"""Tools of others for HTTP itself: httplint reads skr's answers, slowhttptest holds its connections open."""
import contextlib
import http.client
import json
import re
import shutil
import subprocess
import time

import pytest
from httplint import HttpRequestLinter, HttpResponseLinter, levels

import programs
from sdk import clients

CALLS = [
    ("GET", "/status", None, 200), ("GET", "/livez", None, 200), ("GET", "/readyz", None, 200), ("GET", "/metrics", None, 200),
    ("POST", "/attest/raw", {"runtime_data": "eA=="}, 200), ("POST", "/attest/combined", {"runtime_data": "eA=="}, 200),
    ("POST", "/attest/maa", {"maa_endpoint": "sharedneu.neu.attest.azure.net", "runtime_data": "e30="}, 200),
    ("POST", "/key/release", {"maa_endpoint": "sharedneu.neu.attest.azure.net", "akv_endpoint": "sim.vault.azure.net", "kid": "key1"}, 200),
    ("POST", "/key/release", {"maa_endpoint": "sharedneu.neu.attest.azure.net", "akv_endpoint": "sim.vault.azure.net", "kid": "none"}, 403),
    ("POST", "/attest/raw", {}, 400), ("GET", "/nothing", None, 404), ("DELETE", "/status", None, 405), ("HEAD", "/status", None, 405),
    ("OPTIONS", "/key/release", None, 405),
]
UNWANTED = ("STORE_STORABLE", "FRESHNESS_HEURISTIC")  # keys and tokens, and answers of probes, are not for caches


def lint(port, method, path, body):
    """One exchange, and what the linter has against the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        content = answer.read()
    linter = HttpResponseLinter(start_time=time.time())
    linter.request = HttpRequestLinter()
    linter.request.process_request_topline(method.encode(), f"http://127.0.0.1:{port}{path}".encode(), b"HTTP/1.1")
    linter.is_head_response = method == "HEAD"
    linter.process_response_topline(b"HTTP/1.1", str(answer.status).encode(), answer.reason.encode())
    linter.process_headers([(k.encode(), v.encode()) for k, v in answer.getheaders()])
    linter.feed_content(content)
    linter.finish_content(True)
    found = [n for n in linter.notes if n.level == levels.BAD or n.__class__.__name__ in UNWANTED]
    return answer.status, [f"{n.__class__.__name__} {n.subject}: {n.summary}" for n in found]


@pytest.mark.parametrize("method,path,body,status", CALLS, ids=lambda v: str(v) if isinstance(v, (str, int)) else "")
def test_httplint_finds_nothing_bad(cloud, skr, method, path, body, status):
    cloud.import_oct_with(clients(cloud, "vault"))
    assert lint(skr.port, method, path, body) == (status, [])


ATTACKS = {"slow heads": ["-H"], "slow bodies": ["-B"], "slow readers": ["-X", "-w", "1", "-y", "8", "-k", "4", "-n", "2", "-z", "2"]}


@pytest.mark.skipif(not shutil.which("slowhttptest"), reason="slowhttptest is not installed")
@pytest.mark.parametrize("files", [None, 1024], ids=["many-files", "few-files"])
def test_slowhttptest_does_not_keep_callers_out(folder, cloud, files):
    """All attacks at once; more connections than files in the second round."""
    prefix = ["prlimit", f"--nofile={files}:{files}"] if files else []
    skr = programs.Skr(folder, cloud, config={"certcache": None}, loglevel="warning", prefix=prefix)
    attackers = [subprocess.Popen(
        ["slowhttptest", *flags, "-c", "900", "-r", "900", "-i", "2", "-l", "8", "-p", "3", "-u",
         f"http://127.0.0.1:{skr.port}/{'key/release' if name == 'slow bodies' else 'metrics'}"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for name, flags in ATTACKS.items()]
    waits = []
    while any(a.poll() is None for a in attackers):
        waits.append(skr.get("/status", timeout=5).seconds)
        time.sleep(0.1)
    for name, attacker in zip(ATTACKS, attackers):
        text = re.sub(r"\x1b\[[0-9;]*m", "", attacker.stdout.read())
        assert re.findall(r"service available:\s+(\w+)", text)[-1] == "YES", name + ": " + text[-1500:]
    assert len(waits) > 20 and max(waits) < 2 * programs.SLOW, sorted(waits)[-5:]
    assert skr.raw().status == 200
    assert skr.stop() == 0
