"""contract.md §2.2, §3, §4, §2.8: certificates and their TCB, the report source, readiness; what MAA gets always belongs together."""
import base64, json, threading, time
import pytest
from harness import *
from fakecloud import Reply, unb64
import amdpki
keep, improve = pytest.mark.keep, pytest.mark.improve
pytestmark = [improve('a transient failure ends the process; chain and TCB are kept apart'), pytest.mark.area('certificates')]
UA = {'maaconfig': {'user_agent': 'x'}}
OK, NOT = b'{"message":"Status OK"}', b'{"message":"Status NOT OK"}'

def conf(**k): return {**UA, **k}
def until(fn, s=12):
    end = time.time() + s
    while time.time() < end:
        if fn(): return True
        time.sleep(0.1)
    return fn()
def fits(cloud):
    """Every report that MAA ever got matched the chain that came with it."""
    for m in cloud.got('maa'): assert m.extra.get('verdict') == 'ok', m.extra.get('verdict')
    assert cloud.got('maa')
def unready(s):
    r = s.get('/status'); assert r.status == 200 and r.body == NOT, r
    r = s.get('/readyz'); assert r.status == 503 and isinstance(r.json, dict), r
    assert s.get('/livez').status == 200
    return r

# ---------------------------------------------------------------- the start
@pytest.mark.parametrize('how', [Reply(500, b'x'), Reply(404, b''), Reply(reset='before'), Reply(200, b'hello'), Reply(200, b'{}'), Reply(429, b'x', headers={'Retry-After': '1'}), Reply(200, b'{"vcekCert":"', stream=50 << 20), Reply(302, b'', headers={'Location': 'https://evil.example.com/'})],
                         ids=['500', '404', 'reset', 'text', 'empty', '429', 'oversized', 'redirect'])
def test_thim_fails_at_start(start, cloud, how):
    rule = cloud.on('thim', how); s = start(config=conf(timeouts={'request': 4}), uvm='envpolicy', wait=False); s.wait_up(); assert s.up < 5
    assert cloud.wait('thim'); unready(s); assert_ok(s.raw(b'x'))
    d = assert_error(s.maa(b'{}'), {503, 504}); assert d['stage'] == 'certs' and d['code'] in ('certificates_unavailable', 'timeout', 'not_ready'), d
    d = assert_error(s.release(), {503, 504}); assert d['stage'] == 'certs' and d['retryable'] is True
    rule['times'] = 0
    assert until(lambda: s.get('/status').body == OK, 20), s.output()[-1500:]
    assert s.get('/readyz').status == 200; assert_ok(s.maa(b'{}')); jwk(s.release()); fits(cloud); assert not cloud.evil

def test_thim_unreachable_at_start(start, cloud):
    """It stalls: the start does not wait, and the group comes up when it answers."""
    rule = cloud.on('thim', Reply(stall='before')); s = start(config=conf(timeouts={'exchange': 1, 'request': 3}), uvm='envpolicy', wait=False); s.wait_up(); unready(s)
    r = s.combined(b'x'); d = assert_error(r, {503, 504}); assert r.elapsed < 6 and d['stage'] == 'certs'
    rule['times'] = 0; assert until(lambda: s.get('/readyz').status == 200, 20); assert_ok(s.combined(b'x'))

def test_release_recovers_without_waiting_for_the_background(start, cloud):
    """A caller brings the certificates himself when they are there again."""
    cloud.on('thim', Reply(500, b'x'), times=2); s = start(config=conf(), uvm='envpolicy', wait=False); s.wait_up(); cloud.wait('thim')
    t = time.time(); jwk(s.release()); assert time.time() - t < 15; fits(cloud)

FORMS = {'no vcek': {'vcekCert': None}, 'no chain': {'certificateChain': None}, 'no tcbm': {'tcbm': None}, 'vcek text': {'vcekCert': 'hello'}, 'chain text': {'certificateChain': 'hello'}, 'vcek number': {'vcekCert': 5}, 'tcbm number': {'tcbm': 5}, 'tcbm text': {'tcbm': 'zz'}, 'tcbm empty': {'tcbm': ''},
         'tcbm long': {'tcbm': '0' * 20}, 'chain array': {'certificateChain': []}}
@pytest.mark.parametrize('form', list(FORMS), ids=lambda s: s.replace(' ', '-'))
def test_thim_crooked(start, cloud, form):
    t = cloud.tcbs['A'].thim(); t.update(FORMS[form]); t = {k: v for k, v in t.items() if v is not None}
    cloud.on('thim', Reply(200, t)); s = start(config=conf(timeouts={'request': 4}), uvm='envpolicy', wait=False); s.wait_up(); cloud.wait('thim'); time.sleep(0.3)
    r = s.maa(b'{}'); d = assert_error(r, {503, 504}); assert d['stage'] == 'certs' and not cloud.got('maa') and s.alive(), d

@pytest.mark.parametrize('what', ['garbage', 'not base64', 'empty'], ids=lambda s: s.replace(' ', '-'))
def test_host_certificate_file_crooked(start, cloud, what):
    """The file of the host is no reason to end: THIM has the same."""
    v = {'garbage': b64('hello'), 'not base64': '%%%', 'empty': ''}[what]
    s = start(config=conf(), uvm_files={'host-amd-cert-base64': v}); assert_ok(s.maa(b'{}')); assert cloud.got('thim'); fits(cloud)

@keep
def test_files_need_no_service(start, cloud):
    s = start(config=conf()); assert_ok(s.maa(b'{}')); assert not cloud.got('thim') and not cloud.got('imds')

def test_reference_info_only(start, cloud):
    """The usual Kata layout: only the reference information is mounted."""
    s = start(config=conf(), uvm='refonly', uvm_files={'security-policy-base64': None}); assert_ok(s.maa(b'{}')); d = assert_ok(s.combined(b'x')); assert d['uvm_endorsements'] == b64(UVM_REF) and cloud.got('thim'); fits(cloud)

def test_each_file_is_read(start, cloud):
    """A missing certificate file does not hide the policy."""
    s = start(config=conf(), uvm='refonly', uvm_files={'security-policy-base64': '%%%'}); d = assert_error(s.raw(b'x'), {500}); assert d['code'] == 'uvm_invalid' and d['stage'] == 'report' and 'ecoding policy from Base64 format failed' in d['error']

# ---------------------------------------------------------------- another TCB
def test_tcb_changes_under_way(start, cloud, psp):
    s = start(config=conf()); assert_ok(s.maa(b'{}')); psp.set(cloud.tcbs['B']); cloud.thim_tcb = 'B'
    assert_ok(s.maa(b'{}')); jwk(s.release()); d = assert_ok(s.combined(b'x')); assert d['endorsed_tcb'] == cloud.tcbs['B'].tcbm and base64.b64decode(d['endorsements']).decode() == cloud.tcbs['B'].vcek_pem + cloud.tcbs['B'].chain_pem
    assert len(cloud.got('thim')) == 1; fits(cloud)

def test_microcode_over_127(start, cloud, psp):
    """SPL 219 is two bytes in DER."""
    psp.set(cloud.tcbs['B']); cloud.thim_tcb = 'B'; s = start(config=conf(), tcb=cloud.tcbs['B']); assert_ok(s.maa(b'{}')); assert not cloud.got('thim'); fits(cloud)

def test_stale_file_is_replaced(start, cloud, psp):
    psp.set(cloud.tcbs['C']); cloud.thim_tcb = 'C'; s = start(config=conf()); jwk(s.release()); assert cloud.got('thim'); fits(cloud)

def test_tcb_and_back(start, cloud, psp):
    s = start(config=conf())
    for n in ('B', 'A', 'C', 'B', 'B', 'A'): psp.set(cloud.tcbs[n]); cloud.thim_tcb = n; assert_ok(s.maa(b'{}')); assert assert_ok(s.combined(b'x'))['endorsed_tcb'] == cloud.tcbs[n].tcbm
    fits(cloud)

@pytest.mark.parametrize('path', ['maa', 'combined', 'release'])
def test_mismatch_that_stays(start, cloud, psp, path):
    """The certificates cannot be had for the TCB that is reported: said with both numbers, nothing is sent."""
    s = start(config=conf(timeouts={'request': 6})); psp.set(cloud.tcbs['B']); r = s.release() if path == 'release' else getattr(s, path)(b'{}'); d = assert_error(r, {503})
    assert d['code'] == 'tcb_mismatch' and d['stage'] == 'certs' and d['retryable'] is True and r.header('Retry-After'), d
    assert "SNP reported TCB value: %d doesn't match Certificate TCB value: %d" % (cloud.tcbs['B'].number, cloud.tcbs['A'].number) in d['error'], d['error']
    assert not cloud.got('maa') and not cloud.got('akv') and 1 <= len(cloud.got('thim')) < 12
    assert until(lambda: s.get('/status').body == NOT, 5); unready(s)
    cloud.thim_tcb = 'B'; assert_ok(s.maa(b'{}')); assert until(lambda: s.get('/status').body == OK, 5); fits(cloud)

def test_firmware_that_goes_back(start, cloud, psp):
    """Readiness alone notices it: whoever waits for it sends no requests."""
    s = start(config=conf(timeouts={'request': 4})); psp.set(cloud.tcbs['B']); assert_error(s.maa(b'{}'), {503}); unready(s)
    psp.set(cloud.tcbs['A']); assert until(lambda: s.get('/readyz').status == 200, 12)

def test_mismatch_while_thim_is_down(start, cloud, psp):
    s = start(config=conf(timeouts={'request': 5})); psp.set(cloud.tcbs['B']); rule = cloud.on('thim', Reply(503, b'x')); d = assert_error(s.maa(b'{}'), {503, 504}); assert d['stage'] == 'certs' and not cloud.got('maa')
    rule['times'] = 0; cloud.thim_tcb = 'B'; assert_ok(s.maa(b'{}')); fits(cloud)

def test_thim_answers_another_tcb_than_it_says(start, cloud, psp):
    """tcbm of B with the certificate of A: what is sent must still belong together, or nothing is sent."""
    psp.set(cloud.tcbs['B']); cloud.thim_over = {'tcbm': cloud.tcbs['B'].tcbm}; s = start(config=conf(timeouts={'request': 4})); r = s.maa(b'{}')
    if r.status == 200: fits(cloud)
    else: assert_error(r, {403, 503, 504})
    assert s.alive()

def test_report_changes_between_refresh_and_report(start, cloud, psp):
    """The TCB moves on while the certificates are fetched: the report is taken again, or the failure is honest."""
    s = start(config=conf()); psp.set(cloud.tcbs['B'])
    def f(r, d): cloud.thim_tcb = 'B'; x = d(); psp.set(cloud.tcbs['C']); cloud.thim_tcb = 'C'; return x
    cloud.on('thim', f, times=1); r = s.maa(b'{}')
    if r.status != 200: assert_error(r, {503})
    assert_ok(s.maa(b'{}')); fits(cloud)

def test_hammer(start, cloud, psp):
    """Many callers while the firmware changes under them: MAA never sees a pair that does not match."""
    s = start(config=conf()); stop = time.time() + 6
    def flip():
        for n in ('B', 'A', 'C', 'A', 'B'): time.sleep(0.9); cloud.thim_tcb = n; psp.set(cloud.tcbs[n])
    th = threading.Thread(target=flip); th.start(); bad = []
    def run(i):
        while time.time() < stop:
            r = s.maa(b'{}')
            if r.status not in (200, 503): bad.append(r)
    parallel(6, run); th.join(); assert not bad, bad[:2]; fits(cloud); assert_ok(s.maa(b'{}'))

def test_combined_belongs_together(start, cloud, psp):
    s = start(config=conf())
    for n in ('A', 'B', 'C'):
        psp.set(cloud.tcbs[n]); cloud.thim_tcb = n; d = assert_ok(s.combined(b'data')); rep = base64.b64decode(d['evidence'])
        err, vcek = amdpki.verify_chain(base64.b64decode(d['endorsements']), cloud.tcbs['A'].ark, rep); assert err is None
        assert amdpki.verify_report(rep, vcek, hashlib.sha256(b'data').digest()) is None and int(d['endorsed_tcb'], 16) == int.from_bytes(rep[0x180:0x188], 'little')

def test_one_refresh_for_many(start, cloud, psp):
    s = start(config=conf()); assert_ok(s.maa(b'{}')); cloud.on('thim', lambda r, d: (time.sleep(0.7), d())[1]); psp.set(cloud.tcbs['B']); cloud.thim_tcb = 'B'
    for r in parallel(20, lambda i: s.maa(b'{}')): assert_ok(r)
    assert len(cloud.got('thim')) <= 3, len(cloud.got('thim')); fits(cloud)

# ---------------------------------------------------------------- flags and members
@keep
def test_testing_mismatched_tcb(start, cloud):
    s = start(config=conf(), args=['-allowTestingMismatchedTCB']); assert s.get('/status').body == OK and s.get('/readyz').status == 200
    assert_ok(s.maa(b'{}')); assert cloud.got('thim'), 'a start with another TCB fetches the certificates'; fits(cloud)

@pytest.mark.parametrize('typed', [True, False], ids=['typed', 'inferred'])
def test_certcache_moves_thim(start, cloud, typed):
    cc = {'endpoint': '127.1.0.6:8099/metadata/THIM/amd/certification', 'tee_type': 'SevSnpVM', 'api_version': 'api-version=2020-10-15-preview', 'client_id': 'clientId=x'}
    if typed: cc['endpoint_type'] = 'LocalTHIM'
    s = start(config=conf(certcache=cc), uvm='envpolicy'); assert_ok(s.maa(b'{}')); r = cloud.got('thim'); assert r and {x.host for x in r} == {'127.1.0.6:8099'} and all(x.header('Metadata') == ['true'] for x in r); fits(cloud)

@keep
def test_documented_certcache(start, cloud, psp):
    s = start(config=conf(certcache={'endpoint_type': 'LocalTHIM', 'endpoint': '169.254.169.254/metadata/THIM/amd/certification', 'tee_type': 'SevSnpVM', 'api_version': 'api-version=2020-10-15-preview', 'client_id': 'clientId=x'}), uvm='envpolicy')
    assert_ok(s.maa(b'{}')); psp.set(cloud.tcbs['B']); cloud.thim_tcb = 'B'; assert_ok(s.maa(b'{}')); assert {r.target for r in cloud.got('thim')} == {'/metadata/THIM/amd/certification'}; fits(cloud)

# ---------------------------------------------------------------- the report source
def test_no_report_source(start, cloud):
    s = start(config=conf(), psp=None, wait=False); s.wait_up(); time.sleep(0.3); r = unready(s)
    for r in (s.raw(b'x'), s.combined(b'x'), s.maa(b'{}'), s.release()):
        d = assert_error(r, {503}); assert d['code'] == 'no_report_source' and d['stage'] == 'report' and d['retryable'] is True and r.header('Retry-After'), d
    assert not cloud.got('maa') and not cloud.got('akv') and s.alive() and 'fake' not in s.output().lower()

def test_dev_null_is_no_processor(start, cloud):
    """/dev/sev exists on hosts and answers other commands: a device that does not answer as a guest interface is none."""
    s = start(config=conf(), psp=None, wait=False); device(('sev', 'sev-guest')); s.wait_up(); d = assert_error(s.raw(b'x'), {500, 503}); assert d['stage'] == 'report'; unready(s); device(())

def test_device_fails_then_works(start, cloud, psp):
    psp.fail(errno=5); s = start(config=conf(), wait=False); s.wait_up(); time.sleep(0.3); unready(s); d = assert_error(s.raw(b'x'), {500, 503}); assert d['stage'] == 'report' and d['code'] in ('report_failed', 'no_report_source')
    psp.fail(); assert until(lambda: s.get('/status').body == OK, 8); assert_ok(s.maa(b'{}'))

def test_report_of_other_data(start, cloud, psp):
    s = start(config=conf()); psp.wrong_report_data(1)
    for r in (s.raw(b'x'), s.maa(b'{}'), s.release()): d = assert_error(r, {500, 502, 503}); assert d['stage'] == 'report' and d['code'] == 'report_failed'
    assert not cloud.got('maa')

def test_policy_of_the_group_bad_everywhere(start, cloud):
    s = start(config=conf(), uvm_files={'security-policy-base64': '%%%'})
    for r in (s.raw(b'x'), s.combined(b'x'), s.maa(b'{}'), s.release()): d = assert_error(r, {500}); assert d['code'] == 'uvm_invalid' and d['stage'] == 'report' and d['retryable'] is False
    assert not cloud.got('maa')
