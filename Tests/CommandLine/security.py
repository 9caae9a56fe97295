"""Who may see the page, and what is shown nowhere."""

import base64
import contextlib
import json
import os
import re
import socket
import tempfile
import urllib.request

from command import process, run, serve
from framework import TIMEOUT, equal, expect, test
from peers import client, close_frame, frame, peer


def status(port, path, *fields, host=None, upgrade=False, version="HTTP/1.1"):
    """The status of an answer."""
    lines = [f"GET {path} {version}", f"Host: {host or f'localhost:{port}'}", *fields]
    if upgrade:
        lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as peer:
        peer.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(peer.makefile("rb").readline().split()[1])


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT) as answer:
        return answer.read().decode()


@contextlib.contextmanager
def pages(*arguments):
    """The ports of a server's page, and of a proxy's."""
    with serve(*arguments) as (_, url, port):
        own = [argument for argument in arguments if argument not in ("--allow-origin", "any", "https://app.example")]
        with process("proxy", "--listen", "0", "--to", url, "--page", "0", "--quiet", *own) as relay:
            relay.line()
            page = int(re.search(r":(\d+)/lifeline", relay.line())[1])
            yield port, page


@test
def page_is_for_its_own_origin():
    for allowed in ([], ["--allow-origin", "any"], ["--allow-origin", "https://app.example"]):
        with pages(*allowed, "--show-payloads") as ports:
            for port in ports:
                def opened(*fields, **options):
                    return status(port, "/lifeline/socket", *fields, upgrade=True, **options)

                equal(opened(f"Origin: http://localhost:{port}"), 101, allowed)
                for origin in ("https://evil.example", "https://app.example", "null", f"http://localhost:{port + 1}",
                               f"http://localhost:{port}.evil.example", "file://"):
                    equal(opened("Origin: " + origin), 403, allowed, origin)
                equal(opened(), 403, "a browser says whose page it is")
                equal(opened(f"Origin: http://evil.example:{port}", host=f"evil.example:{port}"), 403, "DNS rebinding")


@test
def page_is_not_for_who_comes_through_a_proxy():
    with pages() as ports:
        for port in ports:
            origin = f"Origin: http://localhost:{port}"
            for field in ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Host: a.example", "X-FORWARDED-PROTO: https",
                          "Forwarded: for=203.0.113.9", "Via: 1.1 nginx", "X-Real-IP: 203.0.113.9",
                          "CF-Connecting-IP: 203.0.113.9", "True-Client-IP: 203.0.113.9", "X-Azure-ClientIP: 203.0.113.9",
                          "X-Scheme: https", "CDN-Loop: cloudflare", "Max-Forwards: 9", "X-Request-ID: 1",
                          "X-Amz-Cf-Id: 1", "Tailscale-User-Login: a"):
                for path in ("/lifeline", "/lifeline/app.js", "/lifeline/export?connection=1&format=jsonl"):
                    equal(status(port, path, field), 403, path, field)
                equal(status(port, "/lifeline/socket", field, origin, upgrade=True), 403, field)
            equal(status(port, "/lifeline", version="HTTP/1.0"), 403, "what nginx speaks by default")
            for host in ("evil.example", f"127.0.0.1.evil.example:{port}", "[::1].evil.example", "", "localhost:1.evil"):
                equal(status(port, "/lifeline", host=host or "x"), 403, host)
            for host in (f"127.0.0.1:{port}", "LOCALHOST", "[::1]", "127.1.2.3"):
                equal(status(port, "/lifeline", host=host), 200, host)


@test
def page_token_is_asked_for_and_never_shown():
    with tempfile.TemporaryDirectory() as folder:
        record = os.path.join(folder, "served.jsonl")
        with serve("--page-token", "s3cret&x", "--record", record) as (server, _, port):
            for query in ("", "?token=", "?token=s3cre", "?token=s3cretx", "?token=other&x=s3"):
                equal(status(port, "/lifeline" + query), 403, query)
            equal(status(port, "/lifeline?token=s3cret%26x", "X-Forwarded-For: 203.0.113.9", host="a.example"), 200)
            equal(status(port, "/lifeline/app.js?token=s3cret%26x", f"Referer: http://h/lifeline?token=s3cret%26x"), 200)
            server.wait_for_error("/lifeline/app.js")
            server.signal(15)
            equal(server.end(), 0)
            expect(b"s3cre" not in server.errors, server.errors)
        expect("s3cre" not in open(record).read())
    for arguments in (("serve",), ("proxy", "--listen", "0", "--to", "ws://127.0.0.1:1")):
        for token in ("", " "):
            result = run(*arguments, "--page-token", token)
            expect(result.returncode == 64 and b"empty token" in result.stderr, result.stderr)


@test
def secrets_are_in_no_message_of_the_command():
    for url in ("ws://user:S3CRET@127.0.0.1:1/", "ws://127.0.0.1:99999/?token=S3CRET", "http:S3CRET@x", "ws://S3CRET@[::1"):
        for command in (("connect",), ("trace",), ("proxy", "--listen", "0", "--to")):
            result = run(*command, url)
            equal(result.returncode, 64)
            expect(b"S3CRET" not in result.stderr + result.stdout, result.stderr)
    with serve() as (server, url, _):
        result = run("connect", "--json", "--wait", "0.1", url + "/echo?t%6Fken=S3CRET&room=1")
        opened = json.loads(result.stdout.splitlines()[0])
        expect("[redacted]" in opened["url"] and "room=1" in opened["url"], opened)
        server.wait_for_error("closed")
        expect(b"S3CRET" not in server.errors and b"room=1" in server.errors, server.errors)
        with process("proxy", "--listen", "0", "--to", url, "--no-page") as relay:
            relayed = "ws://" + relay.line().rsplit("ws://", 1)[1]
            run("connect", "--wait", "0.1", relayed + "/echo?sig=S3CRET")
            relay.wait_for_error("closed")
            relay.signal(2)
            equal(relay.end(), 0)
            expect(b"S3CRET" not in relay.errors + relay.process.stdout.read(), relay.errors)
        result = run("trace", "--wait", "0.1", url + "/echo?access_token=S3CRET", input="hello\n")
        expect(b"S3CRET" not in result.stdout and b"[redacted]" in result.stdout, result.stdout)


def refusing(head, body=b""):
    """A server that refuses the opening handshake, or answers it wrongly."""

    def converse(stream, notes):
        if head:
            stream.read_head()
            stream.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        else:
            stream.accept("Sec-WebSocket-Protocol: bearer.S3CRET\r\n")

    return peer(converse)


@test
def secrets_of_an_answer_are_in_no_output():
    refused = "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: session=S3CRET\r\nX-Auth-Token: S3CRET\r\n"
    moved = "HTTP/1.1 302 Found\r\nLocation: https://user:S3CRET@h/?token=S3CRET\r\n"
    body = b'see https://h/?token=S3CRET\n{"token":"S3CRET","room":1}\n'
    with tempfile.TemporaryDirectory() as folder:
        record = os.path.join(folder, "r.jsonl")
        for answer in (refused, moved, None):
            for command in (("connect",), ("connect", "--json"), ("trace", "--record", record, "--record-payloads", "whole"),
                            ("bench", "--connections", "1", "--warmup", "0", "--duration", "100ms")):
                with refusing(answer, body) as (url, _):
                    result = run(*command, url)
                expect(result.returncode not in (0, 64), command, result)
                expect(b"S3CRET" not in result.stderr + result.stdout, command, result)
                if command[0] == "connect" and answer:
                    expect(b"[redacted]" in result.stderr, command, result)
        expect("S3CRET" not in open(record).read())


@test
def secrets_of_a_close_frame_are_in_no_output():
    reason = '{"password":"S3CRET"} token=S3CRET'

    def converse(stream, notes):
        stream.accept()
        stream.write(close_frame(4000, reason.replace("password", "token")))
        stream.read()

    for command in (("connect",), ("connect", "--json"), ("trace",)):
        with peer(converse) as (url, _):
            result = run(*command, url)
        expect(b"S3CRET" not in result.stderr + result.stdout and b"4000" in result.stderr + result.stdout, command, result)
    with serve("--redact", "password") as (server, _, port):
        stream = client(port)
        stream.write(close_frame(4000, reason, masked=True))
        stream.read()
        server.wait_for_error("closed 4000")
        expect(b"S3CRET" not in server.errors, server.errors)


def masked(opcode, payload, final=True):
    first = frame(opcode, payload, masked=True)
    return first if final else bytes([first[0] & 0x7F]) + first[1:]


@test
def redacted_members_are_recorded_nowhere():
    with tempfile.TemporaryDirectory() as folder, serve("--no-page") as (_, url, _):
        record = os.path.join(folder, "proxied.jsonl")
        with process("proxy", "--listen", "0", "--to", url, "--record", record, "--record-payloads", "whole", "--redact",
                     "password", "--page", "0", "--show-payloads") as relay:
            port = int(relay.line().rsplit(":", 1)[1])
            page = int(re.search(r":(\d+)/lifeline", relay.line())[1])
            secret = b'{"user":"u","pass\\u0077ord":"S3CRET","a":1}'
            with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as peer:
                peer.sendall(b"GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
                messages = [masked(1, secret), masked(2, secret), masked(2, b"\xa1\x68passwordfS3CRET")]
                for split in range(1, len(secret), 3):
                    messages.append(masked(1, secret[:split], final=False) + masked(0, secret[split:]))
                peer.sendall(b"".join(messages) + close_frame(1000, "token=S3CRET", masked=True))
                while peer.recv(65536):
                    pass
            relay.wait_for_error("closed 1000")
            shown = get(page, "/lifeline/export?connection=1&format=jsonl")
            relay.signal(2)
            equal(relay.end(), 0)
            drawn = relay.process.stdout.read().decode()
        recorded = open(record).read()
        for text in (recorded, shown, drawn, relay.errors.decode()):
            expect("S3CRET" not in text, re.findall(r".*S3CRET.*", text)[:2])
            expect(base64.b64encode(b"S3CRET").decode()[:6] not in text)
        for line in recorded.splitlines()[1:]:
            expect(b"S3CRET" not in base64.b64decode(json.loads(line).get("base64", "")))
        expect(recorded.count("[redacted]") > 20, "the messages themselves are there")
        # An archive of it, and one of another program's.
        equal(run("draw", "--format", "har", record).returncode, 0)
        other = os.path.join(folder, "other.jsonl")
        with open(other, "w") as file:
            file.write('{"lifelineRecording":1}\n' + json.dumps(
                {"t": 0, "c": 1, "by": "client", "event": "request", "direction": "sent", "method": "GET", "target": "/?sig=S3CRET",
                 "authority": "h", "fields": [["Cookie", "a=S3CRET"]]}) + "\n")
        for kind in ("terminal", "svg", "mermaid", "har", "json"):
            result = run("draw", "--format", kind, other)
            expect(result.returncode == 0 and b"S3CRET" not in result.stdout, kind, result.stdout)


@test
def each_observer_sees_what_it_asked_for():
    with tempfile.TemporaryDirectory() as folder:
        record = os.path.join(folder, "served.jsonl")
        with serve("--show-payloads", "--record", record, "--record-payloads", "preview") as (server, _, port):
            with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as peer:
                peer.sendall(b"GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
                peer.sendall(masked(1, b"x" * 2000) + close_frame(1000, masked=True))
                while peer.recv(65536):
                    pass
            server.wait_for_error("closed 1000")
            shown = get(port, "/lifeline/export?connection=1&format=jsonl")
            server.signal(2)
            equal(server.end(), 0)
        for text, size in ((open(record).read(), 256), (shown, 2000)):
            found = [len(event) for event in re.findall(r'"text":"(x+)"', text)]
            expect(found and all(length == size for length in found), found)
