"""lifeline proxy."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from command import process, run, serve
from framework import TIMEOUT, equal, expect, test
from peers import client, finish, frame, peer


@contextlib.contextmanager
def proxy(to, *arguments):
    """A proxy; yields it, its URL and its port."""
    with process("proxy", "--listen", "0", "--to", to, *arguments, stdin=subprocess.DEVNULL) as running:
        match = re.fullmatch(r"listening on (wss?://.*:(\d+))", running.line())
        expect(match, running.errors)
        yield running, match[1], int(match[2])


@contextlib.contextmanager
def raw_server(conversation):
    """A TCP server that does something to each connection; yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(TIMEOUT)
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection):
        with contextlib.suppress(OSError), connection:
            conversation(connection)

    threading.Thread(target=work, daemon=True).start()
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)


def read_all(connection):
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def was_reset(connection):
    try:
        while connection.recv(65536):
            pass
        return False
    except ConnectionResetError:
        return True


@contextlib.contextmanager
def certificate():
    with tempfile.TemporaryDirectory() as folder:
        key, chain = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", chain, "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
        yield key, chain


@test
def proxy_draws_and_records():
    with tempfile.TemporaryDirectory() as folder, serve() as (server, url, port):
        file = os.path.join(folder, "r.jsonl")
        with proxy(url, "--record", file, "--record-payloads", "whole") as (relay, to, port):
            result = run("connect", "--wait", "0.1", to + "/echo", input="hello\n" + "x" * 3000 + "\n")
            equal(result.stdout.decode(), "hello\n" + "x" * 3000 + "\n")
            relay.wait_for_error("closed 1000 (normal closure), clean, initiated by the client")
            expect(b"opened GET /echo from 127.0.0.1:" in relay.errors, relay.errors)
            expect(b"in 2 messages, 3005 bytes; out 2 messages, 3005 bytes" in relay.errors, relay.errors)
            run("connect", "--wait", "0.1", to + "/nowhere", input="")
            relay.wait_for_error("refused GET /nowhere")
            relay.signal(signal.SIGINT)
            equal(relay.end(5), 0)
            drawn = relay.process.stdout.read().decode()
        expect("GET /echo" in drawn and "101 Switching Protocols" in drawn and "“hello”" in drawn, drawn)
        expect("\n#2 " in drawn and "\n#1 " not in drawn, "numbers once there are several", drawn)
        with open(file) as recording:
            events = [json.loads(line) for line in recording][1:]
        texts = [(e["direction"], e["text"]) for e in events if e["event"] == "message"]
        equal(sorted(texts), sorted((way, text) for way in ("received", "sent") for text in ("hello", "x" * 3000)))
        again = run("draw", file)
        expect(again.returncode == 0 and "“hello”" in again.stdout.decode(), again)
        for form in ("terminal", "mermaid", "svg", "har"):
            both = run("draw", "--format", form, file).stdout.decode()
            heading = r"connection 2, \S+ m?s after connection 1 (began|ended)"
            expect(re.search(heading, both) and "/echo" in both and "/nowhere" in both, form, both)
            equal(both.count("sequenceDiagram") + both.count("<svg "), int(form in ("mermaid", "svg")))
            one = run("draw", "--format", form, "--connection", "2", file).stdout.decode()
            expect("after connection" not in one and "/echo" not in one, form, one)


@test
def proxy_changes_no_byte():
    data = random.randbytes(3_000_000)
    # What is no HTTP, and what begins as if it were.
    for begin in (b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"):
        with raw_server(echo) as url, proxy(url) as (relay, to, port), connect(port) as connection:
            sent = begin + data

            def send():
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=send)
            thread.start()
            expect(read_all(connection) == sent, "the bytes are not the same")
            thread.join()


@test
def proxy_rewrites_the_host():
    head = (
        "GET /chat HTTP/1.1\r\nhost: {}\r\nUpgrade: websocket\r\nOrigin: http://127.0.0.1:9\r\n"
        "X-Host: 127.0.0.1\r\n\r\n"
    )
    data = b"Host: not one\r\n\r\nGET / HTTP/1.1\r\nHost: nor this\r\n\r\n" + random.randbytes(300_000)
    with raw_server(echo) as url:
        authority = url.removeprefix("ws://")
        expected = head.format(authority).encode() + data
        for size in (1, 7, 1_000_000):
            with proxy(url, "--rewrite-host", "--quiet") as (relay, to, port), connect(port) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                begin = head.format("127.0.0.1:" + str(port)).encode()

                def send():
                    for start in range(0, len(begin), size):
                        connection.sendall(begin[start : start + size])
                        time.sleep(0.001)
                    connection.sendall(data)
                    connection.shutdown(socket.SHUT_WR)

                thread = threading.Thread(target=send)
                thread.start()
                expect(read_all(connection) == expected, "the bytes are not as they should be")
                thread.join()
    # Without it nothing is replaced, and with it the drawing has what is passed on.
    with serve() as (_, url, server_port):
        for options, host in ((("--rewrite-host",), server_port), ((), None)):
            with proxy(url, *options) as (relay, to, port):
                equal(run("connect", "--wait", "0.1", to + "/echo", input="hello\n").stdout, b"hello\n")
                relay.wait_for_error("closed 1000")
                with urllib.request.urlopen(to.replace("ws", "http") + "/", timeout=TIMEOUT) as answer:
                    expect(f"ws://127.0.0.1:{host or port}/echo" in answer.read().decode(), options)


@test
def proxy_waits_for_who_does_not_read():
    """Memory is bounded where the server reads nothing, and nothing is lost."""
    go = threading.Event()
    got = []

    def slow(connection):
        go.wait(TIMEOUT)
        got.append(len(read_all(connection)))

    with raw_server(slow) as url, proxy(url, "--quiet") as (relay, to, port), connect(port) as connection:
        connection.setblocking(False)
        sent, end = 0, time.monotonic() + 2
        while time.monotonic() < end:
            try:
                sent += connection.send(b"x" * 65536)
            except BlockingIOError:
                time.sleep(0.01)
        expect(sent < 40_000_000, "it took", sent)
        go.set()
        connection.setblocking(True)
        connection.shutdown(socket.SHUT_WR)
        read_all(connection)
        equal(got, [sent])


@test
def proxy_passes_half_closing_on():
    def talk(connection):
        equal(read_all(connection), b"question")
        time.sleep(0.1)
        connection.sendall(b"answer")

    with raw_server(talk) as url, proxy(url) as (relay, to, port), connect(port) as connection:
        connection.sendall(b"question")
        connection.shutdown(socket.SHUT_WR)
        equal(read_all(connection), b"answer")


@test
def proxy_passes_resets_on():
    seen = []
    done = threading.Event()

    def talk(connection):
        if connection.recv(10) == b"you":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        else:
            seen.append(was_reset(connection))
            done.set()

    with raw_server(talk) as url, proxy(url) as (relay, to, port):
        with connect(port) as connection:
            connection.sendall(b"you")
            expect(was_reset(connection))
        connection = connect(port)
        connection.sendall(b"me")
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        expect(done.wait(TIMEOUT))
        equal(seen, [True])


@test
def proxy_over_tls():
    if not shutil.which("openssl"):
        return print("     (no openssl, no TLS)")
    with certificate() as (key, chain), serve("--tls-cert", chain, "--tls-key", key) as (_, secure, _), serve() as (
        _, plain, _,
    ):
        for to, listening in ((secure, False), (plain, True), (secure, True)):
            options = ["--tls-cert", chain, "--tls-key", key] if listening else []
            with proxy(to, "--cacert", chain, *options) as (relay, url, port):
                equal(url.startswith("wss://"), listening)
                result = run("connect", "--wait", "0.1", "--cacert", chain, url + "/echo", input="hello\n")
                equal((result.returncode, result.stdout), (0, b"hello\n"), result.stderr)
                relay.wait_for_error("closed 1000 (normal closure), clean")
        with proxy(secure) as (relay, url, port):
            with connect(port) as connection:
                expect(read_all(connection).startswith(b"HTTP/1.1 502 "))
            relay.wait_for_error("not trusted")
        with proxy(secure, "--insecure") as (relay, url, port):
            equal(run("connect", "--wait", "0.1", url + "/echo", input="hello\n").stdout, b"hello\n")
        with proxy(plain, "--tls-cert", chain, "--tls-key", key) as (relay, url, port):
            with connect(port) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(ConnectionResetError):
                    connection.recv(10)
            # Not the end of the others.
            result = run("connect", "--wait", "0.1", "--insecure", url + "/echo", input="hello\n")
            equal(result.stdout, b"hello\n")


@test
def proxy_delays():
    with raw_server(echo) as url, proxy(url, "--latency", "200ms") as (relay, to, port), connect(port) as connection:
        begin = time.monotonic()
        connection.sendall(b"a")
        equal(connection.recv(1), b"a")
        expect(0.39 < time.monotonic() - begin < 5, time.monotonic() - begin)
        data = random.randbytes(300_000)
        threading.Thread(target=connection.sendall, args=(data,)).start()
        got = b""
        while len(got) < len(data):
            got += connection.recv(65536)
        expect(got == data, "the order is not kept")
        connection.shutdown(socket.SHUT_WR)
        equal(connection.recv(1), b"")


@test
def proxy_drops():
    with serve() as (server, url, _), proxy(url, "--drop-after", "400ms") as (relay, to, port):
        stream = client(port)
        stream.read_head()
        stream.write(frame(1, b"a", masked=True))
        equal(stream.read(), (1, b"a"))
        relay.wait_for_error("fault: relaying stopped, after 400 ms")
        stream.write(frame(1, b"b", masked=True))
        stream.connection.settimeout(0.5)
        try:
            stream.connection.recv(1)
            raise AssertionError("something came")
        except TimeoutError:
            pass
        expect(b"closed" not in server.errors, server.errors)


@test
def proxy_cuts_and_resets():
    for fault, wanted in (("--cut", False), ("--reset", True)):
        with raw_server(echo) as url, proxy(url, fault, "5") as (relay, to, port), connect(port) as connection:
            connection.sendall(b"abcdefgh")
            if wanted:
                expect(was_reset(connection), "no RST")
            else:
                # Of five bytes all are passed on, and nothing of what comes back.
                equal(connection.recv(100), b"")
            relay.wait_for_error("to both sides, after 5 bytes")
        with raw_server(echo) as url, proxy(url, fault, "300ms") as (relay, to, port), connect(port) as connection:
            connection.sendall(b"abc")
            equal(connection.recv(3), b"abc")
            equal(was_reset(connection), wanted)


@test
def proxy_draws_faults():
    with tempfile.TemporaryDirectory() as folder, serve() as (server, url, _):
        file = os.path.join(folder, "r.jsonl")
        with proxy(url, "--cut", "500ms", "--record", file) as (relay, to, port):
            result = run("connect", "--wait", "forever", to + "/push")
            equal(result.returncode, 4)
            relay.wait_for_error("not clean")
            relay.signal(signal.SIGTERM)
            equal(relay.end(5), 0)
            expect("fault: FIN to both sides, after 500 ms" in relay.process.stdout.read().decode())
        expect("fault: FIN to both sides" in run("draw", file).stdout.decode())


@test
def proxy_without_a_server():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port_of_nobody = unused.getsockname()[1]
    with proxy(f"ws://127.0.0.1:{port_of_nobody}") as (relay, to, port):
        for request in (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000):
            with connect(port) as connection:
                connection.sendall(request)
                answer = read_all(connection)
                expect(answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n"), answer)
                expect(b"\r\n\r\ncannot connect to 127.0.0.1" in answer and b"nothing is listening there" in answer, answer)
        relay.wait_for_error("not connected to 127.0.0.1")
        expect(b"nothing is listening there" in relay.errors, relay.errors)
        result = run("connect", to + "/echo")
        expect(result.returncode == 3 and b"502" in result.stderr, result)
        relay.wait_for_error("refused GET /echo from 127.0.0.1")
        for line in ("refused GET / from 127.0.0.1", "refused POST / from 127.0.0.1"):
            expect(any(line in found and found.endswith("with 502 Bad Gateway") for found in relay.errors.decode().splitlines()), line)
        # A client that sends no request is answered too.
        with connect(port) as connection:
            expect(read_all(connection).startswith(b"HTTP/1.1 502 Bad Gateway\r\n"))
        relay.signal(signal.SIGTERM)
        equal(relay.end(5), 0)
        drawn = relay.process.stdout.read().decode()
        expect(drawn.index("GET /echo") < drawn.rindex("502 Bad Gateway"), drawn)
        equal((drawn.count("502 Bad Gateway"), drawn.count("the proxy answers in the server's place")), (4, 4), drawn)


@test
def proxy_shows_a_page():
    def get(url):
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            return answer.read().decode()

    def page_of(relay):
        match = re.fullmatch(r"  (http://127\.0\.0\.1:(\d+)/lifeline)(\?token=…)?  shows .*", relay.line())
        expect(match, relay.errors)
        return match[1], int(match[2])

    with serve("--no-page") as (server, url, _):
        with proxy(url, "--quiet", "--page", "0", "--show-payloads") as (relay, to, _):
            page, port = page_of(relay)
            expect("<title>Lifeline</title>" in get(page))
            equal(run("connect", "--wait", "0.1", to + "/echo", input="hello\n").stdout, b"hello\n")
            relay.wait_for_error("#1 closed 1000")
            drawn = get(page + "/export?connection=1&format=jsonl")
            expect('"text":"hello"' in drawn and '"target":"/echo"' in drawn, drawn)
            # Taken where it is asked for is an error, and a free one by default.
            result = run("proxy", "--listen", "0", "--to", url, "--page", str(port))
            expect(result.returncode == 2 and b"in use" in result.stderr, result)
            with proxy(url) as (one, _, _), proxy(url) as (other, _, _):
                expect(page_of(one)[1] != page_of(other)[1])
            relay.signal(signal.SIGINT)
            equal(relay.end(5), 0)
        with proxy(url, "--quiet", "--page", "0", "--page-token", "s3cret") as (relay, _, _):
            page, _ = page_of(relay)
            expect("<title>" in get(page + "?token=s3cret"))
            try:
                get(page)
                raise AssertionError("without the token")
            except urllib.error.HTTPError as error:
                equal(error.code, 403)
        with proxy(url, "--no-page") as (relay, to, _):
            run("connect", "--wait", "0.1", to + "/echo", input="")
            relay.wait_for_error("closed 1000")
            relay.signal(signal.SIGINT)
            equal(relay.end(5), 0)
            expect("/lifeline" not in relay.process.stdout.read().decode())


@test
def proxy_ends_open_connections():
    with serve() as (server, url, _), proxy(url) as (relay, to, port):
        with process("connect", "--wait", "forever", to + "/push") as one:
            one.line()
            relay.signal(signal.SIGINT)
            equal(relay.end(8), 0)
            equal(one.end(8), 4)
        server.wait_for_error("closed 1006")


@test
def proxy_command_line():
    for arguments, text in (
        (("--listen", "0"), "--to"),
        (("--listen", "0", "--to", "http://h"), "ws or wss"),
        (("--listen", "65536", "--to", "ws://h"), "--listen"),
        (("--listen", "a:b", "--to", "ws://h"), "--listen"),
        (("--listen", "0", "--to", "ws://h", "--cut", "soon"), "--cut"),
        (("--listen", "0", "--to", "ws://h", "--tls-cert", "x"), "given together"),
        (("--listen", "0", "--to", "ws://h", "--page", "0", "--no-page"), "cannot be combined"),
        (("--listen", "0", "--to", "ws://h", "--page", "http://h"), "--page"),
    ):
        result = run("proxy", *arguments)
        expect(result.returncode == 64 and text in result.stderr.decode(), result.stderr)
    with serve() as (server, url, port):
        result = run("proxy", "--listen", str(port), "--to", url)
        equal(result.returncode, 2)
        expect(b"in use" in result.stderr, result.stderr)
    result = run("proxy", "--listen", "0", "--to", "ws://h", "--record", "/nowhere/x")
    equal(result.returncode, 74)
    text = run("proxy", "--help").stdout.decode()
    for option in (
        "--listen", "--to", "--latency", "--drop-after", "--cut", "--reset", "--record", "--insecure", "--page",
        "--no-page", "--page-token", "--show-payloads", "--rewrite-host",
    ):
        expect(option in text, option)


@test
def proxy_rewrites_the_host_of_each_request():
    """A handshake that is refused with 401, and asked again on the same connection."""
    def conversation(stream, notes):
        notes.append(stream.read_head())
        stream.write(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nno")
        notes.append(stream.accept())
        finish(stream)

    with peer(conversation) as (url, notes):
        with process("proxy", "--listen", "0", "--no-page", "--rewrite-host", "--to", url, stdin=subprocess.DEVNULL) as relay:
            port = int(relay.line().rsplit(":", 1)[1])
            stream = client(port, "/")
            expect(stream.read_head().startswith("HTTP/1.1 401 ") and stream.file.read(2) == b"no")
            stream.write(
                f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
            expect(stream.read_head().startswith("HTTP/1.1 101 "))
            stream.write(frame(8, b"", masked=True))
            equal(stream.read(), (8, b""))
    host = url.split("/")[2]
    equal([f"\r\nHost: {host}\r\n" in head for head in notes], [True, True], notes)
