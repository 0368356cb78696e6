"""Every service failing in every way: one clear error, the right status, no hang; and what passes is survived."""
import socket
import time

import pytest

from conftest import SLOW, failed

QUICK = {"timeouts": {"connect": 1, "exchange": 1, "request": 8}}

# Which request meets the service, and the stage its failures carry.
SERVICES = {"maa": ("attest", "attest"), "akv": ("release", "release"), "imds": ("token", "token")}


@pytest.fixture(scope="module")
def quick(folder, shared_cloud):
    """Short deadlines, and no token in the cache that would hide the token service."""
    from conftest import Skr
    s = Skr(folder, shared_cloud, config=QUICK)
    yield s
    assert s.stop() == 0


def fault(cloud, service, **what):
    if service == "imds":  # so that the token service is asked at all
        cloud.set(token_life_s=5)
    cloud.fault(service, op=SERVICES[service][0], **what)


def fresh(folder, cloud, service):
    """A skr whose token cache is empty where the fault is at the token service."""
    from conftest import Skr
    return Skr(folder, cloud, config=QUICK)


CASES = [
    ("maa", {"status": 500}, 502, "upstream_failed", 500), ("maa", {"status": 503}, 502, "upstream_failed", 503),
    ("maa", {"status": 400, "body": {"error": {"code": "InvalidParameter", "message": "no"}}}, 403, "attestation_denied", 400),
    ("maa", {"status": 401}, 403, "attestation_denied", 401), ("maa", {"status": 403}, 403, "attestation_denied", 403),
    ("maa", {"status": 404}, 502, "upstream_invalid", 404), ("maa", {"status": 429}, 503, "throttled", 429),
    ("maa", {"status": 408}, 504, "timeout", 408), ("maa", {"status": 302, "headers": {"Location": "https://evil.example/"}}, 502, "upstream_invalid", 302),
    ("maa", {"reset": True}, 502, "upstream_failed", None), ("maa", {"reset": "mid"}, 502, "upstream_failed", None),
    ("maa", {"truncate": 10}, 502, "upstream_failed", None), ("maa", {"stall": True}, 504, "timeout", None),
    ("maa", {"status": 200, "body": "not json"}, 502, "upstream_invalid", None), ("maa", {"status": 200, "body": "{}"}, 502, "upstream_invalid", None),
    ("maa", {"status": 200, "body": {"token": ""}}, 502, "upstream_invalid", None), ("maa", {"status": 200, "body": {"token": "a.b"}}, 502, "upstream_invalid", None),
    ("maa", {"status": 200, "body": {"token": 5}}, 502, "upstream_invalid", None), ("maa", {"status": 200, "body": {"token": "a.b c.d"}}, 502, "upstream_invalid", None),
    ("maa", {"status": 200, "body": ""}, 502, "upstream_invalid", None), ("maa", {"stream": 2000000}, 502, "upstream_invalid", None),
    ("akv", {"status": 500}, 502, "upstream_failed", 500), ("akv", {"status": 429, "headers": {"Retry-After": "1"}}, 503, "throttled", 429),
    ("akv", {"status": 408}, 504, "timeout", 408), ("akv", {"status": 400}, 403, "release_refused", 400), ("akv", {"status": 409}, 403, "release_refused", 409),
    ("akv", {"status": 404}, 403, "key_not_found", 404), ("akv", {"status": 302, "headers": {"Location": "https://evil.example/"}}, 502, "upstream_invalid", 302),
    ("akv", {"status": 403, "body": {"error": {"code": "Forbidden", "message": "Caller is not authorized", "innererror": {"code": "ForbiddenByRbac"}}}}, 403, "access_denied", 403),
    ("akv", {"status": 403, "body": "<html>go away</html>"}, 403, "release_refused", 403),
    ("akv", {"reset": True}, 502, "upstream_failed", None), ("akv", {"truncate": 10}, 502, "upstream_failed", None), ("akv", {"stall": True}, 504, "timeout", None),
    ("akv", {"status": 200, "body": "{}"}, 502, "upstream_invalid", None), ("akv", {"status": 200, "body": {"value": "x"}}, 502, "upstream_invalid", None),
    ("akv", {"status": 200, "body": {"value": 5}}, 502, "upstream_invalid", None), ("akv", {"status": 200, "body": "\u0000"}, 502, "upstream_invalid", None),
    ("akv", {"stream": 2000000}, 502, "upstream_invalid", None),
]


@pytest.mark.parametrize("service,what,status,code,upstream", CASES, ids=lambda v: str(v)[:40] if not isinstance(v, int) else None)
def test_a_service_that_fails_for_good(cloud, quick, service, what, status, code, upstream):
    fault(cloud, service, **what)
    r = quick.release()
    d = failed(r, status, code, SERVICES[service][1])
    assert d.get("upstream_status") == upstream, d
    assert d["retryable"] is (status in (502, 503, 504) and code not in ("upstream_invalid", "unwrap_failed")), d
    assert r.seconds < 9 * SLOW, r
    if status == 503:
        assert int(r.headers["retry-after"]) >= 0
    cloud.control("DELETE", "/faults")
    assert quick.release().status == 200


TOKEN_CASES = [
    ({"status": 400, "body": {"error": "invalid_request", "error_description": "Identity not found"}}, 502, "token_refused", 400),
    ({"status": 403}, 502, "token_refused", 403), ({"status": 500}, 502, "upstream_failed", 500), ({"status": 404}, 502, "upstream_failed", 404),
    ({"status": 410}, 502, "upstream_failed", 410), ({"status": 429}, 503, "throttled", 429), ({"reset": True}, 502, "upstream_failed", None),
    ({"status": 200, "body": "nothing"}, 502, "upstream_invalid", None), ({"status": 200, "body": {"expires_in": "5"}}, 502, "upstream_invalid", None),
    ({"status": 302, "headers": {"Location": "http://evil.example/"}}, 502, "upstream_invalid", 302), ({"stall": True}, 504, "timeout", None),
]


@pytest.mark.parametrize("what,status,code,upstream", TOKEN_CASES, ids=lambda v: str(v)[:40] if not isinstance(v, int) else None)
def test_a_token_service_that_fails_for_good(cloud, start, what, status, code, upstream):
    cloud.fault("imds", **what)
    s = start(config={"timeouts": {"connect": 1, "exchange": 1, "request": 12}})
    d = failed(s.release(), status, code, "token")
    assert d.get("upstream_status") == upstream, d


@pytest.mark.parametrize("service", ["maa", "akv"])
@pytest.mark.parametrize("what", [{"status": 503}, {"status": 500}, {"status": 429, "headers": {"Retry-After": "0"}}, {"reset": True}, {"truncate": 5}],
                         ids=["503", "500", "429", "reset", "truncated"])
def test_three_failures_in_a_row_are_survived(cloud, quick, service, what):
    fault(cloud, service, times=3, **what)
    assert quick.release().status == 200


@pytest.mark.parametrize("service", ["maa", "akv"])
def test_one_time_out_is_survived_and_two_are_not(cloud, quick, service):
    fault(cloud, service, times=1, stall=True)
    assert quick.release().status == 200
    fault(cloud, service, times=2, stall=True)
    failed(quick.release(), 504, "timeout")


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_are_not_repeated(cloud, quick, status):
    fault(cloud, "maa", status=status)
    quick.release()
    assert len(cloud.journal("maa")) == 1


def test_retry_after_is_honoured_and_passed_on(cloud, quick):
    fault(cloud, "akv", status=429, headers={"Retry-After": "2"}, times=1)
    began = time.monotonic()
    assert quick.release().status == 200
    assert time.monotonic() - began >= 2
    fault(cloud, "akv", status=429, headers={"Retry-After": "30"})
    r = quick.release()
    failed(r, 503, "throttled")
    assert r.headers["retry-after"] == "30"


def test_a_redirect_takes_no_token_anywhere(cloud, quick):
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(1)
        where = f"https://127.0.0.1:{trap.getsockname()[1]}/"
        for service, status in (("akv", 307), ("maa", 308)):
            fault(cloud, service, status=status, headers={"Location": where})
            failed(quick.release(), 502, "upstream_invalid")
            cloud.control("DELETE", "/faults")
        with pytest.raises(socket.timeout):
            trap.accept()


def test_a_quoted_answer_is_cut_in_its_middle(cloud, quick):
    fault(cloud, "akv", status=400, body="start-" + "x" * 5000 + "-end")
    d = failed(quick.release(), 403, "release_refused")
    assert "start-" in d["error"] and "-end: http response status equal to 400 Bad Request" in d["error"] and len(d["error"]) < 1500


def test_a_service_nobody_answers_for(cloud, quick):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    d = failed(quick.release(maa=f"dead.attest.localhost:{port}"), 502, "upstream_failed", "attest")
    assert d["retryable"] is True and "upstream_status" not in d
    failed(quick.release(akv=f"dead.vault.localhost:{port}"), 502, "upstream_failed", "release")


def test_a_service_with_a_certificate_of_another_authority(cloud, folder, start):
    from conftest import Cloud
    other = Cloud(folder)
    try:
        s = start()
        d = failed(s.release(maa=other.maa), 502, "upstream_invalid", "attest")
        assert d["retryable"] is False
        assert not other.journal("maa")
    finally:
        other.stop()


@pytest.mark.parametrize("fault_name", ["status", "wrong_report_data", "short"])
def test_a_processor_that_fails(cloud, quick, fault_name):
    cloud.set(psp={"fail": fault_name})
    for r in (quick.raw(), quick.combined(), quick.attest(), quick.release()):
        d = r.json
        assert r.status in (500, 502) and d["stage"] == "report", r
    cloud.set(psp={"fail": None})
    assert quick.raw().status == 200


def test_a_report_with_a_bad_signature_is_the_attestation_service_s_to_refuse(cloud, quick):
    cloud.set(psp={"fail": "bad_signature"})
    failed(quick.attest(), 403, "attestation_denied", "attest", upstream_status=400)


def test_a_firmware_update_is_followed(cloud, start):
    s = start()
    before = s.combined().json["endorsed_tcb"]
    for boot_loader in (11, 12, 13):
        cloud.set(tcb={"boot_loader": boot_loader, "tee": 0, "snp": 24, "microcode": 219})
        for r in (s.combined(), s.attest(), s.release()):
            assert r.status == 200, r
        assert s.combined().json["endorsed_tcb"].endswith(f"{boot_loader:02x}") and s.combined().json["endorsed_tcb"] != before


def test_stale_certificates_are_named_with_both_values(cloud, start):
    cloud.set(tcb={"boot_loader": 4, "tee": 0, "snp": 24, "microcode": 115})
    s = start()
    cloud.set(tcb={"boot_loader": 5, "tee": 0, "snp": 24, "microcode": 219}, thim_tcb={"boot_loader": 4, "tee": 0, "snp": 24, "microcode": 115})
    d = failed(s.attest(), 503, "tcb_mismatch", "certs", retryable=True)
    reported = int("db18000000000005", 16)
    assert f"SNP reported TCB value: {reported} doesn't match Certificate TCB value: {int('7318000000000004', 16)}" in d["error"]
    assert s.raw().status == 200
