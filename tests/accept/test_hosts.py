"""contract.md §2.3, §2.8, §8, design.md §5: which hosts are spoken to, with whose certificate, through which proxy; names; configuration that says so."""
import base64, json, os, socket, subprocess, threading, time
import pytest
from harness import *
from fakecloud import Key, Reply
import tlspki
keep, improve = pytest.mark.keep, pytest.mark.improve
pytestmark = [improve('any host is spoken to, bearer token and all'), pytest.mark.area('hosts')]
UA = {'maaconfig': {'user_agent': 'x'}}
def conf(**k): return {**UA, **k}
def denied(r, codes=('host_not_allowed', 'invalid_request')):
    d = assert_error(r, {400}); assert d['code'] in codes and d['stage'] == 'request' and d['retryable'] is False, d
    return d

# ---------------------------------------------------------------- who may be named
EVIL = [h for h, (a, _) in tlspki.HOSTS.items() if a == '127.66.6.6']
ODD = ['evil.example.com#%s', 'evil.example.com/%s', 'evil.example.com?%s', 'evil.example.com\\%s', '%s@evil.example.com', '%s:pw@evil.example.com', 'evil.example.com:443#%s', '%s.evil.example.com', '%s%%2eevil.example.com', '%s/../evil', '%s?x', '%s#x', 'http://%s', 'ftp://%s', '//%s', 'https:%s', '%s:444', '%s:0', '%s:99999', '%s:x', '%s ', ' %s',
       '%s\r\nHost: evil.example.com', '%s\0.evil.example.com', '%s\t', '*.%s', '.%s', '%s..', 'https://%s/path', 'https://x@%s', 'https://%s?x', '%s\u3002evil.example.com', 'evil\u2024%s', '-%s', 'a' * 64 + '.%s', 'a.' * 130 + '%s']
PLAIN = ['localhost', '127.0.0.1', '127.66.6.6', '169.254.169.254', '[::1]', '::1', '2130706433', '0x7f.1', 'vault.azure.net', 'attest.azure.net', '.vault.azure.net', 'azure.net', 'example.com', 'unix:/tmp/x', '..', '/', ':', 'https://', '%00', '*', '*.vault.azure.net']

@pytest.mark.parametrize('host', EVIL + PLAIN, ids=range(len(EVIL + PLAIN)))
def test_other_hosts(skr, cloud, host):
    denied(skr.release(akv=host)); denied(skr.release(maa=host)); denied(skr.maa(b'{}', host)); assert not cloud.evil and not cloud.journal

@pytest.mark.parametrize('form', ODD, ids=range(len(ODD)))
def test_odd_hosts(skr, cloud, form):
    denied(skr.release(akv=form % AKV)); denied(skr.maa(b'{}', form % MAA)); assert not cloud.evil and not cloud.journal

def test_codes(skr):
    for h in EVIL + ['localhost', '169.254.169.254']: denied(skr.release(akv=h), ('host_not_allowed',)); denied(skr.maa(b'{}', h), ('host_not_allowed',))

def test_a_vault_is_no_attestation_service(skr, cloud):
    denied(skr.release(akv=MAA), ('host_not_allowed',)); denied(skr.maa(b'{}', AKV), ('host_not_allowed',)); denied(skr.release(maa=HSM), ('host_not_allowed',)); assert not cloud.journal

# ---------------------------------------------------------------- whose certificate
@pytest.mark.parametrize('host', ['untrusted.vault.azure.net', 'wronghost.vault.azure.net', 'expired.vault.azure.net'])
def test_tls_of_a_vault(skr, cloud, host):
    """Nothing is sent; and it is not tried again."""
    n = cloud.connections.get('akv', 0); d = assert_error(skr.release(akv=host), {502}); assert (d['code'], d['stage'], d['retryable']) == ('upstream_invalid', 'release', False) and 'certificate' in d['error'].lower(), d
    assert not cloud.got('akv') and cloud.connections['akv'] - n == 1

def test_tls_of_an_attestation_service(skr, cloud):
    for r in (skr.maa(b'{}', 'untrusted.neu.attest.azure.net'), skr.release(maa='untrusted.neu.attest.azure.net')): d = assert_error(r, {502}); assert (d['code'], d['stage'], d['retryable']) == ('upstream_invalid', 'attest', False), d
    assert not cloud.got('maa') and not cloud.got('akv')

@pytest.mark.parametrize('fault', ['garbage', 'reset'])
def test_tls_broken(start, cloud, fault):
    skr = start(config=conf()); cloud.conn_fault['akv'] = fault; d = assert_error(skr.release(akv='acc-other.vault.azure.net'), {502}); assert d['stage'] == 'release' and d['code'] in ('upstream_failed', 'upstream_invalid')
    cloud.conn_fault.clear(); jwk(skr.release(akv='acc-other.vault.azure.net'))

def test_another_bundle(start, cloud, tmp_path):
    """SSL_CERT_FILE decides; a bundle without the root ends nothing, trusts nobody."""
    f = tmp_path / 'ca.pem'; k = tlspki.newkey(); f.write_bytes(tlspki.pem(tlspki.issue('Another', k, ca=True)))
    s = start(config=conf(), env={'SSL_CERT_FILE': str(f), 'SSL_CERT_DIR': '/nonexistent'}); d = assert_error(s.maa(b'{}'), {502}); assert d['code'] == 'upstream_invalid' and not cloud.got('maa')

def test_certificate_directory(start, cloud, tmp_path):
    (tmp_path / 'ca.pem').write_bytes(open(cloud.tls.ca_file, 'rb').read()); subprocess.run(['openssl', 'rehash', str(tmp_path)], check=True)
    s = start(config=conf(), env={'SSL_CERT_FILE': None, 'SSL_CERT_DIR': str(tmp_path)}); assert_ok(s.maa(b'{}')); jwk(s.release())

# ---------------------------------------------------------------- what the configuration allows
def test_narrowed(start, cloud):
    s = start(config=conf(allow={'maa': [MAA], 'akv': ['acc-vault.vault.azure.net'], 'kids': ['key1']})); jwk(s.release()); n = len(cloud.journal); cloud.keys['key2'] = Key.oct(b'k' * 32)
    denied(s.release(akv='acc-other.vault.azure.net'), ('host_not_allowed',)); denied(s.release(akv=HSM), ('host_not_allowed',)); denied(s.maa(b'{}', 'acc2.weu.attest.azure.net'), ('host_not_allowed',)); denied(s.release('key2')); denied(s.release('KEY1')); denied(s.release('https://%s/keys/key2' % AKV)); assert len(cloud.journal) == n

def test_widened(start, cloud):
    s = start(config=conf(allow={'akv': ['*.vault.azure.net', 'evil.example.com'], 'maa': ['.attest.azure.net']})); jwk(s.release()); assert_error(s.release(akv='evil.example.com'), {502}); assert cloud.evil; denied(s.release(akv='x.evil.example.com')); denied(s.release(akv='evilvault.azure.net'))

def test_nothing_allowed(start, cloud):
    s = start(config=conf(allow={'akv': [], 'maa': []})); denied(s.release(), ('host_not_allowed',)); denied(s.maa(b'{}'), ('host_not_allowed',)); assert not cloud.journal

def test_a_port_must_be_named(start, cloud):
    s = start(config=conf(allow={'akv': ['acc-vault.vault.azure.net:8443']})); denied(s.release()); denied(s.release(akv=AKV + ':443')); r = s.release(akv=AKV + ':8443'); d = assert_error(r, {502}); assert d['stage'] == 'release'

BAD = [({'session': {'max_age_s': 'x'}}, 'max_age_s'), ({'session': {'max_uses': -1}}, 'max_uses'), ({'session': 5}, 'session'), ({'verification': 'maybe'}, 'verification'), ({'verification': 'enforce'}, 'verification'), ({'verification': 5}, 'verification'), ({'amd_roots': 5}, 'amd_roots'), ({'allow': []}, 'allow'), ({'allow': {'maa': 'x'}}, 'maa'),
       ({'allow': {'akv': [5]}}, 'akv'), ({'allow': {'kids': {}}}, 'kids'), ({'allow': {'akv': ['https://x/']}}, 'akv'), ({'timeouts': 5}, 'timeouts'), ({'timeouts': {'connect': 'x'}}, 'connect'), ({'timeouts': {'exchange': -1}}, 'exchange'), ({'timeouts': {'request': 0}}, 'request'), ({'timeouts': {'drain': None}}, 'drain'), ({'timeouts': {'request': 1e300}}, 'request'),
       ({'simulated_psp': 'http://127.0.0.1:1'}, 'simulated_psp'), ({'certcache': {'endpoint_type': 'Nobody'}}, 'endpoint_type'), ({'certcache': 'x'}, 'certcache'), ({'identity': 'x'}, 'identity'), ({'identity': {'client_id': 5}}, 'client_id'), ({'maaconfig': {'user_agent': 5}}, 'user_agent'), ({'maaconfig': {'user_agent': 'a\r\nX: y'}}, 'user_agent')]
@pytest.mark.parametrize('bad,name', BAD, ids=range(len(BAD)))
def test_wrong_values_end_the_start(bad, name):
    r = subprocess.run([SKR, '-port', '18001', '-base64', b64(json.dumps(bad))], env={'PATH': os.environ['PATH']}, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
    assert r.returncode not in (0, 2) and r.returncode > 0 and name in (r.stderr + r.stdout).decode(), r

@keep
def test_unknown_members_are_said(start):
    s = start(config=conf(allwo={'x': 1}, timeouts={'conect': 1}), loglevel='warning'); out = s.output(); assert 'allwo' in out and 'conect' in out and s.get('/status').status == 200

def test_members_in_any_case(start, cloud):
    s = start(config={'MaaConfig': {'User_Agent': 'x'}, 'Allow': {'MAA': [MAA]}}); assert_ok(s.maa(b'{}')); denied(s.maa(b'{}', 'acc2.weu.attest.azure.net')); assert cloud.got('maa')[-1].header('User-Agent') == ['x']

# ---------------------------------------------------------------- development mode
def test_development_mode_is_marked(start, cloud):
    s = start(config=conf(), args=['-insecure-dev'])
    for r in (s.get('/status'), s.raw(b'x'), s.get('/nothing'), s.req('PUT', '/status', b''), s.post('/key/release', b'{'), s.get('/metrics'), s.get('/readyz'), s.maa(b'{}'), s.release()): assert r.header('x-insecure-dev') == 'true', r
    assert 'dev' in s.output().lower()

def test_no_mark_without_it(skr, cloud):
    for r in (skr.get('/status'), skr.raw(b'x'), skr.get('/nothing'), skr.release()): assert r.header('x-insecure-dev') is None

def test_development_mode_adds_loopback_only(start, cloud):
    s = start(config=conf(), args=['-insecure-dev']); assert assert_error(s.maa(b'{}', 'localhost:1'), {502})['stage'] == 'attest'; assert assert_error(s.maa(b'{}', 'maa.localhost:1'), {502})['stage'] == 'attest'; denied(s.maa(b'{}', 'evil.example.com')); denied(s.maa(b'{}', 'localhost.evil.example.com')); denied(s.maa(b'{}', '169.254.169.254')); jwk(s.release())

# ---------------------------------------------------------------- proxies
class Proxy:
    """CONNECT only; writes down what it is asked, and tunnels to where /etc/hosts says."""
    def __init__(self, answer=b'HTTP/1.1 200 OK\r\n\r\n'):
        self.asked, self.answer, self.s = [], answer, socket.create_server(('127.1.0.50', 0)); self.port = self.s.getsockname()[1]; threading.Thread(target=self.loop, daemon=True).start()
    url = property(lambda self: 'http://127.1.0.50:%d' % self.port)
    def loop(self):
        while True:
            try: c, _ = self.s.accept()
            except OSError: return
            threading.Thread(target=self.one, args=(c,), daemon=True).start()
    def one(self, c):
        d = b''
        while b'\r\n\r\n' not in d:
            x = c.recv(65536)
            if not x: return
            d += x
        self.asked.append(d); m = re.match(rb'CONNECT ([^ :]+):(\d+) ', d); c.sendall(self.answer)
        if not m or not self.answer.startswith(b'HTTP/1.1 200'): c.close(); return
        u = socket.create_connection((m.group(1).decode(), int(m.group(2))))
        def pump(a, b):
            with contextlib.suppress(OSError):
                while x := a.recv(65536): b.sendall(x)
            with contextlib.suppress(OSError): b.shutdown(socket.SHUT_WR)
        threading.Thread(target=pump, args=(u, c), daemon=True).start(); pump(c, u)
    def hosts(self): return [re.match(rb'\S+ (?:https?://)?([^ :/]+)', d).group(1).decode() for d in self.asked]

@keep
@pytest.mark.parametrize('name', ['HTTPS_PROXY', 'https_proxy'])
def test_proxy(start, cloud, name):
    p = Proxy(); s = start(config=conf(), env={name: p.url}, uvm='envpolicy'); jwk(s.release()); assert_ok(s.maa(b'{}'))
    assert set(p.hosts()) == {MAA, AKV} and all(d.startswith(b'CONNECT ') and b'uthorization: Bearer' not in d for d in p.asked) and cloud.got('imds') and cloud.got('thim')

@keep
def test_proxy_for_entra(start, cloud, tmp_path):
    f = tmp_path / 't'; f.write_text('a.b.c'); p = Proxy(); s = start(config=conf(), env={'HTTPS_PROXY': p.url, 'AZURE_CLIENT_ID': 'x', 'AZURE_TENANT_ID': 'y', 'AZURE_FEDERATED_TOKEN_FILE': str(f)}); jwk(s.release()); assert 'login.microsoftonline.com' in p.hosts()

@pytest.mark.parametrize('name', ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'])
def test_metadata_never_through_a_proxy(start, cloud, name):
    p = Proxy(); s = start(config=conf(), env={name: p.url}, uvm='envpolicy'); jwk(s.release()); assert '169.254.169.254' not in p.hosts() and cloud.got('imds') and cloud.got('thim')

@keep
@pytest.mark.parametrize('no', ['.vault.azure.net', 'vault.azure.net', AKV, '*', 'foo,%s , bar' % AKV])
def test_no_proxy(start, cloud, no):
    p = Proxy(); s = start(config=conf(), env={'HTTPS_PROXY': p.url, 'NO_PROXY': no}); jwk(s.release()); assert AKV not in p.hosts() and (no == '*' or MAA in p.hosts())

@pytest.mark.parametrize('answer', [b'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', b'HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n', b'garbage\r\n\r\n', b'HTTP/1.1 302 Found\r\nLocation: https://evil.example.com/\r\nContent-Length: 0\r\n\r\n'], ids=range(4))
def test_proxy_refuses(start, cloud, answer):
    p = Proxy(answer); s = start(config=conf(timeouts={'request': 15}), env={'HTTPS_PROXY': p.url}); d = assert_error(s.maa(b'{}'), {502}); assert d['stage'] == 'attest' and not cloud.got('maa') and not cloud.evil, d

def test_proxy_dead(start, cloud):
    s = start(config=conf(), env={'HTTPS_PROXY': 'http://127.1.0.51:9'}); d = assert_error(s.maa(b'{}'), {502}); assert d['code'] == 'upstream_failed' and not cloud.got('maa')

# ---------------------------------------------------------------- names
@keep
def test_unknown_host(skr, cloud):
    """Said quickly, and nobody else waits for it."""
    r = skr.maa(b'{}', 'nosuch.neu.attest.azure.net'); d = assert_error(r, {502}); assert d['stage'] == 'attest' and d['code'] == 'upstream_failed' and 'nosuch.neu.attest.azure.net' in d['error'] and r.elapsed < 8
    assert 'nosuch.neu.attest.azure.net' in cloud.dns and all(n.startswith('nosuch.neu.attest.azure.net') for n in cloud.dns), 'no search list is tried with it: %r' % cloud.dns

def test_known_hosts_while_an_unknown_one_is_asked(skr, cloud):
    out = []; ts = [threading.Thread(target=lambda: out.append(skr.maa(b'{}', 'nosuch.neu.attest.azure.net'))) for _ in range(10)]
    for t in ts: t.start()
    slow = [skr.maa(b'{}').elapsed for _ in range(5)]; assert sorted(slow)[2] < 1, slow
    for t in ts: t.join(20)
    for r in out: assert_error(r, {502})

def test_dead_name_server(start, cloud):
    """It does not answer at all: the deadline counts, and known names go on."""
    old = open('/etc/resolv.conf').read(); u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.54', 53))
    try:
        open('/etc/resolv.conf', 'w').write('nameserver 127.0.0.54\noptions timeout:5 attempts:2\n'); s = start(config=conf(timeouts={'connect': 2, 'request': 4})); out = []
        t = threading.Thread(target=lambda: out.append(s.maa(b'{}', 'nosuch.neu.attest.azure.net'))); t.start(); time.sleep(0.5); jwk(s.release()); assert s.get('/status').elapsed < 0.5; t.join(30)
        assert_error(out[0], {502, 504}); assert out[0].elapsed < 9; n = time.time(); s.stop(); assert time.time() - n < 6
    finally: open('/etc/resolv.conf', 'w').write(old); u.close()
