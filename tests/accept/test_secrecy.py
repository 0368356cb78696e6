"""design.md §5, contract.md §2.7: nothing that is secret is ever written, said, or left where others look."""
import base64, json, os, re, subprocess, time
import pytest
from harness import *
from fakecloud import Key, Reply, policy, b64u
from cryptography.hazmat.primitives.asymmetric import rsa
keep, improve = pytest.mark.keep, pytest.mark.improve
pytestmark = [improve('tokens and keys at debug, and echoed bodies'), pytest.mark.area('secrecy')]
UA = {'maaconfig': {'user_agent': 'x'}}
JWT = re.compile(r'eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}')

def forms(secret):
    """A secret in the spellings in which it might come out."""
    b = secret if isinstance(secret, bytes) else secret.encode()
    return {f for f in (b, base64.b64encode(b).rstrip(b'='), base64.urlsafe_b64encode(b).rstrip(b'='), b.hex().encode(), b.hex().upper().encode(), json.dumps(secret).strip('"').encode() if isinstance(secret, str) else b) if len(f) > 8}
def clean(where, text, secrets):
    for n, s in secrets.items():
        for f in forms(s): assert f not in text, '%s in %s: …%r…' % (n, where, text[max(0, text.find(f) - 120):text.find(f) + 60])

def test_nothing_is_written(start, cloud, tmp_path):
    """A day in the life at level trace: every byte of logs, answers, metrics and /proc is searched."""
    rk = rsa.generate_private_key(65537, 2048); cloud.keys['canary'] = Key.oct(b'CANARY-oct-key-material-0123456789'[:32]); cloud.keys['rsa'] = Key.private(rk); cloud.keys['no'] = Key.oct(b'k' * 32, policy=policy([{'claim': 'x-ms-sevsnpvm-vmpl', 'equals': '9'}]))
    f = tmp_path / 'assertion'; f.write_text('eyJhbGciOiJSUzI1NiJ9.CANARYfederatedassertion0123.c2lnbmF0dXJl'); log = tmp_path / 'skr.log'
    s = start(config=UA, args=['-logfile', str(log)], env={'AZURE_CLIENT_ID': 'x', 'AZURE_TENANT_ID': 'y', 'AZURE_FEDERATED_TOKEN_FILE': str(f)}); caller = 'eyJhbGciOiJub25lIn0.CANARYcallertoken0123456789.c2ln'
    cloud.caller_tokens[caller] = {'aud': 'https://vault.azure.net', 'exp': time.time() + 99, 'revoked': False}; answers = []
    for kid, tok in (('canary', None), ('rsa', None), ('canary', caller), ('no', None), ('no', caller), ('nokey', caller)): answers.append(s.release(kid, token=tok))
    cloud.attack['signer'] = 'otherroot'; answers.append(s.release('canary')); cloud.attack = {'ciphertext': lambda c: c[:-1] + b'x'}; answers.append(s.release('canary')); cloud.attack = {}
    answers.append(s.maa(b'{"x":"CANARY-runtime-data-of-the-caller"}')); cloud.on('maa', Reply(400, b'no'), times=1); answers.append(s.maa(b'{"x":"CANARY-runtime-data-of-the-caller"}'))
    answers.append(s.post('/key/release', json.dumps({'access_token': caller, 'kid': '../x', 'maa_endpoint': MAA, 'akv_endpoint': AKV}))); answers.append(s.post('/key/release', '{"access_token":"%s",' % caller)); answers.append(s.post('/key/release', {'access_token': caller, 'kid': caller, 'maa_endpoint': caller, 'akv_endpoint': caller}))
    cloud.revoke(); answers.append(s.release('canary')); metrics = s.get('/metrics').body; proc = b''.join(open('/proc/%d/%s' % (s.pid, n), 'rb').read() for n in ('cmdline', 'comm')); time.sleep(0.3); s.p.terminate(); s.p.wait(10)
    n = rk.private_numbers(); big = lambda v: v.to_bytes((v.bit_length() + 7) // 8, 'big')
    S = {'oct key': b'CANARY-oct-key-material-0123456789'[:32], 'd': big(n.d), 'p': big(n.p), 'q': big(n.q), 'dp': big(n.dmp1), 'assertion': f.read_text(), 'caller token': caller, **{'token %d' % i: t for i, t in enumerate(cloud.issued)}, **{'attestation token %d' % i: m.extra['token'] for i, m in enumerate(cloud.got('maa')) if 'token' in m.extra}, 'JWS': cloud.last_jws}
    written = log.read_bytes() + s.output().encode(); assert len(log.read_bytes()) > 500, 'trace says nothing'
    clean('the log', written, {**S, 'runtime data': b'CANARY-runtime-data-of-the-caller'}); assert not JWT.search(written.decode('utf-8', 'replace')), JWT.search(written.decode('utf-8', 'replace')).group(0)[:80]
    clean('the metrics', metrics, S); clean('/proc', proc, S)
    for r in answers:
        if r.status != 200: clean('an error', r.body, S)
    assert sum(r.status == 200 for r in answers) == 5, [r.status for r in answers]
    for d, _, fs in os.walk(s.dir):
        for x in fs: clean(x, open(os.path.join(d, x), 'rb').read(), S)

ECHO = ['maa', 'akv', 'imds', 'entra']
@pytest.mark.parametrize('where', ECHO)
def test_echoed_secrets_are_masked(start, cloud, tmp_path, where):
    """A service that quotes the request in its refusal."""
    f = tmp_path / 'a'; f.write_text('eyJhbGciOiJSUzI1NiJ9.CANARYfederatedassertion0123.c2lnbmF0dXJl'); env = {'AZURE_CLIENT_ID': 'x', 'AZURE_TENANT_ID': 'y', 'AZURE_FEDERATED_TOKEN_FILE': str(f)} if where == 'entra' else {}; seen = {}
    def echo(r, d):
        seen['bearer'] = (r.header('Authorization') or [''])[0]; body = r.body.decode()
        if where == 'akv': seen['token'] = json.loads(body)['target'] if body else ''
        return Reply(400, 'You said: %s and %s and eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJlc2ln' % (seen['bearer'], body))
    cloud.on(where, echo, op='token' if where == 'entra' else None); s = start(config=UA, env=env); caller = 'opaque-CANARY-0123456789abcdef'; cloud.caller_tokens[caller] = {'aud': 'https://vault.azure.net', 'exp': time.time() + 99, 'revoked': False}
    r = s.release(token=caller if where == 'akv' else None); d = assert_error(r, {403, 502}); text = r.body + s.output().encode()
    assert b'You said' in r.body and b'eyJhbGciOiJub25lIn0.eyJzdWIi' not in text and b'CANARY' not in text, text[:1500]
    if seen.get('token'): assert seen['token'].encode() not in text

@pytest.mark.parametrize('bad', [b'%%%CANARY-in-the-configuration', b64('{"akv":"CANARY-in-the-configuration",').encode(), b64('{"maaconfig":{"user_agent":["CANARY-in-the-configuration"]}}').encode()], ids=['not-base64', 'not-json', 'wrong-type'])
def test_bad_configuration_is_not_quoted(bad):
    r = subprocess.run([SKR, '-loglevel', 'trace', '-base64', bad.decode()], capture_output=True, timeout=20, env={'PATH': os.environ['PATH']}); assert r.returncode not in (0, 2); clean('the output', r.stdout + r.stderr, {'configuration': 'CANARY-in-the-configuration', 'base64': bad.decode()})

def test_no_core_and_no_neighbours(start, cloud):
    """No core dump, and /proc/PID/mem belongs to nobody but root."""
    s = start(config=UA); jwk(s.release()); lim = open('/proc/%d/limits' % s.pid).read(); assert re.search(r'Max core file size +0 +0 ', lim), lim
    child = subprocess.Popen(['sleep', '60'], preexec_fn=lambda: os.setuid(65534))
    try: assert os.stat('/proc/%d/mem' % s.pid).st_uid == 0
    finally: child.kill(); child.wait()
    st = open('/proc/%d/status' % s.pid).read(); assert re.search(r'NoNewPrivs:\s+1', st), 'privileges may be gained'

def test_a_crash_leaves_nothing(start, cloud):
    import signal
    s = start(config=UA); jwk(s.release()); s.p.send_signal(signal.SIGABRT); s.p.wait(10); assert not [f for f in os.listdir(s.cwd) if 'core' in f]

def test_logfile_is_private(start, cloud, tmp_path):
    f = tmp_path / 'log'; old = os.umask(0)
    try: s = start(config=UA, args=['-logfile', str(f)]); s.raw(b'x')
    finally: os.umask(old)
    assert os.stat(f).st_mode & 0o022 == 0

def test_log_cannot_be_forged(start, cloud):
    """A caller's bytes do not begin lines of the log."""
    s = start(config=UA); s.release('x\nFORGED line\r\x1b[31m'); s.maa(b'{}', 'a\nFORGED line'); cloud.on('maa', Reply(400, b'no\nFORGED line')); s.maa(b'{}'); s.get('/a%0aFORGED'); time.sleep(0.2)
    assert not re.search(r'^FORGED', s.output(), re.M) and '\x1b' not in s.output()

def test_answers_are_not_cached(skr, cloud, note):
    note('Cache-Control of a released key: %r' % skr.release().header('Cache-Control'))
