"""design.md §4: thousands of requests leave memory and descriptors where they were; errors too."""
import http.client, json, threading, time
import pytest
from harness import *
from fakecloud import Key, Reply, policy
improve = pytest.mark.improve
pytestmark = [improve('descriptors and memory grow with failures'), pytest.mark.area('load')]
UA = {'maaconfig': {'user_agent': 'x'}}

def many(s, n, path, body, threads=8, want=200):
    """n requests over kept connections."""
    body = json.dumps(body).encode() if isinstance(body, dict) else body; bad = []
    def run(i):
        c = http.client.HTTPConnection('127.0.0.1', s.port, timeout=60)
        for _ in range(n // threads):
            c.request('POST' if body is not None else 'GET', path, body); r = c.getresponse(); r.read()
            if r.status != want: bad.append(r.status)
        c.close()
    out = parallel(threads, run); assert not bad and not [x for x in out if x], (bad[:5], out)
def flat(s, fn, rounds=3, grow=3 << 20):
    """The first round warms up; the rest must add nothing to speak of."""
    fn(); time.sleep(0.3); rss, fds = s.rss(), s.fds()
    for _ in range(rounds): fn()
    time.sleep(0.5); assert s.alive() and s.rss() - rss < grow and s.fds() - fds <= 6, 'RSS %+d KiB, descriptors %+d' % ((s.rss() - rss) // 1024, s.fds() - fds)

def test_reports(start, cloud):
    s = start(config=UA, loglevel='warning'); flat(s, lambda: many(s, 640, '/attest/raw', {'runtime_data': b64('x')})); flat(s, lambda: many(s, 400, '/attest/combined', {'runtime_data': b64('x' * 5000)}))

def test_bad_requests(start, cloud):
    s = start(config=UA, loglevel='warning'); flat(s, lambda: (many(s, 800, '/attest/raw', b'{', want=400), many(s, 400, '/key/release', {'maa_endpoint': 'evil.example.com', 'akv_endpoint': AKV, 'kid': 'x'}, want=400), many(s, 400, '/nothing', None, want=404)))

def test_large_bodies(start, cloud):
    s = start(config=UA, loglevel='warning'); b = {'runtime_data': b64(b'A' * 700000)}; flat(s, lambda: many(s, 48, '/attest/raw', b, threads=4), grow=8 << 20)

def test_releases(start, cloud):
    cloud.keys['no'] = Key.oct(b'k' * 32, policy=policy([{'claim': 'x-ms-sevsnpvm-vmpl', 'equals': '9'}])); s = start(config=UA, loglevel='warning'); R = lambda k: {'maa_endpoint': MAA, 'akv_endpoint': AKV, 'kid': k}
    flat(s, lambda: many(s, 30, '/key/release', R('key1'), threads=6), rounds=2, grow=4 << 20); flat(s, lambda: many(s, 18, '/key/release', R('no'), threads=6, want=403), rounds=2, grow=4 << 20); assert len(cloud.got('imds')) == 1

def test_failing_services(start, cloud):
    s = start(config=UA, loglevel='warning'); M = {'maa_endpoint': MAA, 'runtime_data': b64('{}')}
    for rep, want in ((Reply(reset='before'), 502), (Reply(200, b'{"token":"', truncate=3), 502), (Reply(400, b'x' * 20000), 403)):
        cloud.reset(); cloud.on('maa', rep); flat(s, lambda: many(s, 16, '/attest/maa', M, threads=8, want=want), rounds=2, grow=4 << 20)

def test_connections_that_come_and_go(start, cloud):
    s = start(config=UA, loglevel='warning')
    def f():
        for i in range(1500):
            c = socket.create_connection(('127.0.0.1', s.port), 10)
            if i % 3: c.sendall(b'GET /status HTTP/1.1\r\nHost: x\r\n' + (b'\r\n' if i % 3 == 1 else b''))
            c.close()
        end = time.time() + 8   # whoever left in the middle of a request is noticed within seconds
        while time.time() < end and s.fds() > n + 6: time.sleep(0.1)
    n = s.fds(); flat(s, f); assert s.get('/status').status == 200

def test_rss_is_small(start, cloud):
    s = start(config=UA, loglevel='warning'); jwk(s.release()); assert s.rss() < 40 << 20, s.rss()

def test_throughput_beside_slow_releases(start, cloud):
    """200 releases wait on a slow service; reports are served meanwhile."""
    s = start(config=UA, loglevel='warning'); cloud.on('maa', lambda r, d: (time.sleep(1.5), d())[1]); out = []; th = threading.Thread(target=lambda: out.extend(parallel(100, lambda i: s.release()))); th.start(); time.sleep(0.5)
    t = time.time(); many(s, 200, '/attest/raw', {'runtime_data': 'eA=='}, threads=2); took = time.time() - t; th.join(); assert took < 60
    for r in out: jwk(r)
