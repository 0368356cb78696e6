"""contract.md §2.3, §2.4, §2.7, design.md §5: a vault that lies, services that answer nonsense, callers who try what they may not."""
import base64, gzip, hashlib, hmac, json, os, socket, struct, time
import pytest
from harness import *
from fakecloud import Key, Reply, b64u, unb64, kwp_raw
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
keep, improve = pytest.mark.keep, pytest.mark.improve
pytestmark = [improve('403 and two documents for what is not a denial'), pytest.mark.area('attacks')]
KEY1 = b64u(bytes(range(32)))
CROOKED = {'unwrap_failed', 'upstream_invalid'}
RSA2, RSA3, RSA1 = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 3072), rsa.generate_private_key(65537, 1024)
PK8 = lambda k: k.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

def crooked(skr, kid='key1', akv=AKV, codes=CROOKED, **k):
    """The release is refused as an answer that cannot be believed: 502, not retryable, and nothing of the key leaks."""
    d = assert_error(skr.release(kid, akv, **k), {502}, secret=[KEY1])
    assert d['code'] in codes and d['retryable'] is False and d['stage'] in ('release', 'unwrap'), d
    assert d['error'].startswith('secure key release failed'), d['error']
    return d

# ---------------------------------------------------------------- the signature and its chain
@pytest.mark.parametrize('signer', ['otherroot', 'selfsigned', 'otherhost', 'otherhsm', 'expired', 'future', 'codesign', 'byleaf', 'cnonly', 'ecleaf'])
def test_signer(skr, cloud, signer):
    cloud.attack['signer'] = signer; crooked(skr)
    if signer == 'otherhsm': crooked(skr, akv=HSM)
    cloud.attack = {}; jwk(skr.release())

def test_vault_signer_is_not_one_for_an_hsm(skr, cloud):
    cloud.attack['signer'] = 'akv'; crooked(skr, akv=HSM)
    cloud.attack['signer'] = 'mhsm'; crooked(skr)

@keep
@pytest.mark.parametrize('alg', ['RS256', 'RS384', 'RS512', 'PS256'])
def test_honest_algorithms(skr, cloud, alg):
    cloud.attack.update(sigalg=alg, header=lambda h: {**h, 'alg': alg}); jwk(skr.release())

def test_ec_signer_with_its_own_algorithm_is_believed_or_refused(skr, cloud, note):
    def sign(data, key, chain):
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256()))); return r.to_bytes(32, 'big') + s.to_bytes(32, 'big')
    cloud.attack.update(signer='ecleaf', header=lambda h: {**h, 'alg': 'ES256'}, sign=sign)
    r = skr.release(); note('ES256 leaf: %d' % r.status); assert r.status in (200, 502)

hm = lambda secret: lambda data, key, chain: hmac.new(secret(chain), data, 'sha256').digest()
spki = lambda chain: __import__('cryptography').x509.load_der_x509_certificate(chain[0]).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SIGNATURES = {
    'none': dict(header=lambda h: {**h, 'alg': 'none'}, sign=lambda d, k, c: b''), 'None': dict(header=lambda h: {**h, 'alg': 'None'}, sign=lambda d, k, c: b''),
    'none but signed': dict(header=lambda h: {**h, 'alg': 'none'}), 'no alg': dict(header=lambda h: {k: v for k, v in h.items() if k != 'alg'}),
    'alg number': dict(header=lambda h: {**h, 'alg': 256}), 'alg empty': dict(header=lambda h: {**h, 'alg': ''}), 'alg list': dict(header=lambda h: {**h, 'alg': ['RS256']}), 'alg lower': dict(header=lambda h: {**h, 'alg': 'rs256'}),
    'HS256 with the certificate': dict(header=lambda h: {**h, 'alg': 'HS256'}, sign=hm(lambda c: c[0])), 'HS256 with the key': dict(header=lambda h: {**h, 'alg': 'HS256'}, sign=hm(spki)),
    'HS256 with nothing': dict(header=lambda h: {**h, 'alg': 'HS256'}, sign=hm(lambda c: b'')), 'ES256 of an RSA key': dict(header=lambda h: {**h, 'alg': 'ES256'}),
    'RS512 said, RS256 made': dict(header=lambda h: {**h, 'alg': 'RS512'}), 'PS256 said, RS256 made': dict(header=lambda h: {**h, 'alg': 'PS256'}), 'RS256 said, PS256 made': dict(sigalg='PS256'),
    'RS1': dict(header=lambda h: {**h, 'alg': 'RS1'}, sign=lambda d, k, c: k.sign(d, padding.PKCS1v15(), hashes.SHA1())),
    'crit unknown': dict(header=lambda h: {**h, 'crit': ['x'], 'x': 1}), 'crit exp': dict(header=lambda h: {**h, 'crit': ['exp'], 'exp': 1}), 'crit b64': dict(header=lambda h: {**h, 'crit': ['b64'], 'b64': False}),
    'signature empty': dict(sign=lambda d, k, c: b''), 'signature zero': dict(sign=lambda d, k, c: bytes(256)), 'signature one': dict(sign=lambda d, k, c: bytes(255) + b'\1'),
    'signature short': dict(sign=lambda d, k, c: k.sign(d, padding.PKCS1v15(), hashes.SHA256())[:-1]), 'signature long': dict(sign=lambda d, k, c: k.sign(d, padding.PKCS1v15(), hashes.SHA256()) + b'\0'),
    'signature of others': dict(sign=lambda d, k, c: RSA2.sign(d, padding.PKCS1v15(), hashes.SHA256())), 'signature of another text': dict(sign=lambda d, k, c: k.sign(d + b'x', padding.PKCS1v15(), hashes.SHA256())),
    'no x5c': dict(header=lambda h: {k: v for k, v in h.items() if k != 'x5c'}), 'x5c empty': dict(header=lambda h: {**h, 'x5c': []}), 'x5c string': dict(header=lambda h: {**h, 'x5c': h['x5c'][0]}), 'x5c numbers': dict(header=lambda h: {**h, 'x5c': [1, 2]}),
    'x5c null': dict(header=lambda h: {**h, 'x5c': None}), 'x5c garbage': dict(header=lambda h: {**h, 'x5c': [b64(os.urandom(900))] + h['x5c'][1:]}), 'x5c not base64': dict(header=lambda h: {**h, 'x5c': ['%%%'] + h['x5c'][1:]}),
    'leaf only': dict(header=lambda h: {**h, 'x5c': h['x5c'][:1]}), 'leaf last': dict(header=lambda h: {**h, 'x5c': h['x5c'][::-1]}), 'leaf cut': dict(header=lambda h: {**h, 'x5c': [b64(base64.b64decode(h['x5c'][0])[:-5])] + h['x5c'][1:]}),
    'thousand certificates': dict(header=lambda h: {**h, 'x5c': h['x5c'] * 300}), 'header array': dict(header=lambda h: '[1]'), 'header text': dict(header=lambda h: 'hello'), 'header cut': dict(header=lambda h: json.dumps(h)[:-1]), 'header null': dict(header=lambda h: 'null'),
    'header trailing': dict(header=lambda h: json.dumps(h) + 'x'), 'header deep': dict(header=lambda h: '{"alg":"RS256","x":' + '[' * 20000 + ']' * 20000 + ',"x5c":' + json.dumps(h['x5c']) + '}'),
}
@pytest.mark.parametrize('what', list(SIGNATURES), ids=lambda s: s.replace(' ', '-'))
def test_signature(skr, cloud, what):
    cloud.attack.update(SIGNATURES[what]); crooked(skr)

def test_key_in_the_header(skr, cloud):
    """`jwk` and `jku` of a header are not where a key comes from."""
    n = cloud.tls.attacker.public_key().public_numbers()
    j = {'kty': 'RSA', 'n': b64u(n.n.to_bytes(256, 'big')), 'e': 'AQAB'}
    cloud.attack.update(header=lambda h: {**h, 'jwk': j, 'jku': 'https://evil.example.com/keys'}, sign=lambda d, k, c: cloud.tls.attacker.sign(d, padding.PKCS1v15(), hashes.SHA256()))
    crooked(skr); assert not cloud.evil

# ---------------------------------------------------------------- the three parts
JWS = {'empty': lambda j: '', 'one part': lambda j: j.split('.')[0], 'two parts': lambda j: j.rsplit('.', 1)[0], 'four parts': lambda j: j + '.AAAA', 'five parts': lambda j: j + '.AA.AA', 'dots': lambda j: '..', 'null': lambda j: None,
       'number': lambda j: 5, 'object': lambda j: {'protected': 'x', 'payload': 'y', 'signature': 'z'}, 'array': lambda j: [j], 'not base64': lambda j: j.replace('.', '.%', 1), 'no payload': lambda j: '%s..%s' % (j.split('.')[0], j.split('.')[2]),
       'payload cut': lambda j: j.split('.')[0] + '.' + j.split('.')[1][:-4] + '.' + j.split('.')[2], 'payload changed': lambda j: j.split('.')[0] + '.' + b64u(unb64(j.split('.')[1]).replace(b'key1', b'key2')) + '.' + j.split('.')[2],
       'newline': lambda j: j.replace('.', '\n.', 1), 'nul': lambda j: j + '\0'}
@pytest.mark.parametrize('what', list(JWS), ids=lambda s: s.replace(' ', '-'))
def test_jws_form(skr, cloud, what):
    cloud.attack['body'] = lambda j: {'value': JWS[what](j)}; crooked(skr)

BODIES = {'empty': b'', 'text': b'hello', 'html': b'<html>sign in</html>', 'array': b'[]', 'null': b'null', 'no value': b'{}', 'cut': b'{"value":"a.b', 'two': b'{"value":"a.b.c"}{"value":"a.b.c"}', 'deep': b'[' * 50000 + b']' * 50000,
          'deep member': b'{"value":' * 5000 + b'1' + b'}' * 5000, 'utf-16': '{"value":"a.b.c"}'.encode('utf-16'), 'bad utf-8': b'{"value":"\xff\xfe"}', 'gzip': gzip.compress(b'{"value":"a.b.c"}'), 'zeros': bytes(5000)}
@pytest.mark.parametrize('where', ['akv', 'maa'])
@pytest.mark.parametrize('what', list(BODIES), ids=lambda s: s.replace(' ', '-'))
def test_garbled_answer(skr, cloud, where, what):
    cloud.on(where, Reply(200, BODIES[what]))
    d = assert_error(skr.release(), {502}); assert d['code'] == 'upstream_invalid' and d['retryable'] is False and d['stage'] == ('release' if where == 'akv' else 'attest'), d
    assert len(cloud.got(where)) == 1, 'an answer that parsed badly is not asked for again'

TOKENS = {'number': 5, 'null': None, 'empty': '', 'object': {}, 'list': ['a.b.c'], 'one part': 'abc', 'two parts': 'a.b', 'space': 'a.b.c d', 'quote': 'a.b.c"', 'crlf': 'a.b.c\r\nX-Evil: 1', 'nul': 'a.b.c\0d', 'unicode': 'a.b.\u00e9'}
@pytest.mark.parametrize('what', list(TOKENS), ids=lambda s: s.replace(' ', '-'))
def test_maa_token_form(skr, cloud, what):
    cloud.on('maa', Reply(200, {'token': TOKENS[what]}))
    for r in (skr.release(), skr.maa(b'{}')):
        d = assert_error(r, {502}); assert d['code'] == 'upstream_invalid' and d['stage'] == 'attest', d
    assert not cloud.got('akv')

@pytest.mark.parametrize('where', ['akv', 'maa'])
@pytest.mark.parametrize('how', ['length', 'chunked', 'header'])
def test_oversized_answer(skr, cloud, where, how):
    big = {'length': Reply(200, b'{"value":"', stream=300 << 20), 'chunked': Reply(200, b'{"value":"', stream=300 << 20, chunked=True), 'header': Reply(200, b'{}', headers={'X-%d' % i: 'A' * 60000 for i in range(60)})}[how]
    cloud.on(where, big); rss = skr.rss()
    d = assert_error(skr.release(), {502}); assert d['code'] in ('upstream_invalid', 'upstream_failed') and d['stage'] == ('release' if where == 'akv' else 'attest'), d
    assert skr.rss() - rss < 32 << 20, 'it was all read'

WIRE = {'garbage': b'\0\1\2\3 nothing\r\n\r\n', 'no version': b'hello there\r\n\r\n{}', 'status text': b'HTTP/1.1 abc Hm\r\n\r\n', 'status 999999': b'HTTP/1.1 999999 Hm\r\nContent-Length: 2\r\n\r\n{}', 'negative length': b'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}',
        'length text': b'HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}', 'two lengths': b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 50\r\n\r\n{}', 'bad chunk': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n',
        'chunk cut': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}', 'close': b'', 'gzip lie': b'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd', 'only 1xx': b'HTTP/1.1 100 Continue\r\n\r\n' * 3}
@pytest.mark.parametrize('where,what', [(w, f) for w in ('akv', 'maa', 'imds') for f in WIRE if w != 'imds' or f in ('garbage', 'negative length', 'chunk cut')], ids=lambda s: s.replace(' ', '-'))
def test_garbled_http(start, skr, cloud, where, what):
    if where == 'imds':
        s = start(config={'maaconfig': {'user_agent': 'x'}, 'timeouts': {'request': 12}})
    else: s = skr
    cloud.on(where, Reply(raw=WIRE[what])); t = time.time()
    d = assert_error(s.release(), {502}); assert d['code'] in ('upstream_failed', 'upstream_invalid') and d['stage'] == {'akv': 'release', 'maa': 'attest', 'imds': 'token'}[where], d
    assert time.time() - t < 20 and s.alive()

@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
@pytest.mark.parametrize('where', ['akv', 'maa'])
def test_redirect_is_not_followed(skr, cloud, where, status):
    cloud.on(where, Reply(status, b'', headers={'Location': 'https://evil.example.com/keys/key1/release'}))
    d = assert_error(skr.release(), {502}); assert d['code'] == 'upstream_invalid' and d['upstream_status'] == status, d
    assert not cloud.evil and len(cloud.got(where)) == 1

@pytest.mark.parametrize('to', ['https://acc-other.vault.azure.net/keys/key1/release?api-version=7.4', '/keys/key1/release?api-version=7.4', 'http://evil.example.com/'])
def test_redirect_elsewhere(skr, cloud, to):
    cloud.on('akv', Reply(307, b'', headers={'Location': to}), times=1); assert_error(skr.release(), {502}); assert len(cloud.got('akv')) == 1 and not cloud.evil

# ---------------------------------------------------------------- payload, wrapping, material
def member(path, value):
    def f(p):
        p = json.loads(json.dumps(p)); o = p
        for m in path[:-1]: o = o[m]
        if value is None: del o[path[-1]]
        else: o[path[-1]] = value
        return p
    return f
K = ('response', 'key', 'key')
PAYLOADS = {'empty': lambda p: {}, 'array': lambda p: [], 'text': lambda p: b'hello', 'cut': lambda p: json.dumps(p).encode()[:-3], 'trailing': lambda p: json.dumps(p).encode() + b'x', 'no response': member(('response',), None), 'response text': member(('response',), 'x'),
            'no key': member(K, None), 'key text': member(K, 'x'), 'no key_hsm': member(K + ('key_hsm',), None), 'key_hsm number': member(K + ('key_hsm',), 5), 'no request': member(('request',), None), 'no enc': member(('request', 'enc'), None), 'enc number': member(('request', 'enc'), 5),
            'enc unknown': member(('request', 'enc'), 'RSA_AES_KEY_WRAP_512'), 'enc lower case': member(('request', 'enc'), 'ckm_rsa_aes_key_wrap'), 'another key': member(K + ('kid',), 'https://%s/keys/key2/%s' % (AKV, 'a' * 32)), 'longer key': member(K + ('kid',), 'https://%s/keys/key11/%s' % (AKV, 'a' * 32)),
            'shorter key': member(K + ('kid',), 'https://%s/keys/key/%s' % (AKV, 'a' * 32)), 'no kid': member(K + ('kid',), None), 'kid number': member(K + ('kid',), 7), 'no kty': member(K + ('kty',), None), 'kty number': member(K + ('kty',), 3), 'kty unknown': member(K + ('kty',), 'DSA')}
@pytest.mark.parametrize('what', list(PAYLOADS), ids=lambda s: s.replace(' ', '-'))
def test_payload(skr, cloud, what):
    cloud.attack['payload'] = PAYLOADS[what]; crooked(skr)

def test_another_version_than_asked_for(skr, cloud):
    v = cloud.keys['key1'].version; other = ('0' if v[0] != '0' else '1') + v[1:]
    cloud.attack['payload'] = member(K + ('kid',), 'https://%s/keys/key1/%s' % (AKV, other)); crooked(skr, kid='key1/' + v)

WRAP = {'key_hsm text': dict(keyhsm='hello'), 'key_hsm array': dict(keyhsm='[]'), 'key_hsm empty': dict(keyhsm='{}'), 'ciphertext number': dict(keyhsm='{"ciphertext":5}'), 'ciphertext not base64': dict(keyhsm='{"ciphertext":"%%%"}'), 'key_hsm not base64': dict(keyhsm_b64='%%%'), 'key_hsm void': dict(keyhsm_b64=''),
        **{'ciphertext %d' % n: dict(ciphertext=lambda c, n=n: c[:n]) for n in (0, 1, 255, 256, 257, 263, 264, 271)}, 'ciphertext longer': dict(ciphertext=lambda c: c + bytes(8)), 'ciphertext odd': dict(ciphertext=lambda c: c + b'x'), 'ciphertext huge': dict(ciphertext=lambda c: c + bytes(200000)),
        'kek flipped': dict(ciphertext=lambda c: bytes([c[0], c[1] ^ 1]) + c[2:]), 'material flipped': dict(ciphertext=lambda c: c[:-1] + bytes([c[-1] ^ 1])), 'kek as number over n': dict(ciphertext=lambda c: b'\xff' * 256 + c[256:]),
        'oaep sha256 as sha1': dict(oaep=hashes.SHA256), 'oaep sha1 as 256': dict(oaep=hashes.SHA1, enc='RSA_AES_KEY_WRAP_256'), 'oaep 256 as 384': dict(oaep=hashes.SHA256, enc='RSA_AES_KEY_WRAP_384'), 'under another key': dict(wrap_pub=RSA2.public_key()), 'under RSA-3072': dict(wrap_pub=RSA3.public_key()),
        'under RSA-1024': dict(wrap_pub=RSA1.public_key()), 'kwp aiv': dict(kwp=lambda k, m: kwp_raw(k, bytes.fromhex('a6a6a6a6a6a6a6a6'), m)), 'kwp length over': dict(kwp=lambda k, m: kwp_raw(k, bytes.fromhex('a65959a6') + struct.pack('>I', len(m) + 1), m)),
        'kwp length short': dict(kwp=lambda k, m: kwp_raw(k, bytes.fromhex('a65959a6') + struct.pack('>I', len(m) - 8), m)), 'kwp length huge': dict(kwp=lambda k, m: kwp_raw(k, bytes.fromhex('a65959a6ffffffff'), m)), 'kwp padding': dict(kwp=lambda k, m: kwp_raw(k, bytes.fromhex('a65959a60000001f'), m[:31] + b'\1')),
        'kwp nothing': dict(kwp=lambda k, m: kwp_raw(k, bytes.fromhex('a65959a600000000'), bytes(8)))}
@pytest.mark.parametrize('what', list(WRAP), ids=lambda s: s.replace(' ', '-'))
def test_wrapping(skr, cloud, what):
    cloud.attack.update(WRAP[what]); crooked(skr)

@pytest.mark.parametrize('n', [0, 1, 15, 17, 31, 33, 64, 100])
def test_kek_of_a_wrong_size(skr, cloud, n):
    cloud.attack.update(kek=os.urandom(n), kwp=lambda k, m: os.urandom(len(m) + 8)); crooked(skr)

def bad_rsa(**over):
    """PKCS#1 numbers that do not belong together, in PKCS#8."""
    from amdpki import SEQ, INT, OID, OCT, NULL
    p = RSA2.private_numbers(); v = dict(n=p.public_numbers.n, e=p.public_numbers.e, d=p.d, p=p.p, q=p.q, dp=p.dmp1, dq=p.dmq1, qi=p.iqmp); v.update(over)
    return SEQ(INT(0), SEQ(OID('1.2.840.113549.1.1.1'), NULL), OCT(SEQ(INT(0), *[INT(v[x]) for x in ('n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi')])))
P = RSA2.private_numbers()
EC1 = ec.generate_private_key(ec.SECP256R1())
MATERIAL = {'rsa garbage': ('RSA', os.urandom(1200)), 'rsa empty sequence': ('RSA', b'\x30\x00'), 'rsa cut': ('RSA', PK8(RSA2)[:-1]), 'rsa trailing': ('RSA', PK8(RSA2) + b'\0'), 'rsa is oct': ('RSA', bytes(32)), 'rsa is ec': ('RSA', PK8(EC1)), 'ec is rsa': ('EC', PK8(RSA2)), 'ec garbage': ('EC', os.urandom(130)),
            'ec cut': ('EC', PK8(EC1)[:-1]), 'rsa d': ('RSA', bad_rsa(d=P.d ^ 2)), 'rsa n': ('RSA', bad_rsa(n=P.public_numbers.n + 2)), 'rsa p': ('RSA', bad_rsa(p=P.p + 2)), 'rsa q zero': ('RSA', bad_rsa(q=0)), 'rsa qi': ('RSA', bad_rsa(qi=P.iqmp + 1)), 'rsa dp': ('RSA', bad_rsa(dp=P.dmp1 + 2)), 'rsa e even': ('RSA', bad_rsa(e=65536)),
            'rsa negative': ('RSA', bad_rsa(d=-P.d)), 'ec d zero': ('EC', PK8(EC1).replace(EC1.private_numbers().private_value.to_bytes(32, 'big'), bytes(32))), 'ec d over n': ('EC', PK8(EC1).replace(EC1.private_numbers().private_value.to_bytes(32, 'big'), b'\xff' * 32)),
            'ec another d': ('EC', PK8(EC1).replace(EC1.private_numbers().private_value.to_bytes(32, 'big'), bytes(31) + b'\7')), 'oct empty': ('oct', b'')}
@pytest.mark.parametrize('what', list(MATERIAL), ids=lambda s: s.replace(' ', '-'))
def test_material(skr, cloud, what):
    kty, m = MATERIAL[what]; pub = Key.private(RSA2).pub if kty == 'RSA' else Key.private(EC1).pub if kty == 'EC' else {}
    cloud.keys['m'] = Key(kty, m or b'x', pub=pub)
    if not m: cloud.attack['kwp'] = lambda k, m: kwp_raw(k, bytes.fromhex('a65959a600000000'), bytes(8))
    crooked(skr, 'm')

@pytest.mark.parametrize('kind', ['rsa', 'ec'])
def test_public_part_of_another_key(skr, cloud, kind):
    k, o = (Key.private(RSA2), Key.private(rsa.generate_private_key(65537, 2048))) if kind == 'rsa' else (Key.private(EC1), Key.private(ec.generate_private_key(ec.SECP256R1())))
    k.pub = o.pub; cloud.keys['m'] = k; crooked(skr, 'm')

# ---------------------------------------------------------------- callers
KIDS = ['../secrets/x', 'key1/../../secrets/x', 'key1/..', '.', '..', '/', '/key1', 'key1/', 'key1//', 'key1?x=y', 'key1#x', 'key1%2f..', 'key1/release', 'key1 ', ' key1', 'key1\n', 'key1\r\nX: y', 'key1\0x', 'a' * 128, 'key_1', 'key.1', 'cl\u00e9', 'key1/zzz', 'key1/' + 'a' * 31, 'key1/' + 'a' * 33, 'key1/' + 'g' * 32,
        'key1/%s/x' % ('a' * 32), 'https://evil.example.com/keys/key1', 'https://acc-other.vault.azure.net/keys/key1', 'http://%s/keys/key1' % AKV, 'https://%s:444/keys/key1' % AKV, 'https://x@%s/keys/key1' % AKV, 'https://%s/secrets/key1' % AKV, 'https://%s/keys/' % AKV, 'https://%s/keys/../secrets/x' % AKV,
        'https://%s/keys/key1/%s/x' % (AKV, 'a' * 32), 'https://%s/keys/key1?x' % AKV, 'https://%s.evil.example.com/keys/key1' % AKV, 'ftp://%s/keys/key1' % AKV, 'https://', 'https:///keys/key1']
@pytest.mark.parametrize('kid', KIDS, ids=range(len(KIDS)))
def test_kid(skr, cloud, kid):
    d = assert_error(skr.release(kid), {400}); assert d['code'] in ('invalid_request', 'host_not_allowed') and d['stage'] == 'request' and d['retryable'] is False
    assert not cloud.journal and not cloud.evil

@keep
@pytest.mark.parametrize('kid', ['a', '0', 'Key-1-', '-', 'a' * 127], ids=range(5))
def test_honest_kid(skr, cloud, kid):
    cloud.keys[kid] = Key.oct(b'k' * 32); jwk(skr.release(kid))

DEEP = b'{"runtime_data":"eA==","maa_endpoint":"%s","x":' % MAA.encode() + b'[' * 100000 + b']' * 100000 + b'}'
BAD = {'deep': DEEP, 'bad utf-8': b'{"runtime_data":"\xff\xfe","maa_endpoint":"x","akv_endpoint":"y","kid":"z"}', 'utf-16': '{"runtime_data":"eA=="}'.encode('utf-16'), 'trailing': b'{"runtime_data":"eA==","maa_endpoint":"x"} x', 'two': b'{"runtime_data":"eA=="}{"runtime_data":"eA=="}', 'true': b'{"runtime_data":true,"kid":true}',
       'nul': b'{"runtime_data":"eA\\u0000","maa_endpoint":"x"}', 'zeros': bytes(1000), 'single quotes': b"{'runtime_data':'eA=='}", 'list member': b'{"runtime_data":["eA=="],"maa_endpoint":["x"]}', 'comment': b'{"runtime_data":"eA=="/*x*/}', 'lone surrogate': b'{"runtime_data":"\\ud800","maa_endpoint":"x"}'}
@pytest.mark.parametrize('path', ['/attest/raw', '/attest/combined', '/attest/maa', '/key/release'])
@pytest.mark.parametrize('what', list(BAD), ids=lambda s: s.replace(' ', '-'))
def test_bad_request(skr, cloud, path, what):
    d = assert_error(skr.post(path, BAD[what]), {400}); assert d['code'] == 'invalid_request' and d['stage'] == 'request', d
    assert not cloud.journal and skr.alive()

@keep
@pytest.mark.parametrize('v', ['18446744073709551616', '-0.0', '[[[]]]', '"\\u00e9"'])
def test_unknown_members_of_any_value(skr, v):
    assert_ok(skr.post('/attest/raw', '{"runtime_data":"eA==","x":%s}' % v))

@keep
@pytest.mark.parametrize('data', [b'18446744073709551616', b'"x"', b'1e999', b'null', b'[]', b'{"a":"\\u0000"}', b' {"a" : 1}\n', b'{"n":12345678901234567890123}'])
def test_any_json_is_runtime_data(skr, cloud, data):
    assert_ok(skr.maa(data)); assert cloud.got('maa')[-1].extra['runtime'] == data

def test_body_limit(skr):
    r = skr.post('/attest/raw', b'{"x":1}'.ljust(1 << 20)); assert assert_error(r, {400})['code'] == 'invalid_request'
    r = skr.post('/attest/raw', b'{"runtime_data":"eA=="}'.ljust(1 << 20)); assert_ok(r)

@pytest.mark.parametrize('chunked', [False, True], ids=['length', 'chunked'])
def test_body_over_the_limit(skr, chunked):
    n = (1 << 20) + 1; got = b''
    body = b'400\r\n' + b'A' * 1024 + b'\r\n'
    with socket.create_connection(('127.0.0.1', skr.port), 5) as c, contextlib.suppress(ConnectionError):
        c.settimeout(10); c.sendall(b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' + (b'Transfer-Encoding: chunked\r\n\r\n' if chunked else b'Content-Length: %d\r\n\r\n' % n))
        with contextlib.suppress(ConnectionError): c.sendall(body * 1100 + b'0\r\n\r\n' if chunked else b'A' * n)
        while b := c.recv(65536): got += b
    head, _, doc = got.partition(b'\r\n\r\n'); assert head.startswith(b'HTTP/1.1 413 '), got[:200]
    d = json.loads(doc); assert d['code'] == 'request_too_large' and d['stage'] == 'request' and isinstance(d['error'], str) and d['retryable'] is False

def test_unknown_path_and_method(skr):
    for m, p, st, code in (('GET', '/nothing', 404, 'not_found'), ('POST', '/', 404, 'not_found'), ('GET', '/attest/raw/', 404, 'not_found'), ('POST', '/Attest/raw', 404, 'not_found'), ('POST', '//attest/raw', 404, 'not_found'), ('GET', '/attest/raw', 405, 'method_not_allowed'),
                           ('PUT', '/key/release', 405, 'method_not_allowed'), ('DELETE', '/status', 405, 'method_not_allowed'), ('POST', '/metrics', 405, 'method_not_allowed'), ('PATCH', '/livez', 405, 'method_not_allowed')):
        d = assert_error(skr.req(m, p, b'{}' if m != 'GET' else None), {st}); assert d['code'] == code and d['stage'] == 'request' and d['retryable'] is False, (m, p, d)
    assert skr.get('/status?x=y').status == 200

HTTP = {'garbage': b'\x16\x03\x01\x02\x00hello\r\n\r\n', 'h2': b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'no version': b'GET /status\r\n\r\n', 'nul': b'GET /sta\0tus HTTP/1.1\r\nHost: x\r\n\r\n', 'long line': b'GET /' + b'a' * 200000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', 'long header': b'GET /status HTTP/1.1\r\nHost: x\r\nX: ' + b'a' * 500000 + b'\r\n\r\n',
        'many headers': b'GET /status HTTP/1.1\r\nHost: x\r\n' + b'X: y\r\n' * 50000 + b'\r\n', 'length text': b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n', 'length negative': b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
        'length huge': b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n', 'two lengths': b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\n{}', 'length and chunks': b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        'bad chunk': b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 'chunk huge': b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n', 'no host': b'GET /nothing HTTP/1.1\r\n\r\n', 'version 9': b'GET /nothing HTTP/9.9\r\nHost: x\r\n\r\n'}
@pytest.mark.parametrize('what', list(HTTP), ids=lambda s: s.replace(' ', '-'))
def test_malformed_http(skr, what):
    """Whatever it says, it is no success, and the next caller is served."""
    got = b''
    with contextlib.suppress(ConnectionError), socket.create_connection(('127.0.0.1', skr.port), 5) as c:
        c.settimeout(3)
        with contextlib.suppress(ConnectionError, socket.timeout): c.sendall(HTTP[what])
        with contextlib.suppress(socket.timeout): got = c.recv(65536)
    assert not got or re.match(rb'HTTP/1\.[01] [45]\d\d ', got), got[:200]
    assert skr.get('/status').status == 200 and skr.alive()

@keep
def test_honest_but_unusual_http(skr):
    b = b'{"runtime_data":"eA=="}'
    for q in (b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n' + b[:5] + b'\r\n%x;ext=1\r\n' % len(b[5:]) + b[5:] + b'\r\n0\r\n\r\n', b'POST /attest/raw HTTP/1.0\r\nContent-Length: %d\r\n\r\n' % len(b) + b, b'POST /attest/raw HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n' % len(b) + b,
              b'GET /status HTTP/1.1\r\nHost: x\r\n\r\nPOST /attest/raw HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' % len(b) + b, b'POST http://localhost/attest/raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n' % len(b) + b):
        with socket.create_connection(('127.0.0.1', skr.port), 5) as c:
            c.settimeout(10); c.sendall(q); got = b''
            while b'"report"' not in got:
                x = c.recv(65536); assert x, got[:300]
                got += x
