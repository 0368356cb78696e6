"""contract.md §2.7: a denial says which claim of the release policy failed, what was required and what was there."""
import json, time
import pytest
from harness import *
from fakecloud import Key, Reply, policy, ISS, b64u, J
keep, improve = pytest.mark.keep, pytest.mark.improve
pytestmark = [improve('403 Forbidden without a reason'), pytest.mark.area('explain')]
HD, DBG, VMPL, MC, UVM = 'x-ms-sevsnpvm-hostdata', 'x-ms-sevsnpvm-is-debuggable', 'x-ms-sevsnpvm-vmpl', 'x-ms-sevsnpvm-microcode-svn', 'x-ms-sevsnpvm-uvm-endorsement.x-ms-sevsnpvm-launchmeasurement'
C = lambda c, v: {'claim': c, 'equals': v}
GOOD, WRONG = C(HD, HOST_DATA.hex()), C(HD, '00' * 32)

def put(cloud, pol, hsm=False): (cloud.hsm_keys if hsm else cloud.keys)['no'] = Key.oct(b'k' * 32, policy=pol)
def explain(skr, cloud, pol, hsm=False, kid='no'):
    put(cloud, pol, hsm); d = assert_error(skr.release(kid, HSM if hsm else AKV), {403}); assert (d['code'], d['stage'], d['retryable'], d['upstream_status']) == ('policy_denied', 'release', False, 403), d
    ordered(d['error'], ['secure key release failed', 'releasing the key no failed', 'pulling AKV response body failed', 'http response status equal to 403 Forbidden'])
    x = d['explain']; assert x['satisfied'] is False and isinstance(x['claims'], dict) and isinstance(x['failed'], list), x
    for f in x['failed']: assert set(f) >= {'claim', 'required', 'actual'}, f
    return d, x
def triples(x): return [(f['claim'], f['required'], f['actual']) for f in x['failed']]

@pytest.mark.parametrize('hsm', [False, True], ids=['akv', 'mhsm'])
def test_one_claim(skr, cloud, hsm):
    d, x = explain(skr, cloud, policy([GOOD, WRONG]), hsm)
    assert set(x) >= {'authority', 'satisfied', 'failed', 'claims'} and x['authority'] == ISS and triples(x) == [(HD, '00' * 32, HOST_DATA.hex())], x
    assert x['claims'][HD] == HOST_DATA.hex() and x['claims'][VMPL] == 0 and x['claims'][DBG] is False and x['claims']['iss'] == ISS
    assert HD in d['error'] and '00' * 32 in d['error'] and HOST_DATA.hex() in d['error']
    rel, get = cloud.got('akv', 'release')[-1], cloud.got('akv', 'get')
    assert len(get) == 1 and get[0].method == 'GET' and get[0].target == '/keys/no?api-version=7.4' and get[0].header('Authorization') == rel.header('Authorization') and not get[0].body

def test_with_a_version(skr, cloud):
    put(cloud, policy([WRONG])); v = cloud.keys['no'].version; d = assert_error(skr.release('no/' + v), {403}); assert triples(d['explain']) and cloud.got('akv', 'get')[-1].path == '/keys/no/' + v

def test_missing_claim(skr, cloud):
    d, x = explain(skr, cloud, policy([C('x-ms-nobody', 'x')])); assert triples(x) == [('x-ms-nobody', 'x', None)] and 'x-ms-nobody' in d['error']

def test_compliance_status_without_endorsement(start, cloud):
    s = start(config={'maaconfig': {'user_agent': 'x'}}, uvm='env', reference=None); d, x = explain(s, cloud, policy([GOOD, C('x-ms-compliance-status', 'azure-compliant-uvm')])); assert triples(x) == [('x-ms-compliance-status', 'azure-compliant-uvm', None)]

def test_nested_claim(skr, cloud):
    d, x = explain(skr, cloud, policy([C(UVM, 'ff')])); assert triples(x) == [(UVM, 'ff', MEASUREMENT.hex())]

@pytest.mark.parametrize('cond,actual', [(C(DBG, True), False), (C(DBG, 'true'), False), (C(VMPL, 3), 0), (C(VMPL, '3'), 0), (C(MC, 116), 115)], ids=range(5))
def test_types(skr, cloud, cond, actual):
    d, x = explain(skr, cloud, policy([cond])); assert triples(x) == [(cond['claim'], cond['equals'], actual)]

@pytest.mark.parametrize('ok', [C(DBG, 'false'), C(DBG, False), C(VMPL, '0'), C(VMPL, 0), C(MC, '115')], ids=range(5))
def test_satisfied_in_the_other_spelling(skr, cloud, ok):
    """Text and number of the same spelling are equal for the vault: only the wrong one is named."""
    d, x = explain(skr, cloud, policy([ok, WRONG])); assert triples(x) == [(HD, '00' * 32, HOST_DATA.hex())]

def test_several(skr, cloud):
    d, x = explain(skr, cloud, policy([C(VMPL, 1), GOOD, C(MC, 1), C(DBG, True), WRONG, C('x-ms-a', 'b'), C('x-ms-c', 'd')])); assert {t[0] for t in triples(x)} == {VMPL, MC, DBG, HD, 'x-ms-a', 'x-ms-c'} and GOOD['equals'] not in [t[1] for t in triples(x)]
    assert VMPL in d['error'] and len(d['error']) < 3000

def test_any_of(skr, cloud):
    d, x = explain(skr, cloud, policy([C(VMPL, 1), C(VMPL, 2)], outer='anyOf')); assert {t[1] for t in triples(x)} <= {1, 2} and triples(x)

def test_nested_any_of(skr, cloud):
    """An alternative that holds is not among the failed."""
    d, x = explain(skr, cloud, policy([{'anyOf': [GOOD, C(VMPL, 9)]}, WRONG])); assert triples(x) == [(HD, '00' * 32, HOST_DATA.hex())]
    d, x = explain(skr, cloud, policy([{'anyOf': [{'allOf': [GOOD, C(MC, 1)]}, C(VMPL, 9)]}])); assert triples(x) and all(t[0] in (MC, VMPL) for t in triples(x))

def test_other_authority(skr, cloud):
    """The policy trusts another attestation service: that is the reason, not a claim of the machine."""
    d, x = explain(skr, cloud, policy([GOOD], authority='https://another.eus.attest.azure.net')); assert 'another.eus.attest.azure.net' in json.dumps([x['failed'], x['authority'], d['error']]), d
    assert HD not in [t[0] for t in triples(x)]

def test_authority_with_a_slash(skr, cloud):
    d, x = explain(skr, cloud, policy([WRONG], authority=ISS + '/')); assert triples(x) == [(HD, '00' * 32, HOST_DATA.hex())]

def test_two_authorities(skr, cloud):
    p = {'version': '1.0.0', 'anyOf': [{'authority': 'https://another.eus.attest.azure.net', 'allOf': [C(VMPL, 7)]}, {'authority': ISS, 'allOf': [WRONG]}]}
    d, x = explain(skr, cloud, p); assert x['authority'] == ISS and triples(x) == [(HD, '00' * 32, HOST_DATA.hex())]

@pytest.mark.parametrize('hsm', [False, True], ids=['akv', 'mhsm'])
def test_key_may_not_be_read(skr, cloud, hsm):
    """The documented role releases and does not read: the claims are there, and what permission is missing."""
    cloud.forbid_get = True; d, x = explain(skr, cloud, policy([WRONG]), hsm); assert x['claims'][HD] == HOST_DATA.hex() and x['failed'] == [] and x['authority'] is None
    assert isinstance(d['hint'], str) and 'get' in d['hint'].lower() and 'key' in d['hint'].lower(), d

@pytest.mark.parametrize('how', ['500', 'reset', 'garbage', 'no policy', 'policy text', 'stall', 'huge', '404', 'deep'])
def test_key_cannot_be_read(start, cloud, how):
    """Whatever reading the key brings, the answer is the denial, in time."""
    deep = '{"version":"1.0.0","anyOf":' + '[{"anyOf":' * 200 + '[]' + '}]' * 200 + '}'
    rep = {'500': Reply(500, b'x'), 'reset': Reply(reset='before'), 'garbage': Reply(200, b'hello'), 'no policy': Reply(200, {'key': {'kid': 'x'}}), 'policy text': Reply(200, {'release_policy': {'data': b64u(b'hello')}}), 'stall': Reply(stall='before'), 'huge': Reply(200, b'{"a":"', stream=50 << 20), '404': Reply(404, b''), 'deep': Reply(200, {'release_policy': {'data': b64u(deep.encode())}})}[how]
    cloud.on('akv', rep, op='get'); s = start(config={'maaconfig': {'user_agent': 'x'}, 'timeouts': {'exchange': 1, 'request': 5}}); put(cloud, policy([WRONG])); r = s.release('no'); d = assert_error(r, {403})
    assert d['code'] == 'policy_denied' and d['upstream_status'] == 403 and r.elapsed < 9 and d['explain']['claims'][HD] == HOST_DATA.hex() and 'Target environment attestation does not meet' in d['error'], d

ODD = [{'version': '1.0.0'}, {'anyOf': []}, {'anyOf': [{}]}, {'anyOf': [{'authority': ISS}]}, {'anyOf': [{'authority': 5, 'allOf': [WRONG]}]}, {'anyOf': 'x'}, [], {'anyOf': [{'authority': ISS, 'allOf': [{'claim': 5, 'equals': 'x'}]}]}, {'anyOf': [{'authority': ISS, 'allOf': [{'claim': HD}]}]}, {'anyOf': [{'authority': ISS, 'allOf': [C(HD, {'x': 1})]}]}, {'anyOf': [{'authority': ISS, 'allOf': [{'claim': HD, 'less': 5}]}]}]
@pytest.mark.parametrize('pol', ODD, ids=range(len(ODD)))
def test_odd_policy(skr, cloud, pol):
    """Grammar that we do not know is no reason to say something else than the vault."""
    cloud.on('akv', Reply(403, {'error': {'code': 'Forbidden', 'message': 'Target environment attestation does not meet key release policy requirements.', 'innererror': {'code': 'AccessDenied'}}}), op='release'); cloud.on('akv', Reply(200, {'key': {}, 'release_policy': {'data': b64u(J(pol).encode())}}), op='get')
    d = assert_error(skr.release(), {403}); assert d['code'] == 'policy_denied' and d['explain']['claims'][HD] == HOST_DATA.hex() and skr.alive()

def test_statement_cannot_be_verified(skr, cloud):
    """An attestation service whose tokens the vault does not trust."""
    cloud.claims_over = {'exp': int(time.time()) - 5}; d = assert_error(skr.release(), {403}); assert (d['code'], d['stage'], d['retryable']) == ('attestation_denied', 'release', False) and 'cannot be verified' in d['error'] and d['explain']['claims'][HD] == HOST_DATA.hex(), d

@pytest.mark.parametrize('msg,inner', [('Caller is not authorized to perform action on resource.', 'ForbiddenByRbac'), ('The user does not have keys release permission. access policy', 'AccessDenied')], ids=['rbac', 'access-policy'])
def test_access_is_no_matter_of_claims(skr, cloud, msg, inner):
    cloud.on('akv', Reply(403, {'error': {'code': 'Forbidden', 'message': msg, 'innererror': {'code': inner}}}), op='release'); d = assert_error(skr.release(), {403}); assert d['code'] == 'access_denied' and 'explain' not in d and not cloud.got('akv', 'get')

def test_other_refusals_are_explained(skr, cloud):
    cloud.keys['no'] = Key.oct(b'k' * 32, policy=policy([WRONG])); cloud.on('akv', Reply(403, {'error': {'code': 'Forbidden', 'message': 'No.'}}), op='release'); d = assert_error(skr.release('no'), {403}); assert d['code'] == 'release_refused' and triples(d['explain']) == [(HD, '00' * 32, HOST_DATA.hex())]

def test_denial_of_the_attestation_service_is_not_explained(skr, cloud):
    cloud.on('maa', Reply(400, {'error': {'code': 'PolicyEvaluationError', 'message': 'A Deny claim was issued'}})); d = assert_error(skr.release(), {403}); assert d['code'] == 'attestation_denied' and d['stage'] == 'attest' and 'explain' not in d

def test_callers_token_reads_the_key(skr, cloud):
    tok = 'caller.' + 'Q' * 40 + '.sig'; cloud.caller_tokens[tok] = {'aud': 'https://vault.azure.net', 'exp': time.time() + 99, 'revoked': False}; put(cloud, policy([WRONG])); r = skr.release('no', token=tok); d = assert_error(r, {403}, secret=[tok])
    assert triples(d['explain']) and cloud.got('akv', 'get')[-1].extra['bearer'] == tok and not cloud.got('imds')

def test_a_denial_is_not_repeated(skr, cloud):
    explain(skr, cloud, policy([WRONG])); assert len(cloud.got('akv', 'release')) == 1 and len(cloud.got('maa')) == 1

def test_crooked_values_do_not_break_the_answer(skr, cloud):
    cloud.claims_over = {'x-ms-odd': 'a"b\\c\n\x01\u00e9\U0001f600' * 20}; d, x = explain(skr, cloud, policy([C('x-ms-odd', '"}\n{'), C('\u00e9"', 'x')])); assert x['claims']['x-ms-odd'].startswith('a"b\\c\n\x01\u00e9')

def test_logged_for_the_operator(start, cloud):
    s = start(config={'maaconfig': {'user_agent': 'x'}}, loglevel='warning'); explain(s, cloud, policy([WRONG])); time.sleep(0.2); assert HD in s.output() and '00' * 32 in s.output()

def test_key_is_released_when_the_policy_is_met(skr, cloud):
    cloud.keys['yes'] = Key.oct(b'k' * 32, policy=policy([GOOD, C(DBG, 'false'), C(UVM, MEASUREMENT.hex())])); jwk(skr.release('yes')); assert not cloud.got('akv', 'get')
