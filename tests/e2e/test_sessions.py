"""Attestation sessions: one key and its attestation token serve many releases, for a while and no longer."""
import contextlib
import hashlib
import json
import pathlib
import threading
import time

import pytest

from conftest import SLOW, failed, unb64

FOREVER = {"session": {"max_age_s": 86400, "max_uses": 1000000}}


def sessions(**limits):
    return {"config": {"session": limits}}


def attested(cloud):
    return cloud.journal("maa", "attest")


def shown(cloud):
    """The attestation tokens that vaults were shown, in the order of their answers, each with its time."""
    return [(x["t"], json.loads(x["body"])["target"]) for x in cloud.journal("akv", "release")]


def runtime_data(x):
    return unb64(json.loads(x["body"])["runtimeData"]["data"])


def at_once(n, f):
    results = [None] * n

    def run(i):
        results[i] = f()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_sessions_are_on_unless_configured_otherwise(cloud, start):
    s = start(config={"session": None})
    for _ in range(10):
        assert s.jwk()["kty"] == "oct"
    assert len(attested(cloud)) == 1 and len({t for _, t in shown(cloud)}) == 1
    assert s.metric("skr_sessions_total", result="made") == 1 and s.metric("skr_sessions_total", result="reused") == 9
    assert s.metric("skr_reports_total") <= 2  # one is of the readiness probe


def test_the_attested_key_is_the_one_that_vaults_wrap_to(cloud, start):
    cloud.import_oct("two", value=b"2" * 16)
    s = start(config=FOREVER)
    assert unb64(s.jwk()["k"]) == bytes(range(32)) and unb64(s.jwk("two")["k"]) == b"2" * 16
    (x,) = attested(cloud)
    (key,) = json.loads(runtime_data(x))["keys"]
    claims = json.loads(unb64(shown(cloud)[0][1].split(".")[1]))
    assert claims["x-ms-runtime"]["keys"] == [key]


def test_a_vault_and_a_managed_hsm_share_the_session(cloud, start):
    cloud.import_oct("key1", hsm=True)
    cloud.control("DELETE", "/journal")
    s = start(config=FOREVER)
    s.jwk()
    s.jwk(hsm=True)
    assert len(attested(cloud)) == 1


@pytest.mark.concurrent
def test_many_first_callers_wait_for_one_attestation(cloud, start):
    cloud.fault("maa", op="attest", delay_ms=300)
    s = start(config=FOREVER)
    assert [r.status for r in at_once(24, s.release)] == [200] * 24
    assert len(attested(cloud)) == 1 and len({t for _, t in shown(cloud)}) == 1
    assert s.metric("skr_sessions_total", result="made") == 1


@pytest.mark.concurrent
def test_all_who_waited_hear_the_same_failure(cloud, start):
    cloud.fault("maa", op="attest", delay_ms=500, status=400, body={"error": {"code": "no", "message": "not today"}}, times=1)
    s = start(config=FOREVER)
    for r in at_once(8, s.release):
        if r.status != 200:  # a caller who came late
            assert "not today" in failed(r, 403, "attestation_denied", "attest", upstream_status=400)["error"]
    assert len(attested(cloud)) <= 2
    assert s.jwk()["kty"] == "oct"


def test_a_cold_release_costs_two_round_trips_and_a_warm_one_costs_one(cloud, start):
    """Measured by delays: attestation and access token are fetched side by side."""
    for service, op in (("maa", "attest"), ("imds", "token"), ("akv", "release")):
        cloud.fault(service, op=op, delay_ms=600)
    s = start(config=FOREVER)
    r = s.release()
    assert r.status == 200 and 1.2 <= r.seconds < 1.7 + (SLOW - 1), r
    r = s.release()
    assert r.status == 200 and 0.6 <= r.seconds < 1.1 + (SLOW - 1), r


def test_each_release_attests_for_itself_where_asked_to(cloud, start):
    s = start(**sessions(max_age_s=0))
    for _ in range(4):
        s.jwk()
    assert len(attested(cloud)) == 4 and len({runtime_data(x) for x in attested(cloud)}) == 4
    assert len({t for _, t in shown(cloud)}) == 4


def test_a_session_ends_with_its_age(cloud, start):
    s = start(**sessions(max_age_s=2))
    s.jwk()
    s.jwk()
    assert len(attested(cloud)) == 1
    time.sleep(2.1)
    s.jwk()
    assert len(attested(cloud)) == 2
    assert len({t for _, t in shown(cloud)}) == 2


def test_a_session_ends_with_its_uses(cloud, start):
    s = start(**sessions(max_uses=3))
    for _ in range(7):
        s.jwk()
    tokens = [t for _, t in shown(cloud)]
    assert [tokens.count(t) for t in dict.fromkeys(tokens)] == [3, 3, 1] and len(attested(cloud)) == 3


@pytest.mark.concurrent
def test_uses_are_counted_exactly_among_many_callers(cloud, start):
    s = start(**sessions(max_uses=4))
    assert [r.status for r in at_once(24, s.release)] == [200] * 24
    tokens = [t for _, t in shown(cloud)]
    assert sorted(tokens.count(t) for t in set(tokens)) == [4] * 6 and len(attested(cloud)) == 6


def test_a_session_never_outlives_its_token(cloud, start):
    s = start(config=FOREVER)
    cloud.set(clock_skew_s=-28800 + 6)  # tokens live for 8 h: this one ends, by our clock, in 6 s
    s.jwk()
    s.jwk()
    assert len(attested(cloud)) == 1
    ends = json.loads(unb64(shown(cloud)[0][1].split(".")[1]))["exp"]
    assert 0 < ends - time.time() <= 6
    time.sleep(max(0, ends - time.time()) - 0.5)
    s.jwk()
    assert len(attested(cloud)) == 2


def test_each_attestation_endpoint_has_a_session_of_its_own(cloud, start):
    s = start(config=FOREVER)
    for spelling in (cloud.maa, "https://" + cloud.maa, cloud.maa.upper(), f"https://{cloud.maa}/"):
        s.jwk(maa=spelling)
    assert len(attested(cloud)) == 1
    other = "other." + cloud.maa.split(".", 1)[1]
    assert s.release(maa=other).status != 500
    s.jwk()
    assert s.metric("skr_sessions_total", result="reused") == 4


def test_the_attest_endpoints_never_use_a_session(cloud, start):
    s = start(config=FOREVER)
    s.jwk()
    for _ in range(3):
        assert s.attest(b'{"mine":1}').status == 200
    data = [runtime_data(x) for x in attested(cloud)]
    assert len(data) == 4 and data[1:] == [b'{"mine":1}'] * 3
    reports = {s.raw(b"x").json["report"] for _ in range(2)}
    assert all(r[0x50 * 2:0x50 * 2 + 64] == hashlib.sha256(b"x").hexdigest() for r in reports)
    s.jwk()
    assert len(attested(cloud)) == 4


@pytest.mark.parametrize("attack", ["wrong_oaep_hash", "short_ciphertext"])
def test_a_failed_unwrapping_drops_the_session(cloud, start, attack):
    s = start(config=FOREVER)
    s.jwk()
    cloud.set(vault={"attack": attack})
    failed(s.release(), 502, "unwrap_failed", "unwrap")
    cloud.set(vault={"attack": None})
    s.jwk()
    assert len(attested(cloud)) == 2 and s.metric("skr_session_drops_total", cause="unwrap_failed") == 1


def test_a_denied_attestation_drops_the_session(cloud, start):
    s = start(config=FOREVER)
    s.jwk()
    cloud.fault("maa", op="attest", status=400, body={"error": {"code": "x", "message": "y"}}, times=1)
    failed(s.attest(), 403, "attestation_denied")
    s.jwk()
    assert len(attested(cloud)) == 3 and s.metric("skr_session_drops_total", cause="attestation_failed") == 1


@pytest.mark.parametrize("shows_it", ["raw", "combined", "attest"])
def test_another_reported_tcb_drops_the_session(cloud, start, shows_it):
    before = {"boot_loader": 4, "tee": 0, "snp": 24, "microcode": 115}
    cloud.set(tcb=before)
    s = start(config=FOREVER)
    s.jwk()
    s.jwk()
    n = len(attested(cloud))
    cloud.set(tcb=dict(before, microcode=219))
    try:
        assert getattr(s, shows_it)().status == 200
        n += shows_it == "attest"
        assert s.metric("skr_session_drops_total", cause="tcb_changed") == 1
        s.jwk()
        s.jwk()
        assert len(attested(cloud)) == n + 1
    finally:
        cloud.set(tcb=before)


def test_a_denial_of_a_reused_session_attests_once_more(cloud, start):
    cloud.import_oct("no", policy=cloud.policy(("x-ms-sevsnpvm-hostdata", "00" * 32)))
    s = start(config=FOREVER)
    s.jwk()
    cloud.control("DELETE", "/journal")
    d = failed(s.release("no"), 403, "policy_denied", "release", upstream_status=403)
    assert d["explain"]["failed"][0]["claim"] == "x-ms-sevsnpvm-hostdata"
    assert len(attested(cloud)) == 1 and len(shown(cloud)) == 2 and len({t for _, t in shown(cloud)}) == 2
    for _ in range(4):  # it stands: once for each session and key
        failed(s.release("no"), 403, "policy_denied")
        s.jwk()
    assert len(attested(cloud)) == 1
    assert s.metric("skr_session_drops_total", cause="denied") == 1


def test_a_denial_of_a_fresh_session_stands(cloud, start):
    cloud.import_oct("no", policy=cloud.policy(("x-ms-sevsnpvm-hostdata", "00" * 32)))
    s = start(config=FOREVER)
    for _ in range(3):
        failed(s.release("no"), 403, "policy_denied")
    s.jwk()
    assert len(attested(cloud)) == 1


@pytest.mark.concurrent
def test_many_denials_at_once_attest_once(cloud, start):
    cloud.import_oct("no", policy=cloud.policy(("x-ms-sevsnpvm-hostdata", "00" * 32)))
    s = start(config=FOREVER)
    s.jwk()
    cloud.control("DELETE", "/journal")
    for r in at_once(12, lambda: s.release("no")):
        failed(r, 403, "policy_denied")
    assert len(attested(cloud)) == 1


def test_a_token_that_a_vault_cannot_verify_any_more_is_replaced_unnoticed(cloud, start):
    s = start(config=FOREVER)
    s.jwk()
    cloud.fault("akv", op="release", status=403, times=1, body={"error": {
        "code": "Forbidden", "message": "Target environment attestation statement cannot be verified.", "innererror": {"code": "x"}}})
    s.jwk()
    assert len(attested(cloud)) == 2 and [x["status"] for x in cloud.journal("akv", "release")] == [200, 403, 200]


def test_other_denials_do_not_touch_the_session(cloud, start):
    s = start(config=FOREVER)
    s.jwk()
    failed(s.release("nosuchkey"), 403, "key_not_found")
    cloud.set(vault={"allow_release": False})
    failed(s.release(), 403, "access_denied")
    cloud.set(vault={"allow_release": True}, revoke_tokens=True)
    s.jwk()
    cloud.fault("akv", op="release", status=500, times=1)
    s.jwk()
    assert len(attested(cloud)) == 1


@pytest.mark.concurrent
def test_renewal_under_load_leaves_no_gap_and_no_late_use(cloud, start):
    """Attestation takes 0.4 s, a session 2 s; nobody but the first callers ever waits for one."""
    age = 2
    s = start(**sessions(max_age_s=age, max_uses=1000000))
    s.jwk()
    cloud.fault("maa", op="attest", delay_ms=300)
    end, slow, answers = time.monotonic() + 7, [], []

    def load():
        while time.monotonic() < end:
            r = s.release()
            answers.append(r.status)
            slow.append(r.seconds)
            time.sleep(0.02)

    at_once(4, load)
    assert set(answers) == {200} and len(answers) > 100 / SLOW
    n = len(attested(cloud))
    assert 7 / age <= n <= 10
    first, last = {}, {}
    for t, token in shown(cloud):
        first.setdefault(token, t)
        last[token] = max(t, last.get(token, t))
    assert len(first) == n or len(first) == n - 1  # the last one may not have been needed
    for token in first:
        assert last[token] - first[token] <= age + 0.3 * SLOW
    if SLOW == 1:
        assert sorted(slow)[int(len(slow) * 0.99)] < 0.3, sorted(slow)[-10:]
        assert s.metric("skr_sessions_total", result="waited") == 0


def test_a_service_that_is_away_during_renewal_goes_unnoticed(cloud, start):
    s = start(**sessions(max_age_s=10))
    s.jwk()
    cloud.fault("maa", op="attest", status=503)
    time.sleep(8.2)
    s.jwk()
    cloud.control("DELETE", "/faults")
    s.jwk()
    assert s.metric("skr_sessions_total", result="reused") == 2


def test_the_key_lives_in_locked_memory(cloud, start):
    s = start(config=FOREVER)
    s.jwk()
    s.wait_for(lambda: s.metric("skr_key_pool_size") == 4, what="full")
    status = pathlib.Path(f"/proc/{s.p.pid}/status").read_text()
    locked = int(next(l for l in status.splitlines() if l.startswith("VmLck:")).split()[1])
    if SLOW == 1:  # sanitizers do not let anything be locked
        assert locked == 5 * 4  # the session's page, and those of the pool
    assert "locked in memory" not in s.output()


def test_a_refused_lock_is_one_warning(cloud, start):
    s = start(config={"session": {"max_age_s": 0}}, prefix=("prlimit", "--memlock=0:0"), loglevel="warning")
    for _ in range(3):
        s.jwk()
    assert s.output().count("does not allow keys to be locked in memory") == (1 if SLOW == 1 else s.output().count("locked in memory"))


def test_an_idle_session_is_forgotten(cloud, start):
    """Its token is gone from the memory of the process a moment after its end."""
    s = start(**sessions(max_age_s=1))
    s.jwk()
    ((_, token),) = shown(cloud)
    signature = token.rsplit(".", 1)[1].encode()
    assert in_memory(s, signature) or SLOW != 1
    end = time.monotonic() + 10 * SLOW
    while in_memory(s, signature) and time.monotonic() < end:
        time.sleep(0.3)
    assert not in_memory(s, signature)


def in_memory(s, needle):
    """Searches what the process can write; root may read it."""
    found = False
    with contextlib.suppress(PermissionError), open(f"/proc/{s.p.pid}/mem", "rb", buffering=0) as mem:
        for line in pathlib.Path(f"/proc/{s.p.pid}/maps").read_text().splitlines():
            where, mode = line.split()[:2]
            begin, end = (int(x, 16) for x in where.split("-"))
            if mode.startswith("rw") and end - begin < 1 << 28:
                with contextlib.suppress(OSError, ValueError):
                    mem.seek(begin)
                    found = found or needle in mem.read(end - begin)
    return found


def test_keys_are_made_ahead(cloud, start):
    s = start(**sessions(max_age_s=0))
    s.wait_for(lambda: s.metric("skr_key_pool_size") == 4, what="full")
    for _ in range(3):
        s.jwk()
    assert s.metric("skr_key_pool_waits_total") == 0
    s.wait_for(lambda: s.metric("skr_key_pool_size") == 4, what="full again")
