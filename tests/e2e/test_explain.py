"""A denied release says which claim failed, where that can be known."""
from conftest import failed


def test_the_failing_claim_is_named_in_error_and_members(cloud, skr):
    cloud.import_oct("no", policy=cloud.policy(("x-ms-sevsnpvm-hostdata", "00" * 32), ("x-ms-sevsnpvm-vmpl", "0")))
    d = failed(skr.release("no"), 403, "policy_denied", "release", upstream_status=403, retryable=False)
    x = d["explain"]
    assert x["satisfied"] is False and x["authority"] == "https://" + cloud.maa
    assert x["failed"] == [{"claim": "x-ms-sevsnpvm-hostdata", "required": "00" * 32, "actual": cloud.host_data()}]
    assert x["claims"]["x-ms-sevsnpvm-hostdata"] == cloud.host_data()
    assert "x-ms-sevsnpvm-hostdata" in d["error"] and "00" * 32 in d["error"] and "x-ms-sevsnpvm-vmpl" not in d["error"]
    for phrase in ("secure key release failed", "releasing the key no failed", "pulling AKV response body failed",
                   "http response status equal to 403 Forbidden"):
        assert phrase in d["error"]


def test_the_table_is_in_the_log(cloud, start):
    cloud.import_oct("no", policy=cloud.policy(("x-ms-sevsnpvm-is-debuggable", "true")))
    s = start(loglevel="warning")
    s.release("no")
    rows = [l for l in s.output().splitlines() if "failed    x-ms-sevsnpvm-is-debuggable" in l]
    assert len(rows) == 1 and '"true"' in rows[0] and "false" in rows[0]


def test_another_authority_is_said(cloud, skr):
    cloud.import_oct("no", policy=cloud.policy(authority="https://other.attest.azure.net"))
    d = failed(skr.release("no"), 403, "policy_denied")
    assert d["explain"]["authority"] is None
    assert d["explain"]["failed"] == [{"claim": "iss", "required": "https://other.attest.azure.net", "actual": "https://" + cloud.maa}]


def test_every_leaf_of_an_unsatisfied_alternative_is_listed(cloud, skr):
    policy = cloud.policy()
    policy["anyOf"][0]["allOf"] = [{"anyOf": [{"claim": "x-ms-sevsnpvm-vmpl", "equals": "1"}, {"claim": "x-ms-sevsnpvm-vmpl", "equals": "2"}]},
                                   {"claim": "nowhere.at.all", "equals": True}]
    cloud.import_oct("no", policy=policy)
    d = failed(skr.release("no"), 403, "policy_denied")
    assert d["explain"]["failed"] == [{"claim": "x-ms-sevsnpvm-vmpl", "required": "1", "actual": 0},
                                      {"claim": "x-ms-sevsnpvm-vmpl", "required": "2", "actual": 0},
                                      {"claim": "nowhere.at.all", "required": True, "actual": None}]


def test_without_permission_to_read_the_key_the_claims_are_listed(cloud, skr):
    cloud.import_oct("no", policy=cloud.policy(("x-ms-sevsnpvm-vmpl", "3")))
    cloud.set(vault={"allow_read": False})
    d = failed(skr.release("no"), 403, "policy_denied")
    assert d["explain"]["failed"] == [] and d["explain"]["authority"] is None and d["explain"]["claims"]["x-ms-sevsnpvm-vmpl"] == 0
    assert "keys/get" in d["hint"]


def test_a_refused_identity_is_no_policy_matter(cloud, skr):
    cloud.set(vault={"allow_release": False})
    d = failed(skr.release(), 403, "access_denied", "release", upstream_status=403)
    assert "explain" not in d


def test_a_missing_key_is_said(cloud, skr):
    d = failed(skr.release("nosuchkey"), 403, "key_not_found", "release", upstream_status=404)
    assert "nosuchkey" in d["error"]


def test_an_expired_attestation_token_is_said(cloud, skr):
    cloud.set(clock_skew_s=-40000)
    old = skr.attest().json["token"]
    cloud.set(clock_skew_s=0)
    cloud.fault("maa", op="attest", status=200, body={"token": old})
    d = failed(skr.release(), 403, "attestation_denied", "release", upstream_status=403)
    assert "cannot be verified" in d["error"] and d["explain"]["claims"]["exp"]


def test_the_attestation_service_s_reason_is_passed_on(cloud, skr):
    cloud.fault("maa", op="attest", status=400, body={"error": {"code": "PolicyEvaluationError", "message": "A Deny claim was issued"}}, times=1)
    d = failed(skr.attest(), 403, "attestation_denied", "attest", upstream_status=400)
    assert d["error"].startswith("attestation failed: ") and "A Deny claim was issued" in d["error"]
