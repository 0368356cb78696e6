"""Start, readiness, drain, exit codes, the entry script."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import BIN, ROOT, SLOW, Skr, b64, failed, free_port

SKR = str(BIN / "skr")


def skr_once(*args, env=None, cwd=None):
    return subprocess.run([SKR, *args], capture_output=True, text=True, timeout=30, env={"PATH": os.environ["PATH"], **(env or {})}, cwd=cwd, check=False)


def config_for(cloud, **more):
    """A configuration that asks nobody but the local cloud."""
    return b64(json.dumps({"certcache": {"endpoint_type": "LocalTHIM", "endpoint": cloud.env["CLOUDSIM_THIM"]}, **more}))


def test_version_and_build_id():
    r = skr_once("-version")
    assert r.returncode == 0 and re.fullmatch(r"skr \d+\.\d+\.\d+ \(build \S+\)\n", r.stdout), r


@pytest.mark.parametrize("args,needle", [(["-server_type", "grpc"], "not in this build"), (["-server_type", "both"], "not in this build"),
                                         (["-server_type", "tcp"], "server_type"), (["-port", "0"], "port"), (["-port", "65536"], "port"),
                                         (["-log-format", "xml"], "xml"),
                                         (["-base64", b64('{"verification":"enforce"}')], "enforce"),
                                         (["-base64", b64('{"simulated_psp":"http://127.0.0.1:1"}')], "-insecure-dev")])
def test_what_cannot_work_ends_the_start_with_its_reason(args, needle):
    r = skr_once(*args)
    assert r.returncode == 1 and needle in r.stderr, r


def test_a_configuration_of_a_wrong_type_names_its_member():
    for config, member in (({"timeouts": {"connect": "5"}}, "timeouts.connect"), ({"allow": {"maa": 5}}, "allow.maa"),
                           ({"session": {"max_uses": []}}, "session.max_uses")):
        r = skr_once("-base64", b64(json.dumps(config)))
        assert r.returncode == 1 and member in r.stderr, r


def test_starts_with_one_line_about_its_configuration(start):
    s = start(loglevel="info")
    lines = [l for l in s.output().splitlines() if "starts on port" in l]
    assert len(lines) == 1
    for part in ("report source simulated PSP", "managed identity", ".attest.azure.net", ".vault.azure.net", str(s.port)):
        assert part in lines[0], lines[0]
    assert "INSECURE DEVELOPMENT MODE" in s.output()


def test_terminates_cleanly_when_idle(start):
    for sig in (signal.SIGTERM, signal.SIGINT):
        s = start()
        began = time.monotonic()
        assert s.stop(sig) == 0 and time.monotonic() - began < 3 * SLOW


def test_a_drain_lets_requests_finish_and_takes_no_new_ones(cloud, start):
    s = start()
    cloud.fault("maa", op="attest", delay_ms=1500)
    answers = []
    t = threading.Thread(target=lambda: answers.append(s.release()))
    t.start()
    time.sleep(0.7 * SLOW)
    s.p.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", s.port), 2)
    t.join()
    assert answers[0].status == 200, answers
    assert s.p.wait(20) == 0


def test_a_drain_that_takes_too_long_cuts_and_says_so(cloud, start):
    s = start(config={"timeouts": {"drain": 0.5}})
    cloud.fault("maa", op="attest", delay_ms=15000, times=1)
    answers = []
    t = threading.Thread(target=lambda: answers.append(s.release()))
    t.start()
    time.sleep(0.7 * SLOW)
    began = time.monotonic()
    s.p.send_signal(signal.SIGTERM)
    assert s.p.wait(20) == 1 and time.monotonic() - began < 5 * SLOW
    t.join()
    failed(answers[0], 503, "not_ready")
    assert "cut off" in s.output()


@pytest.mark.parametrize("family,address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_in_use_on_either_family_ends_the_start(cloud, folder, family, address):
    try:
        taken = socket.socket(family)
        taken.bind((address, 0))
    except OSError:
        pytest.skip(f"this machine has no {address}")
    with taken:
        taken.listen()
        port = taken.getsockname()[1]
        r = skr_once("-port", str(port), "-base64", config_for(cloud), env=cloud.env)
        assert r.returncode == 1 and str(port) in r.stderr and "in use" in r.stderr.lower(), r


def test_listens_on_loopback_only(start):
    s = start()
    inodes = {os.readlink(f"/proc/{s.p.pid}/fd/{f}") for f in os.listdir(f"/proc/{s.p.pid}/fd") if os.path.islink(f"/proc/{s.p.pid}/fd/{f}")}
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{s.p.pid}/net/{table}").read_text().splitlines()[1:]:
            f = line.split()
            if f[3] == "0A" and f"socket:[{f[9]}]" in inodes:
                assert f[1].split(":")[0] in ("0100007F", "00000000000000000000000001000000"), line


def test_without_a_report_source_it_serves_and_is_not_ready(start):
    if os.path.exists("/dev/sev-guest") or os.path.exists("/dev/sev"):
        pytest.skip("this machine has a report device")
    s = start(config={"simulated_psp": None}, ready=False, dev=False)
    time.sleep(0.5)
    assert s.get("/status").json == {"message": "Status NOT OK"}
    assert s.get("/livez").status == 200
    r = s.get("/readyz")
    assert r.status == 503 and r.json["ready"] is False and "/dev/sev-guest" in r.json["reasons"][0], r
    failed(s.raw(), 503, "no_report_source", "report", retryable=True)
    assert "x-insecure-dev" not in s.raw().headers


def test_a_certificate_service_that_is_down_at_start_is_waited_for(cloud, start):
    cloud.fault("thim", reset=True)
    s = start(ready=False, env={"UVM_SECURITY_CONTEXT_DIR": "/nonexistent"}, config={"timeouts": {"request": 20}})
    assert s.get("/status").json == {"message": "Status NOT OK"}
    assert s.get("/readyz").status == 503
    failed(s.combined(), 503, "certificates_unavailable", "certs", retryable=True)
    assert s.raw().status == 200
    cloud.control("DELETE", "/faults")
    s.wait_for(lambda: s.get("/readyz").status == 200, 30, "ready")
    assert s.get("/status").json == {"message": "Status OK"}
    assert s.combined().status == 200


def test_healthcheck_tells_ready_from_not(cloud, start):
    s = start()
    assert skr_once("-healthcheck", "-port", str(s.port)).returncode == 0
    r = skr_once("-healthcheck", "-port", str(free_port()))
    assert r.returncode == 1 and "port" in r.stderr
    cloud.fault("thim", reset=True)
    n = start(ready=False, env={"UVM_SECURITY_CONTEXT_DIR": "/nonexistent"})
    r = skr_once("-healthcheck", "-port", str(n.port))
    assert r.returncode == 1 and "not ready" in r.stderr


def test_the_process_is_hardened(start):
    s = start()
    status = pathlib.Path(f"/proc/{s.p.pid}/status").read_text()
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert re.search(rf"^{name}:\t0+$", status, re.M), name
    if os.geteuid() == 0:
        assert re.search(r"^CapBnd:\t0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    limits = pathlib.Path(f"/proc/{s.p.pid}/limits").read_text()
    assert re.search(r"^Max core file size\s+0\s+0", limits, re.M)
    assert os.stat(f"/proc/{s.p.pid}/mem").st_uid == 0  # of a process that is not dumpable, /proc belongs to root


@pytest.mark.parametrize("name", ["skr", "cloudsim"])
def test_the_programs_are_built_hardened(name):
    if SLOW > 1:
        pytest.skip("a sanitized build has other flags")
    out = subprocess.run(["readelf", "-W", "-h", "-l", "-d", "-n", "-s", str(BIN / name)], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Type:\s+DYN", out) and "GNU_RELRO" in out and re.search(r"FLAGS\b.*BIND_NOW|FLAGS_1\b.*NOW", out)
    assert re.search(r"GNU_STACK\s+\S+ \S+ \S+ \S+ \S+ RW ", out) and "__stack_chk_fail" in out and re.search(r"__\w+_chk@", out)
    assert re.search(r"x86 feature: IBT, SHSTK|x86 feature.*IBT", out) or "GNU_PROPERTY" in out


def test_a_log_file_is_appended_to_and_private(start, tmp_path):
    log = tmp_path / "log"
    s = start(args=["-logfile", log, "-log-format", "json"], loglevel="debug")
    s.post("/key/release", b"{")
    s.stop()
    lines = [json.loads(l) for l in log.read_text().splitlines()]
    assert len(lines) >= 3 and all({"time", "level", "msg", "request_id"} <= set(l) for l in lines)
    assert any(l["request_id"] for l in lines)
    assert oct(log.stat().st_mode & 0o777) == "0o600"


def run_script(tmp_path, cloud, env, *args):
    """The script as its container starts it: a shell cannot trap a signal that was ignored when it started."""
    return subprocess.Popen(["sh", str(ROOT / "deploy/docker/skr/skr.sh"), *args], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, env={"PATH": os.environ["PATH"], "SKR": SKR, **cloud.env, **env},
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def wait_port(port, seconds=20):
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("no listener")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_the_entry_script_passes_signals_and_exit_codes(tmp_path, cloud, sig):
    port = free_port()
    config = config_for(cloud, identity={"client_id": "CANARYcanaryCANARY"})
    p = run_script(tmp_path, cloud, {"SkrSideCarArgs": config, "Port": str(port), "LogLevel": "info", "ServerType": "http", "LogFile": str(tmp_path / "log")})
    wait_port(port)
    p.send_signal(sig)
    out, _ = p.communicate(timeout=20)
    assert p.returncode == 0 and (tmp_path / "result").read_text() == "1\n"
    assert config not in out and "CANARY" not in out and "starts on port" in (tmp_path / "log").read_text()


def test_the_entry_script_takes_its_arguments_by_position(tmp_path, cloud):
    port = free_port()
    p = run_script(tmp_path, cloud, {}, config_for(cloud), str(port))
    wait_port(port)
    p.terminate()
    assert p.wait(20) == 0


def test_the_entry_script_reports_a_failed_start(tmp_path, cloud):
    p = run_script(tmp_path, cloud, {"SkrSideCarArgs": "%%%"})
    out, _ = p.communicate(timeout=20)
    assert p.returncode == 1 and (tmp_path / "result").read_text() == "0\n" and "base64" in out


def test_a_killed_skr_is_a_failure_of_the_script(tmp_path, cloud):
    port = free_port()
    p = run_script(tmp_path, cloud, {"Port": str(port), "SkrSideCarArgs": config_for(cloud)})
    wait_port(port)
    child = subprocess.run(["pgrep", "-P", str(p.pid), "skr"], capture_output=True, text=True, check=True).stdout.split()[0]
    os.kill(int(child), signal.SIGKILL)
    p.communicate(timeout=20)
    assert p.returncode == 137 and (tmp_path / "result").read_text() == "0\n"
