"""contract.md §2.7, §2.8: deadlines, retries and their pauses, throttling, statuses of refusals, waiting callers, draining."""
import email.utils, json, signal, socket, threading, time
import pytest
from harness import *
from fakecloud import Reply
keep, improve = pytest.mark.keep, pytest.mark.improve
pytestmark = [improve('no deadlines, no retries, 403 for everything'), pytest.mark.area('waits')]
UA = {'maaconfig': {'user_agent': 'x'}}
STUCK, MUTE, MUTEV, DEAD, DEADV = 'stuck.neu.attest.azure.net', 'mute.neu.attest.azure.net', 'mute.vault.azure.net', 'dead.neu.attest.azure.net', 'dead.vault.azure.net'
SLACK = 4   # seconds that a busy machine may take beyond a limit

def conf(**t): return {**UA, 'timeouts': t} if t else UA
def refused(r, st, code, stage, again):
    d = assert_error(r, {st}); assert (d['code'], d['stage'], d['retryable']) == (code, stage, again), d
    assert (r.header('Retry-After') is not None) == (st == 503), r.headers
    return d
def gaps(rs): return [b.t - a.t for a, b in zip(rs, rs[1:])]
STAGE = {'maa': 'attest', 'akv': 'release'}

# ---------------------------------------------------------------- deadlines
def test_connecting(start, cloud):
    s = start(config=conf(connect=1)); r = s.maa(b'{}', STUCK); refused(r, 504, 'timeout', 'attest', True); assert 0.9 < r.elapsed < 2.5 + SLACK

@pytest.mark.parametrize('host', [MUTE, MUTEV])
def test_mute(start, cloud, host):
    """A service that accepts connections and says nothing."""
    s = start(config=conf(connect=1, exchange=1)); r = s.release(maa=host) if host == MUTE else s.release(akv=host); refused(r, 504, 'timeout', 'attest' if host == MUTE else 'release', True); assert r.elapsed < 2.5 + SLACK

@pytest.mark.parametrize('host', [DEAD, DEADV])
def test_dead(start, cloud, host):
    s = start(config=conf()); r = s.release(maa=host) if host == DEAD else s.release(akv=host); d = refused(r, 502, 'upstream_failed', 'attest' if host == DEAD else 'release', True); assert r.elapsed < 5 + SLACK and d.get('upstream_status') is None

@pytest.mark.parametrize('where', ['maa', 'akv', 'imds'])
@pytest.mark.parametrize('how', ['before', 'mid', 'trickle'])
def test_stall(start, cloud, where, how):
    """The exchange as a whole is limited, whatever trickles; a time-out is tried once more."""
    cloud.on(where, Reply(200, b'{"token":"' + b'a' * 500, trickle=0.3) if how == 'trickle' else Reply(200, b'{"token":"aaaaa', stall=how))
    s = start(config=conf(exchange=1)); r = s.release(); refused(r, 504, 'timeout', STAGE.get(where, 'token'), True); n = len(cloud.got(where)); assert n == 2 and r.elapsed < 3.5 + SLACK, (n, r)

@pytest.mark.parametrize('where', ['maa', 'akv', 'imds', 'thim'])
def test_request_deadline(start, cloud, where, psp):
    s = start(config=conf(request=2)); cloud.on(where, Reply(stall='before'))
    if where == 'thim': psp.set(cloud.tcbs['B'])
    r = s.release(); refused(r, 504, 'timeout', {**STAGE, 'imds': 'token', 'thim': 'certs'}[where], True); assert 1.8 < r.elapsed < 2.2 + SLACK

def test_retries_end_with_the_deadline(start, cloud):
    cloud.on('maa', Reply(503, b'busy', delay=0.6)); s = start(config=conf(request=2)); r = s.maa(b'{}'); d = assert_error(r, {502, 504}); assert r.elapsed < 2.2 + SLACK and d['retryable'] is True

def test_a_stall_is_survived(start, cloud):
    cloud.on('maa', Reply(stall='before'), times=1); s = start(config=conf(exchange=1)); assert_ok(s.maa(b'{}')); assert len(cloud.got('maa')) == 2

def test_device_deadline(start, cloud, psp):
    s = start(config=conf(request=1)); psp.delay(3000); r = s.raw(b'x'); refused(r, 504, 'timeout', 'report', True); assert r.elapsed < 1.2 + SLACK
    psp.delay(0); end = time.time() + 12
    while (r := s.raw(b'y')).status != 200 and time.time() < end: pass
    assert bytes.fromhex(assert_ok(r)['report'])[0x50:0x70] == hashlib.sha256(b'y').digest()

# ---------------------------------------------------------------- retries
@pytest.mark.parametrize('where', ['maa', 'akv'])
@pytest.mark.parametrize('how', [500, 502, 503, 504, 'reset', 'close'])
def test_transient(skr, cloud, where, how):
    """Three failures are survived; four attempts are all."""
    rep = Reply(reset='before') if how == 'reset' else Reply(raw=b'') if how == 'close' else Reply(how, {'error': {'code': 'x', 'message': 'busy'}})
    cloud.on(where, rep, times=3); jwk(skr.release()); g = gaps(cloud.got(where)); assert len(g) == 3 and sum(x >= 0.09 for x in g) >= (3 if isinstance(how, int) else 2), g   # a kept connection that breaks may be replaced at once
    n = len(cloud.got(where)); cloud.on(where, rep); r = skr.release(); d = refused(r, 502, 'upstream_failed', STAGE[where], True)
    assert len(cloud.got(where)) - n in ((4,) if isinstance(how, int) else (4, 5)) and r.elapsed < 5 + SLACK and d.get('upstream_status') == (how if isinstance(how, int) else None)

def test_pauses_grow(skr, cloud):
    cloud.on('maa', Reply(500, b'x')); skr.maa(b'{}'); g = gaps(cloud.got('maa')); assert len(g) == 3 and g[0] >= 0.09 and g[1] >= 0.15 and g[2] >= 0.3 and sum(g) < 15, g

def test_cut_short(skr, cloud):
    cloud.on('akv', Reply(200, b'{"value":"aaaa.bbbb.cccc"}', truncate=10), times=2); jwk(skr.release()); assert len(cloud.got('akv')) == 3

@pytest.mark.parametrize('where', ['maa', 'akv'])
def test_408_counts_as_a_time_out(skr, cloud, where):
    cloud.on(where, Reply(408, b''), times=1); jwk(skr.release()); cloud.on(where, Reply(408, b'')); n = len(cloud.got(where)); d = refused(skr.release(), 504, 'timeout', STAGE[where], True); assert len(cloud.got(where)) - n == 2 and d['upstream_status'] == 408

@pytest.mark.parametrize('where', ['maa', 'akv'])
def test_throttled(start, cloud, where):
    s = start(config=conf()); cloud.on(where, Reply(429, {'error': {'code': 'Throttled', 'message': 'slow'}}, headers={'Retry-After': '2'}), times=1); jwk(s.release()); assert gaps(cloud.got(where))[0] >= 1.95
    cloud.on(where, Reply(429, {'error': {'code': 'Throttled', 'message': 'slow'}}, headers={'Retry-After': '300'})); n = len(cloud.got(where)); r = s.release()
    d = refused(r, 503, 'throttled', STAGE[where], True); assert len(cloud.got(where)) - n == 1 and r.elapsed < SLACK and d['upstream_status'] == 429 and 200 <= int(r.header('Retry-After')) <= 300, 'no sense in waiting for what lies behind the deadline'

@pytest.mark.parametrize('ra', ['-5', 'soon', '', '1.5', '99999999999999999999', 'date', 'past'])
def test_odd_retry_after(start, cloud, ra):
    v = email.utils.formatdate(time.time() + 2.9, usegmt=True) if ra == 'date' else email.utils.formatdate(time.time() - 100, usegmt=True) if ra == 'past' else ra
    s = start(config=conf(request=8)); cloud.on('maa', Reply(429, b'x', headers={'Retry-After': v}), times=1); r = s.maa(b'{}')
    if ra == '99999999999999999999' and r.status != 200: refused(r, 503, 'throttled', 'attest', True)
    else:
        assert_ok(r)
        if ra == 'date': assert gaps(cloud.got('maa'))[0] >= 1.0
    assert r.elapsed < 4 + SLACK

def test_throttled_without_retry_after(skr, cloud):
    cloud.on('akv', Reply(429, b'')); r = skr.release(); refused(r, 503, 'throttled', 'release', True); assert len(cloud.got('akv')) == 4 and int(r.header('Retry-After')) >= 1

def test_503_with_retry_after(skr, cloud):
    cloud.on('akv', Reply(503, b'', headers={'Retry-After': '1'}), times=1); jwk(skr.release()); assert gaps(cloud.got('akv'))[0] >= 0.95

# ---------------------------------------------------------------- statuses
@pytest.mark.parametrize('st,want,code', [(400, 403, 'attestation_denied'), (401, 403, 'attestation_denied'), (403, 403, 'attestation_denied'), (404, 502, 'upstream_invalid'), (405, 502, 'upstream_invalid'), (409, 502, 'upstream_invalid'), (415, 502, 'upstream_invalid'), (422, 502, 'upstream_invalid'), (501, 502, 'upstream_failed'), (505, 502, 'upstream_failed')])
def test_status_of_maa(skr, cloud, st, want, code):
    cloud.on('maa', Reply(st, {'error': {'code': 'X', 'message': 'because of it'}}))
    for r in (skr.release(), skr.maa(b'{}')): d = refused(r, want, code, 'attest', code == 'upstream_failed'); assert d['upstream_status'] == st and 'because of it' in d['error'] and 'http response status equal to %d' % st in d['error']
    assert len(cloud.got('maa')) == (8 if st > 500 else 2) and not cloud.got('akv')

FORBIDDEN = [('Target environment attestation does not meet key release policy requirements.', None, 'policy_denied'), ('Target environment attestation statement cannot be verified.', None, 'attestation_denied'), ('Caller is not authorized to perform action on resource.', 'ForbiddenByRbac', 'access_denied'),
             ("The user, group or application 'appid=x' does not have keys release permission on key vault 'v'. Access policy", 'AccessDenied', 'access_denied'), ('does not have access policy', None, 'access_denied'), ('Client address is not authorized and caller is not a trusted service.', 'ForbiddenByFirewall', 'access_denied'), ('Something else.', None, 'release_refused')]
@pytest.mark.parametrize('msg,inner,code', FORBIDDEN, ids=range(len(FORBIDDEN)))
def test_forbidden(skr, cloud, msg, inner, code):
    e = {'code': 'Forbidden', 'message': msg}
    if inner: e['innererror'] = {'code': inner}
    cloud.on('akv', Reply(403, {'error': e}), op='release'); d = refused(skr.release(), 403, code, 'release', False); assert d['upstream_status'] == 403 and msg[:30] in d['error'] and len(cloud.got('akv', 'release')) == 1
    ordered(d['error'], ['secure key release failed', 'releasing the key key1 failed', 'pulling AKV response body failed', 'http response status equal to 403 Forbidden'])

@pytest.mark.parametrize('st,code', [(404, 'key_not_found'), (400, 'release_refused'), (405, 'release_refused'), (409, 'release_refused'), (410, 'release_refused'), (422, 'release_refused')])
def test_status_of_the_vault(skr, cloud, st, code):
    cloud.on('akv', Reply(st, {'error': {'code': 'BadParameter', 'message': 'because of it'}}), op='release'); d = refused(skr.release(), 403, code, 'release', False); assert d['upstream_status'] == st and 'because of it' in d['error'] and len(cloud.got('akv', 'release')) == 1

@keep
def test_unknown_key(skr, cloud):
    d = refused(skr.release('nokey'), 403, 'key_not_found', 'release', False); assert 'releasing the key nokey failed' in d['error'] and 'KeyNotFound' in d['error']

def test_long_body_is_cut_in_its_middle(skr, cloud):
    cloud.on('maa', Reply(400, {'error': {'code': 'X', 'message': 'BEGIN' + 'a' * 5000 + 'FINISH'}})); d = refused(skr.maa(b'{}'), 403, 'attestation_denied', 'attest', False); assert 'BEGIN' in d['error'] and 'FINISH' in d['error'] and len(d['error']) < 1200

@pytest.mark.parametrize('body', [b'\xff\xfe\0\1', b'a"b\\c\r\n\t\x1b[31m', b'', '\u00e9\u00fc'.encode('latin1')], ids=range(4))
def test_body_of_odd_bytes(skr, cloud, body):
    cloud.on('maa', Reply(400, body)); d = refused(skr.maa(b'{}'), 403, 'attestation_denied', 'attest', False); assert '\x1b' not in d['error'] and '\0' not in d['error']

# ---------------------------------------------------------------- many callers
def ask(s, n, path='/attest/maa', body=None):
    b = json.dumps(body or {'maa_endpoint': MAA, 'runtime_data': b64('{}')}).encode(); cs = []
    for _ in range(n): c = socket.create_connection(('127.0.0.1', s.port), 10); c.sendall(b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' % (path.encode(), len(b)) + b); cs.append(c)
    return cs
def latency(s, n=10):
    r = [s.get('/status', timeout=20) for _ in range(n)]; assert all(x.status == 200 for x in r); return sorted(x.elapsed for x in r)[n // 2]

def test_status_while_256_wait(start, cloud):
    s = start(config=conf(exchange=6, request=6)); cloud.on('maa', Reply(stall='before')); cs = ask(s, 256); cloud.wait('maa', 200, timeout=15); assert latency(s) < 0.5; assert s.get('/metrics').status == 200 and s.get('/livez').status == 200
    for c in cs: c.settimeout(30); assert b' 504 ' in c.recv(4096)[:20]; c.close()

def test_status_while_the_device_blocks(start, cloud, psp):
    s = start(config=conf(request=5)); psp.delay(3000); cs = ask(s, 20, '/attest/raw', {'runtime_data': 'eA=='}); time.sleep(0.3); assert latency(s) < 0.5; psp.delay(0)
    for c in cs: c.close()

def test_queue_and_overload(start, cloud):
    """256 work, up to 1,024 wait within their deadline, the rest is told at once."""
    s = start(config=conf(exchange=5, request=5)); cloud.on('maa', Reply(stall='before')); cs = ask(s, 1400); time.sleep(1); assert latency(s, 5) < 1; st = {}
    for c in cs:
        c.settimeout(40); d = c.recv(8192); m = re.match(rb'HTTP/1.1 (\d+) ', d); assert m, d[:100]; st.setdefault(m.group(1), []).append(d); c.close()
    assert set(st) == {b'503', b'504'} and len(st[b'503']) >= 100, {k: len(v) for k, v in st.items()}
    assert all(b'"overloaded"' in d and b'Retry-After' in d for d in st[b'503']); cloud.reset(); assert_ok(s.raw(b'x'))

def test_callers_who_leave(start, cloud):
    s = start(config=conf(exchange=2, request=2)); cloud.on('maa', Reply(stall='before')); n = s.fds()
    for _ in range(3):
        for c in ask(s, 50): c.close()
    time.sleep(4); assert s.alive() and s.fds() <= n + 20; cloud.reset(); assert_ok(s.maa(b'{}'))

def test_idle_and_half_open(start, cloud):
    """Thousands who connect and say nothing, or half of a request."""
    s = start(config=conf()); cs = []
    for i in range(3000):
        c = socket.create_connection(('127.0.0.1', s.port), 10); cs.append(c)
        if i % 3: c.sendall(b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Len' if i % 3 == 1 else b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
    assert latency(s, 5) < 1; assert_ok(s.raw(b'x'))
    for c in cs: c.close()

def test_slow_senders(start, cloud):
    """They send a byte now and then for ever: everybody else is served, and they are cut off."""
    s = start(config=conf()); cs = []; stop = []
    for _ in range(300): c = socket.create_connection(('127.0.0.1', s.port), 10); c.sendall(b'GET /status HTTP/1.1\r\nX: '); cs.append(c)
    def trickle():
        while not stop:
            for c in cs:
                with contextlib.suppress(OSError): c.send(b'a', socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            time.sleep(0.05)
    t = threading.Thread(target=trickle); t.start(); slow = [s.get('/status', timeout=20).elapsed for _ in range(40) if not time.sleep(0.05)]; stop.append(1); t.join()
    assert sorted(slow)[20] < 0.5 and max(slow) < 5, slow
    for c in cs: c.close()

@keep
def test_slow_but_honest(start):
    s = start(config=conf()); b = b'{"runtime_data":"eA=="}'; q = b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' % len(b) + b
    with socket.create_connection(('127.0.0.1', s.port), 5) as c:
        for i in range(0, len(q), 8): c.sendall(q[i:i + 8]); time.sleep(0.1)
        c.settimeout(10); assert b' 200 ' in c.recv(100)

# ---------------------------------------------------------------- the end
@pytest.mark.parametrize('sig', [signal.SIGTERM, signal.SIGINT])
def test_drain(start, cloud, sig):
    """Who is being served is served; nobody new is; then 0."""
    s = start(config=conf()); cloud.on('maa', lambda r, d: (time.sleep(1.5), d())[1]); out = []
    th = [threading.Thread(target=lambda: out.append(s.maa(b'{}'))) for _ in range(4)]
    for t in th: t.start()
    cloud.wait('maa', 4); s.p.send_signal(sig); time.sleep(0.4)
    with pytest.raises(OSError): socket.create_connection(('127.0.0.1', s.port), 2).close()
    for t in th: t.join(15)
    assert [r.status for r in out] == [200] * 4 and s.p.wait(5) == 0

@pytest.mark.parametrize('drain', [0, 1])
def test_drain_ends(start, cloud, drain):
    s = start(config=conf(drain=drain)); cloud.on('maa', Reply(stall='before')); cs = ask(s, 5); cloud.wait('maa', 5); t = time.time(); s.p.send_signal(signal.SIGTERM); s.p.wait(15); assert time.time() - t < drain + 1 + SLACK and s.p.returncode >= 0, 'killed by a signal'
    for c in cs: c.close()

def test_drain_with_idle_connections_and_a_blocked_device(start, cloud, psp):
    s = start(config=conf(drain=1)); psp.delay(4000); cs = ask(s, 3, '/attest/raw', {'runtime_data': 'eA=='}) + [socket.create_connection(('127.0.0.1', s.port), 5) for _ in range(20)]; time.sleep(0.3)
    t = time.time(); s.p.send_signal(signal.SIGTERM); s.p.wait(15); assert time.time() - t < 6 + SLACK; psp.delay(0)
    for c in cs: c.close()

def test_end_while_starting(start, cloud):
    cloud.on('thim', Reply(stall='before')); s = start(config=conf(), uvm='envpolicy', wait=False); s.wait_up(); t = time.time(); s.p.send_signal(signal.SIGTERM); assert s.p.wait(15) == 0 and time.time() - t < 2 + SLACK

@pytest.mark.parametrize('state', ['ready', 'not ready', 'nobody'])
def test_healthcheck(start, cloud, state):
    import subprocess
    if state == 'not ready': cloud.on('thim', Reply(500, b''))
    s = None if state == 'nobody' else start(config=conf(), uvm='envpolicy', wait=False)
    if s: s.wait_up(); s.wait_ready() if state == 'ready' else None
    r = subprocess.run([SKR, '-healthcheck', '-port', str(s.port if s else 29999)], capture_output=True, timeout=20); assert r.returncode == (0 if state == 'ready' else 1), r
