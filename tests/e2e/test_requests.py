"""Bad requests: one clear error each, nothing asked of any service, and the next caller is served."""
import json
import re
import socket

import pytest

from conftest import b64, call, failed

PATHS = ["/attest/raw", "/attest/combined", "/attest/maa", "/key/release"]
BAD = {
    "empty": b"", "text": b"hello", "truncated": b'{"runtime_data":"eA=="', "array": b"[1]", "string": b'"x"', "null": b"null", "no members": b"{}",
    "numbers": b'{"runtime_data":5,"maa_endpoint":5,"akv_endpoint":6,"kid":7}', "objects": b'{"runtime_data":{},"maa_endpoint":{},"akv_endpoint":{},"kid":{}}',
    "nulls": b'{"runtime_data":null,"maa_endpoint":null,"akv_endpoint":null,"kid":null}', "empty strings": b'{"runtime_data":"","maa_endpoint":"","akv_endpoint":"","kid":""}',
    "not utf-8": b'{"runtime_data":"\xff\xfe"}', "a member twice": b'{"runtime_data":"eA==","runtime_data":"eQ=="}', "too deep": b'{"runtime_data":' + b"[" * 100 + b"]" * 100 + b"}",
    "a NUL": b'{"runtime_data":"eA==\\u0000"}', "bytes behind": b'{"runtime_data":"eA=="} x', "65 thousand brackets": b"[" * 65000,
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("bad", BAD)
def test_a_malformed_request(cloud, skr, path, bad):
    d = failed(skr.post(path, BAD[bad]), 400, "invalid_request", "request", retryable=False)
    assert "invalid request format" in d["error"] or "base64" in d["error"]
    assert not cloud.journal("maa") and not cloud.journal("akv") and not cloud.journal("imds")


@pytest.mark.parametrize("missing", ["maa_endpoint", "akv_endpoint", "kid"])
def test_a_missing_member_is_named(cloud, skr, missing):
    body = {"maa_endpoint": cloud.maa, "akv_endpoint": cloud.akv, "kid": "key1"}
    del body[missing]
    assert missing in failed(skr.post("/key/release", body), 400, "invalid_request")["error"]


@pytest.mark.parametrize("path", PATHS[:3])
@pytest.mark.parametrize("text", ["%%%%", "a", "eA==eA==", "e A=x", "\u00e9", "eA=", "====", "eA==="])
def test_text_that_is_no_base64(cloud, skr, path, text):
    d = failed(skr.post(path, {"runtime_data": text, "maa_endpoint": cloud.maa}), 400, "invalid_request", "request")
    assert "decoding base64-encoded runtime data of request failed" in d["error"]


@pytest.mark.parametrize("data", [b"not json", b"\xff\xfe\x00", b'{"a":', b'{"a":1} x', b"", b"{'a':1}", b"NaN"])
def test_runtime_data_for_the_attestation_service_must_be_json(cloud, skr, data):
    failed(skr.attest(data), 400, "invalid_request", "request")
    assert not cloud.journal("maa")


@pytest.mark.parametrize("data", [b'"text"', b"5", b"null", b"[1e999]", b"[18446744073709551616]", b'{"a":"\\u0000"}', b" { } "])
def test_every_kind_of_json_is_json(cloud, skr, data):
    r = skr.attest(data)
    assert r.status == 200 or r.json["stage"] == "attest", r  # what is JSON is the service's to judge


def test_paths_and_methods_nobody_knows(skr):
    for path in ("/", "/nothing", "/attest", "/attest/raw/", "/status/", "//status", "/attest/raw%2f", "/%73tatus", "/status/../key/release", "/key/release?x=1/../.."):
        d = failed(skr.get(path), 405 if path.startswith("/key/release?") else 404, stage="request")
        assert d["code"] in ("not_found", "method_not_allowed")
    for method, path in (("GET", "/attest/raw"), ("PUT", "/key/release"), ("DELETE", "/status"), ("POST", "/metrics"), ("PATCH", "/livez"), ("OPTIONS", "/status")):
        r = call("127.0.0.1", skr.port, method, path, b"{}" if method != "GET" else None)
        failed(r, 405, "method_not_allowed", "request")
        assert r.headers["allow"] in ("GET", "POST")
    r = call("127.0.0.1", skr.port, "HEAD", "/status")
    assert r.status == 405 and r.body == b""


def test_a_body_beyond_a_mebibyte(skr):
    failed(skr.post("/attest/raw", {"runtime_data": b64(b"A" * 900000)}), 413, "request_too_large", "request")
    assert skr.post("/attest/raw", {"runtime_data": b64(b"A" * 700000)}).status == 200


def raw_exchange(port, data, timeout=10):
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(data)
        got = b""
        try:
            while chunk := s.recv(65536):
                got += chunk
        except OSError:
            pass
        return got


BODY = b'{"runtime_data":"eA=="}'


@pytest.mark.parametrize("head", [
    b"Content-Length: 23\r\nContent-Length: 23\r\n", b"Content-Length: 23\r\nContent-Length: 5\r\n", b"Content-Length: 23\r\nTransfer-Encoding: chunked\r\n",
    b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length: 0x17\r\n", b"Transfer-Encoding: gzip, chunked\r\n"])
def test_a_body_of_doubtful_length_is_not_read_on(skr, head):
    got = raw_exchange(skr.port, b"POST /attest/raw HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n" + BODY + b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" not in got and (not got or got.startswith(b"HTTP/1.1 4")), got[:300]
    # One answer: what the library refuses by itself has its header twice (libmicrohttpd 0.9.75), the second time as body.
    assert len(set(re.findall(rb"HTTP/1.1 (\d+)", got))) <= 1
    assert skr.get("/status").status == 200


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET /status\r\n\r\n", b"\r\n\r\n\r\n", b"\0" * 100, b"GET /status HTTP/9.9\r\n\r\n",
                                  b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET /status HTTP/1.1\r\nX: " + b"y" * 100000 + b"\r\n\r\n",
                                  b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"POST /attest/raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"])
def test_what_is_no_http_harms_nobody(skr, junk):
    try:
        with socket.create_connection(("127.0.0.1", skr.port), 5) as s:
            s.settimeout(2)
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
    except OSError:
        pass
    assert skr.get("/status").status == 200


def test_any_content_type_is_fine(skr):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        r = skr.post("/attest/raw", BODY, headers={"Content-Type": kind} if kind else {})
        assert r.status == 200, r


def test_member_names_in_any_case(skr):
    assert skr.post("/attest/raw", json.dumps({"Runtime_DATA": "eA=="})).status == 200
