"""contract.md §2.2, §2.4, §2.7, §2.8, protocols.md §3.1, §4: access tokens from the caller, the metadata service and Entra; caching, refreshing, refusals."""
import json, os, time
import pytest
from harness import *
from fakecloud import Key, Reply, policy, b64u
keep, improve = pytest.mark.keep, pytest.mark.improve
pytestmark = [improve('a token request for each release, no retries of its own, 403 for everything'), pytest.mark.area('identity')]
UA = {'maaconfig': {'user_agent': 'x'}}
VAULT, MHSM = 'https://vault.azure.net', 'https://managedhsm.azure.net'
TENANT, CLIENT = '0000aaaa-1111-bbbb-2222-cccc3333dddd', '99999999-8888-7777-6666-555555555555'

def conf(**k): return {**UA, **k}
@pytest.fixture
def workload(tmp_path):
    f = tmp_path / 'token'; f.write_text('first.assertion.x')
    return f, {'AZURE_CLIENT_ID': CLIENT, 'AZURE_TENANT_ID': TENANT, 'AZURE_FEDERATED_TOKEN_FILE': str(f)}
def refused(r, st, code, stage, again=None):
    d = assert_error(r, {st}); assert d['code'] == code and d['stage'] == stage, d
    if again is not None: assert d['retryable'] is again, d
    return d

# ---------------------------------------------------------------- managed identity
@keep
def test_metadata_request(start, cloud):
    s = start(config=conf()); jwk(s.release()); (r,) = cloud.got('imds')
    assert r.method == 'GET' and r.target == '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net', r.target
    assert r.header('Metadata') == ['true'] and r.host == '169.254.169.254' and not r.header('Authorization') and not r.header('X-Forwarded-For')
    jwk(s.release(akv=HSM)); r = cloud.got('imds')[-1]; assert r.query['resource'] == MHSM

@keep
def test_client_id(start, cloud):
    s = start(config=conf(identity={'client_id': CLIENT})); jwk(s.release()); r = cloud.got('imds')[-1]
    assert r.query == {'api-version': '2018-02-01', 'resource': VAULT, 'client_id': CLIENT}

def test_client_id_cannot_add_parameters(start, cloud):
    s = start(config=conf(identity={'client_id': 'a&resource=https://evil#x'})); s.release()
    for r in cloud.got('imds'): assert r.query['resource'] == VAULT and r.query['client_id'] == 'a&resource=https://evil#x'

def test_cached(start, cloud):
    s = start(config=conf())
    for _ in range(4): jwk(s.release())
    assert len(cloud.got('imds')) == 1
    for _ in range(3): jwk(s.release(akv=HSM))
    assert [r.query['resource'] for r in cloud.got('imds')] == [VAULT, MHSM]

def test_single_flight(start, cloud):
    cloud.on('imds', lambda r, d: (time.sleep(1), d())[1])
    s = start(config=conf()); rs = parallel(20, lambda i: s.release())
    for r in rs: jwk(r)
    assert len(cloud.got('imds')) == 1

def test_failure_is_shared_but_not_kept(start, cloud):
    cloud.on('imds', Reply(400, {'error': 'invalid_request', 'error_description': 'Identity not found'}, delay=0.5), times=1)
    s = start(config=conf()); n = len([r for r in parallel(5, lambda i: s.release()) if r.status == 502]); assert n >= 1
    jwk(s.release())

@pytest.mark.parametrize('life', [1, 2, 5])
def test_short_lived(start, cloud, life):
    """However short a token lives, no release is made with a dead one."""
    cloud.token_life = life; s = start(config=conf()); end = time.time() + life + 2.5
    while time.time() < end: jwk(s.release()); time.sleep(0.3)
    for r in cloud.got('akv', 'release'): assert r.status == 200, 'a token was used that had expired'
    assert len(cloud.got('imds')) < 40

def test_dead_on_arrival(start, cloud):
    """expires_in 0: either it is tried once or refused; never a storm."""
    cloud.token_life = 0; s = start(config=conf(timeouts={'request': 8})); r = s.release(); assert r.status in (403, 502, 504), r
    assert len(cloud.got('imds')) <= 6 and len(cloud.got('akv', 'release')) <= 3

def test_refreshed_ahead(start, cloud):
    """A token that is near its end is replaced while the old one still serves: no release waits for it."""
    cloud.token_life = 6; s = start(config=conf()); jwk(s.release()); cloud.on('imds', lambda r, d: (time.sleep(1.5), d())[1])
    slow = []; end = time.time() + 9
    while time.time() < end:
        r = s.release(); jwk(r); slow.append(r.elapsed); time.sleep(0.2)
    assert len(cloud.got('imds')) >= 2 and sum(t > 1.3 for t in slow) <= 1, slow
    assert all(r.status == 200 for r in cloud.got('akv', 'release'))

@pytest.mark.parametrize('form', ['number', 'string', 'only expires_on', 'only expires_on number', 'nothing', 'float'], ids=lambda s: s.replace(' ', '-'))
def test_forms_of_expiry(start, cloud, form):
    now = int(time.time()); e = {'number': {'expires_in': 3600}, 'string': {'expires_in': '3600'}, 'only expires_on': {'expires_on': str(now + 3600)}, 'only expires_on number': {'expires_on': now + 3600}, 'nothing': {}, 'float': {'expires_in': 3600.0}}[form]
    cloud.on('imds', lambda r, d: Reply(200, {'access_token': cloud.make_token(VAULT), 'token_type': 'Bearer', **e}))
    s = start(config=conf()); jwk(s.release()); jwk(s.release()); assert len(cloud.got('imds')) <= 2

@pytest.mark.parametrize('what', ['text', 'empty', 'array', 'no token', 'empty token', 'number', 'crlf', 'blank', 'cut', 'null'], ids=lambda s: s.replace(' ', '-'))
def test_crooked_token_answer(start, cloud, what):
    b = {'text': b'hello', 'empty': b'', 'array': b'[]', 'no token': b'{}', 'empty token': {'access_token': '', 'expires_in': '10'}, 'number': {'access_token': 5, 'expires_in': '10'}, 'crlf': {'access_token': 'a.b.c\r\nX-Evil: 1', 'expires_in': '3600'}, 'blank': {'access_token': 'a b', 'expires_in': '3600'},
         'cut': b'{"access_token":"a.b', 'null': {'access_token': None}}[what]
    cloud.on('imds', Reply(200, b)); s = start(config=conf(timeouts={'request': 10})); refused(s.release(), 502, 'upstream_invalid', 'token', False); assert not cloud.got('akv')

def test_oversized_token_answer(start, cloud):
    cloud.on('imds', Reply(200, b'{"access_token":"', stream=100 << 20)); s = start(config=conf(timeouts={'request': 10})); d = assert_error(s.release(), {502}); assert d['stage'] == 'token' and s.rss() < 120 << 20

def test_long_token(start, cloud):
    """Tokens with many groups are some kilobytes."""
    cloud.on('imds', lambda r, d: Reply(200, {'access_token': cloud.make_token(VAULT, groups=['g' * 36] * 300), 'expires_in': '3600'})); s = start(config=conf()); jwk(s.release())

@pytest.mark.parametrize('status', [301, 307])
def test_metadata_redirect(start, cloud, status):
    cloud.on('imds', Reply(status, b'', headers={'Location': 'https://evil.example.com/'})); s = start(config=conf()); refused(s.release(), 502, 'upstream_invalid', 'token'); assert not cloud.evil

@pytest.mark.parametrize('status', [400, 401, 403])
def test_metadata_refuses(start, cloud, status):
    cloud.on('imds', Reply(status, {'error': 'invalid_request', 'error_description': 'Identity not found'})); s = start(config=conf())
    d = refused(s.release(), 502, 'token_refused', 'token'); assert d['upstream_status'] == status and 'Identity not found' in d['error'] and len(cloud.got('imds')) == 1

@pytest.mark.parametrize('status', [404, 410, 429, 500, 503])
def test_metadata_passes(start, cloud, status):
    """The transient statuses of the metadata service: first pause at least a second, then twice that."""
    cloud.on('imds', Reply(status, {'error': 'unknown'}), times=2); s = start(config=conf()); jwk(s.release()); t = [r.t for r in cloud.got('imds')]
    assert len(t) == 3 and t[1] - t[0] >= 0.99 and t[2] - t[1] >= 1.98 * 0.9 and t[2] - t[0] < 9, t

def test_metadata_never_recovers(start, cloud):
    cloud.on('imds', Reply(500, {'error': 'unknown'})); s = start(config=conf()); d = refused(s.release(), 502, 'upstream_failed', 'token', True); assert d['upstream_status'] == 500 and len(cloud.got('imds')) == 4

def test_metadata_throttles(start, cloud):
    cloud.on('imds', Reply(429, {'error': 'x'}, headers={'Retry-After': '30'})); s = start(config=conf(timeouts={'request': 6})); r = s.release()
    d = refused(r, 503, 'throttled', 'token', True); assert r.elapsed < 7 and 1 <= int(r.header('Retry-After')) <= 30

def test_attestation_needs_no_token(start, cloud):
    cloud.on('imds', Reply(500, {'error': 'unknown'})); s = start(config=conf()); assert_ok(s.maa(b'{}')); assert_ok(s.raw(b'x')); assert not cloud.got('imds')

# ---------------------------------------------------------------- the vault does not take it
def test_refreshed_once_on_401(start, cloud):
    s = start(config=conf()); jwk(s.release()); cloud.revoke(); jwk(s.release())
    rel = cloud.got('akv', 'release'); assert [r.status for r in rel] == [200, 401, 200] and rel[1].extra['bearer'] != rel[2].extra['bearer'] and len(cloud.got('imds')) == 2

def test_401_for_many_at_once(start, cloud):
    s = start(config=conf()); jwk(s.release()); cloud.revoke()
    for r in parallel(10, lambda i: s.release()): jwk(r)
    assert len(cloud.got('imds')) <= 4, 'each release asked for a token of its own'

@pytest.mark.parametrize('hsm', [False, True], ids=['akv', 'mhsm'])
def test_401_for_good(start, cloud, hsm):
    cloud.on('akv', Reply(401, b'' if hsm else {'error': {'code': 'Unauthorized', 'message': 'AKV10032: Invalid issuer.'}}, headers={'WWW-Authenticate': 'Bearer authorization="https://evil.example.com/t", resource="https://evil.example.com"'}))
    s = start(config=conf()); d = refused(s.release(akv=HSM if hsm else AKV), 403, 'access_denied', 'release', False)
    assert d['upstream_status'] == 401 and len(cloud.got('akv', 'release')) == 2 and len(cloud.got('imds')) == 2 and not cloud.evil
    ordered(d['error'], ['secure key release failed', 'releasing the key key1 failed', 'http response status equal to 401 Unauthorized'])

def test_callers_token_refused(start, cloud):
    s = start(config=conf()); tok = 'caller.' + 'Q' * 40 + '.sig'; d = refused(s.release(token=tok), 403, 'access_denied', 'release', False)
    assert d['upstream_status'] == 401 and len(cloud.got('akv', 'release')) == 1 and not cloud.got('imds') and tok not in d['error']

@pytest.mark.parametrize('tok', ['a.b.c\r\nX-Evil: 1', 'a b', 'a\tb', 'a\nb', '\u00e9', 'a\0b'], ids=range(6))
def test_callers_token_of_crooked_characters(start, cloud, tok):
    s = start(config=conf()); d = refused(s.release(token=tok), 400, 'invalid_request', 'request', False); assert not cloud.got('akv')

@keep
@pytest.mark.parametrize('host,res', [('managedhsm.vault.azure.net', VAULT), ('vault.managedhsm.azure.net', MHSM), ('x.vault.azure.cn', 'https://vault.azure.cn'), ('x.managedhsm.usgovcloudapi.net', 'https://managedhsm.usgovcloudapi.net'), ('x.vault.microsoftazure.de', 'https://vault.microsoftazure.de'),
                                      ('x.managedhsm.sovcloud-api.fr', 'https://managedhsm.sovcloud-api.fr'), ('X.VAULT.AZURE.NET', VAULT)], ids=range(7))
def test_resource_by_suffix(start, cloud, host, res):
    s = start(config=conf(timeouts={'request': 6})); assert_error(s.release(akv=host), UP_ERR); assert {r.query['resource'] for r in cloud.got('imds')} <= {res} and cloud.got('imds')

# ---------------------------------------------------------------- workload identity
@keep
def test_entra_form(start, cloud, workload):
    f, env = workload; cloud.expect_assertion = 'first.assertion.x'; s = start(config=conf(), env=env); jwk(s.release())
    (r,) = cloud.got('entra', 'token'); q = r.extra['form']
    assert r.path.replace('//', '/') == '/%s/oauth2/v2.0/token' % TENANT and r.host == 'login.microsoftonline.com' and r.header('Content-Type')[0].startswith('application/x-www-form-urlencoded')
    assert q['grant_type'] == 'client_credentials' and q['client_id'] == CLIENT and q['client_assertion_type'] == 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' and q['scope'].split()[0] == VAULT + '/.default'
    assert not cloud.got('imds') and not r.header('Authorization')

@keep
def test_entra_hsm_scope(start, cloud, workload):
    s = start(config=conf(), env=workload[1]); jwk(s.release(akv=HSM)); assert cloud.got('entra', 'token')[-1].extra['form']['scope'].split()[0] == MHSM + '/.default'

@keep
def test_token_file_is_read_again(start, cloud, workload):
    f, env = workload; cloud.expect_assertion = 'first.assertion.x'; s = start(config=conf(), env=env); jwk(s.release())
    f.write_text('second.assertion.x\n'); cloud.expect_assertion = 'second.assertion.x'; cloud.revoke(); jwk(s.release())

def test_entra_cached(start, cloud, workload):
    s = start(config=conf(), env=workload[1])
    for _ in range(3): jwk(s.release())
    for r in parallel(8, lambda i: s.release(akv=HSM)): jwk(r)
    assert len(cloud.got('entra', 'token')) == 2

@keep
@pytest.mark.parametrize('missing', ['AZURE_CLIENT_ID', 'AZURE_TENANT_ID', 'AZURE_FEDERATED_TOKEN_FILE'])
@pytest.mark.parametrize('how', ['absent', 'empty'])
def test_all_three_or_none(start, cloud, workload, missing, how):
    env = dict(workload[1]); env[missing] = None if how == 'absent' else ''
    s = start(config=conf(), env=env); jwk(s.release()); assert cloud.got('imds') and not cloud.got('entra')

@pytest.mark.parametrize('form', ['https://login.acc.example.net', 'https://login.acc.example.net/', 'login.acc.example.net'], ids=range(3))
def test_authority_host(start, cloud, workload, form):
    s = start(config=conf(), env={**workload[1], 'AZURE_AUTHORITY_HOST': form}); jwk(s.release()); assert {r.host for r in cloud.got('entra')} == {'login.acc.example.net'}

def test_authority_host_is_not_plain(start, cloud, workload):
    """An assertion is a secret: it does not go over plain http."""
    s = None
    with contextlib.suppress(AssertionError): s = start(config=conf(timeouts={'request': 6}), env={**workload[1], 'AZURE_AUTHORITY_HOST': 'http://evil.example.com'})
    if s and s.alive(): assert s.release().status >= 400
    assert not cloud.evil and not cloud.got('entra')

@pytest.mark.parametrize('status', [400, 401, 403])
def test_entra_refuses(start, cloud, workload, status):
    cloud.on('entra', Reply(status, {'error': 'invalid_client', 'error_description': 'AADSTS70021: No matching federated identity record found for presented assertion.', 'error_codes': [70021]}), op='token')
    s = start(config=conf(), env=workload[1]); d = refused(s.release(), 502, 'token_refused', 'token'); assert d['upstream_status'] == status and 'AADSTS70021' in d['error'] and 'first.assertion.x' not in d['error'] and len(cloud.got('entra', 'token')) == 1

@pytest.mark.parametrize('status', [429, 500, 503])
def test_entra_passes(start, cloud, workload, status):
    cloud.on('entra', Reply(status, {'error': 'temporarily_unavailable'}), op='token', times=2); s = start(config=conf(), env=workload[1]); jwk(s.release()); assert len(cloud.got('entra', 'token')) == 3

def test_entra_never_recovers(start, cloud, workload):
    cloud.on('entra', Reply(503, {'error': 'x'}), op='token'); s = start(config=conf(), env=workload[1]); refused(s.release(), 502, 'upstream_failed', 'token', True); assert len(cloud.got('entra', 'token')) == 4

def test_entra_redirect(start, cloud, workload):
    cloud.on('entra', Reply(307, b'', headers={'Location': 'https://evil.example.com/'}), op='token'); s = start(config=conf(), env=workload[1]); refused(s.release(), 502, 'upstream_invalid', 'token'); assert not cloud.evil

@pytest.mark.parametrize('what', ['text', 'no token', 'cut'], ids=lambda s: s.replace(' ', '-'))
def test_entra_crooked(start, cloud, workload, what):
    cloud.on('entra', Reply(200, {'text': b'hello', 'no token': b'{"token_type":"Bearer"}', 'cut': b'{"access_token":"a.'}[what]), op='token'); s = start(config=conf(), env=workload[1]); refused(s.release(), 502, 'upstream_invalid', 'token')

@pytest.mark.parametrize('what', ['gone', 'empty', 'huge', 'directory', 'crooked'])
def test_token_file(start, cloud, workload, what):
    """The file may come later: the start does not fail, a release says what is wrong, and works when it is there."""
    f, env = workload; f.unlink()
    if what == 'empty': f.write_text('')
    elif what == 'huge': f.write_bytes(b'A' * (8 << 20))
    elif what == 'directory': f.mkdir()
    elif what == 'crooked': f.write_bytes(b'a\0b\nc d')
    s = start(config=conf(timeouts={'request': 8}), env=env); d = assert_error(s.release(), {500, 502, 503}); assert d['stage'] == 'token' and not cloud.got('akv') and not cloud.got('entra', 'token'), d
    if what in ('gone', 'empty', 'directory'): assert str(f) in d['error'], d
    if what == 'directory': f.rmdir()
    f.write_text('first.assertion.x'); jwk(s.release())

# ---------------------------------------------------------------- where the metadata service is
def test_pod_identity_host_moves_tokens_only(start, cloud):
    s = start(config=conf(), uvm='envpolicy', env={'AZURE_POD_IDENTITY_AUTHORITY_HOST': 'http://127.1.0.6:8099'}); jwk(s.release())
    (r,) = cloud.got('imds'); assert r.host == '127.1.0.6:8099' and r.path == '/metadata/identity/oauth2/token' and r.header('Metadata') == ['true']
    assert {r.host for r in cloud.got('thim')} == {'169.254.169.254'}

def test_pod_identity_host_with_a_slash(start, cloud):
    s = start(config=conf(), env={'AZURE_POD_IDENTITY_AUTHORITY_HOST': 'http://127.1.0.6:8099/'}); jwk(s.release()); assert cloud.got('imds')[-1].path == '/metadata/identity/oauth2/token'

def test_user_agent_token_comes_from_the_same_place(start, cloud):
    s = start(env={'AZURE_POD_IDENTITY_AUTHORITY_HOST': 'http://127.1.0.6:8099'}); assert cloud.wait('imds') and {r.host for r in cloud.got('imds')} == {'127.1.0.6:8099'}
    jwk(s.release()); assert len(cloud.got('imds')) == 1, 'the token for the User-Agent serves the release too'
