#!/usr/bin/python3
"""Servers on loopback that behave and misbehave as the path of a request asks, for test_client_curl*.

Started with a directory for certificates; prints "name port" lines, then "ready". Ends with its
standard input. Requests are read by hand, so that every byte of an answer can be wrong.
"""
import asyncio
import datetime
import ipaddress
import os
import socket
import ssl
import struct
import sys
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Authority:
    def __init__(self, common_name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name(common_name)
        self.cert = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 30 * DAY)
            .not_valid_after(NOW + 30 * DAY)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def context(self, directory, label, alt_names, days=30):
        """A TLS server context with a fresh certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert = (
            x509.CertificateBuilder()
            .subject_name(name(label))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 20 * DAY)
            .not_valid_after(NOW + days * DAY)
            .add_extension(x509.SubjectAlternativeName(alt_names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = f"{directory}/{label}.pem"
        with open(path, "wb") as out:
            out.write(pem(key) + cert.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


class Connection:
    """One accepted connection: reads requests, writes bytes."""

    n_accepted = 0

    def __init__(self, reader, writer):
        Connection.n_accepted += 1
        self.number = Connection.n_accepted
        self.reader, self.writer = reader, writer
        self.close_at_next_request = False

    async def request(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return head, await self.reader.readexactly(length)

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body, status="200 OK", headers=""):
        if isinstance(body, str):
            body = body.encode()
        await self.send(
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
        )

    def reset(self):
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Judge:
    def __init__(self):
        self.waiting = {}
        self.journal = []

    async def serve(self, reader, writer):
        c = Connection(reader, writer)
        try:
            while True:
                head, body = await c.request()
                if c.close_at_next_request:
                    return
                target = head.split(b" ")[1].decode()
                path = urllib.parse.unquote(target.split("?")[0]).split("/", 2)
                handler = getattr(self, "do_" + path[1].replace("-", "_"))
                if await handler(c, path[2] if len(path) > 2 else "", head, body) is False:
                    return
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    # well-behaved

    async def do_echo(self, c, arg, head, body):
        await c.answer(head + body)

    async def do_status(self, c, arg, head, body):
        await c.answer("" if arg in ("204", "304") else f"status {arg}", f"{arg} Whatever")

    async def do_retry_after(self, c, arg, head, body):
        await c.answer("", "503 Busy", f"rEtry-After: \t{arg} \r\n")

    async def do_continue(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 7\r\n\r\n")
        await c.answer("at last")

    async def do_gzip(self, c, arg, head, body):
        await c.answer(b"\x1f\x8b\x08 not decoded", headers="Content-Encoding: gzip\r\n")

    async def do_redirect(self, c, arg, head, body):
        await c.answer("moved", "307 Temporary Redirect", "Location: /echo\r\n")

    async def do_size(self, c, arg, head, body):
        await c.answer(b"x" * int(arg))

    async def do_chunked(self, c, arg, head, body):
        n = int(arg)
        await c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while n > 0:
            part = min(n, 1000)
            await c.send(b"%x\r\n" % part + b"y" * part + b"\r\n")
            n -= part
        await c.send(b"0\r\n\r\n")

    async def do_until_close(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"z" * int(arg))
        return False

    async def do_connection(self, c, arg, head, body):
        await c.answer(str(c.number))

    async def do_accepted(self, c, arg, head, body):
        await c.answer(str(Connection.n_accepted))

    async def do_meet(self, c, arg, head, body):
        """Answers nobody until so many requests wait here."""
        event, others = self.waiting.setdefault(arg, (asyncio.Event(), []))
        others.append(c)
        if len(others) == int(arg):
            event.set()
        await event.wait()
        await c.answer("met")

    async def do_journal(self, c, arg, head, body):
        await c.answer("\n".join(self.journal))
        self.journal.clear()

    # faults

    async def do_silent(self, c, arg, head, body):
        await c.reader.read()

    async def do_drip(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            await c.send(b".")
            await asyncio.sleep(0.02)

    async def do_short(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")
        return False

    async def do_short_chunk(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nten bytes.")
        return False

    async def do_no_last_chunk(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nten\r\n")
        return False

    async def do_bad_chunk(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nten\r\n")
        return False

    async def do_headers_only(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\nContent-")
        return False

    async def do_nothing(self, c, arg, head, body):
        return False

    async def do_reset(self, c, arg, head, body):
        c.reset()
        return False

    async def do_reset_in_body(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")
        await asyncio.sleep(0.05)
        c.reset()
        return False

    async def do_announce(self, c, arg, head, body):
        await c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % int(arg))
        await c.reader.read()

    async def do_raw(self, c, arg, head, body):
        await c.send(arg.encode("latin-1"))
        return False

    async def do_many_headers(self, c, arg, head, body):
        await c.answer("ok", headers="".join(f"x-{i:05}: {'v' * 90}\r\n" for i in range(int(arg))))

    async def do_long_header(self, c, arg, head, body):
        await c.answer("ok", headers=f"x-long: {'v' * int(arg)}\r\n")

    async def do_long_status(self, c, arg, head, body):
        await c.answer("ok", "200 " + "v" * int(arg))

    async def do_endless_interim(self, c, arg, head, body):
        while True:
            await c.send(b"HTTP/1.1 103 Early Hints\r\nx-a: " + b"b" * 100 + b"\r\n\r\n")

    async def do_then_close(self, c, arg, head, body):
        """Closes when it gets the next request on this connection, instead of answering it."""
        c.close_at_next_request = True
        await c.answer(str(c.number))

    async def do_then_close_soon(self, c, arg, head, body):
        await c.answer(str(c.number))
        await asyncio.sleep(0.02)
        return False


class Proxy:
    """Records what it is asked for and leads every CONNECT to one port."""

    def __init__(self, journal, port):
        self.journal, self.port = journal, port

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.journal.append(head.replace("\r\n", "|"))
        if "denied" in head.split("\r\n")[0]:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\nRetry-After: 9\r\n\r\n")
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.port)

        async def pump(source, sink):
            try:
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            except ConnectionError:
                pass
            sink.close()

        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))


async def hang_up_on_hello(reader, writer):
    await reader.read(100)
    writer.close()


async def answer_hello_in_plain_text(reader, writer):
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def reset_on_hello(reader, writer):
    await reader.read(100)
    Connection(reader, writer).reset()


def shake_hands(listener, context):
    """A server that blocks: unlike asyncio's it sends the alert when it refuses a handshake."""
    while True:
        sock, _ = listener.accept()
        try:
            context.wrap_socket(sock, server_side=True).close()
        except (ssl.SSLError, OSError):
            sock.close()


async def main(directory):
    local = [
        x509.DNSName("localhost"),
        x509.DNSName("vault.example"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    trusted, stranger = Authority("judge CA"), Authority("somebody else's CA")
    with open(f"{directory}/ca.pem", "wb") as out:
        out.write(trusted.cert.public_bytes(serialization.Encoding.PEM))
    old = trusted.context(directory, "old", local)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    judge = Judge()
    ports, servers = {}, []

    async def listen(label, handler, context=None):
        server = await asyncio.start_server(
            handler, "127.0.0.1", 0, ssl=context, backlog=1024, limit=1 << 20
        )
        servers.append(server)
        ports[label] = server.sockets[0].getsockname()[1]

    await listen("plain", judge.serve)
    await listen("tls", judge.serve, trusted.context(directory, "good", local))
    await listen("untrusted", judge.serve, stranger.context(directory, "untrusted", local))
    await listen("expired", judge.serve, trusted.context(directory, "expired", local, days=-2))
    other = [x509.DNSName("other.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    await listen("other_host", judge.serve, trusted.context(directory, "other", other))
    old_listener = socket.create_server(("127.0.0.1", 0))
    ports["old_tls"] = old_listener.getsockname()[1]
    threading.Thread(target=shake_hands, args=(old_listener, old), daemon=True).start()
    await listen("not_tls", answer_hello_in_plain_text)
    await listen("tls_eof", hang_up_on_hello)
    await listen("tls_reset", reset_on_hello)
    await listen("proxy", Proxy(judge.journal, ports["tls"]).serve)

    # a port where nobody listens, and one whose queue of connections is full
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    ports["refused"] = closed.getsockname()[1]
    stuck = socket.socket()
    stuck.bind(("127.0.0.1", 0))
    stuck.listen(0)
    ports["stuck"] = stuck.getsockname()[1]
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(stuck.getsockname())
        fillers.append(filler)

    for label, port in ports.items():
        print(label, port)
    print("ready 0", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # whatever is under way


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
