"""lifeline serve."""

import re
import signal
import time

from command import process, run, serve
from framework import equal, expect, test
from peers import client, close_frame, finish, http


@test
def serve_pages():
    with serve() as (server, url, port):
        text = http(port, "GET / HTTP/1.1")
        expect(text.startswith("HTTP/1.1 200") and "text/plain" in text and "/echo/on-loop" in text and "<" not in text)
        page = http(port, "GET / HTTP/1.1\r\nAccept: text/html,*/*")
        expect("text/html" in page and "<!doctype html>" in page and "/push" in page)
        expect("http://" not in page and "https://" not in page, "the page needs nothing from elsewhere")
        expect(http(port, "GET /nowhere HTTP/1.1").startswith("HTTP/1.1 404"))
        expect(http(port, "GET /echo HTTP/1.1").startswith("HTTP/1.1 426"))
        expect(http(port, "HEAD / HTTP/1.1").endswith("\r\n\r\n"))
        expect(http(port, "POST / HTTP/1.1\r\nContent-Length: 0").startswith("HTTP/1.1 405"))
        server.wait_for_error("refused GET /nowhere")


@test
def serve_echoes():
    with serve() as (server, url, port):
        for path in ("/echo", "/echo/on-loop"):
            equal(
                run("connect", "--wait", "0.1", url + path, input="hello\ntschüß\n").stdout.decode(), "hello\ntschüß\n"
            )
            binary = run("connect", "--wait", "0.1", "--binary", "--hex", url + path, input="00 ff 1B\n")
            equal(binary.stdout, b"00ff1b\n")


@test
def serve_pushes():
    with serve("--interval", "20ms") as (server, url, port), process(
        "connect", url + "/push", "--wait", "forever"
    ) as connect:
        for number in range(1, 5):
            expect(re.fullmatch(rf"update {number} at \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z", connect.line()))


@test
def serve_logs_each_end():
    with serve() as (server, url, port):
        run("connect", "--wait", "0.1", "--close-reason", "so long", url + "/echo", input="ab\n")
        server.wait_for_error('closed 1000 (normal closure) "so long", clean, begun by the peer')
        expect(b"opened GET /echo from 127.0.0.1:" in server.errors)
        expect(b"in 1 message, 2 bytes; out 1 message, 2 bytes" in server.errors)
        stream = client(port)
        stream.read_head()
        stream.connection.close()
        stream.file.close()
        server.wait_for_error("closed 1006 (abnormal closure), not clean, begun by the peer: the peer ended TCP")


@test
def serve_logs_no_escape_sequences():
    with serve("--color", "always") as (server, url, port):
        stream = client(port, "/echo?%1b")
        stream.read_head()
        stream.write(close_frame(1000, '\x1b[31m\u009b2J\r\n\u202e"', masked=True))
        finish(stream)
        server.wait_for_error(r'"\x1b[31m\u{9b}2J\r\n\u{202e}\""')
        client(port, "/\x1b[2J").read_head()
        time.sleep(0.1)
        plain = re.sub(rb"\x1b\[[0-9;]*m", b"", server.errors)
        expect(b"\x1b" not in plain.replace(b"\n", b""), server.errors)


@test
def serve_checks_origins():
    def status(port, origin):
        return client(port, extra=f"Origin: {origin}\r\n").read_head().split()[1]

    with serve() as (server, url, port):
        equal(status(port, "https://elsewhere.example"), "403")
        equal(status(port, f"http://127.0.0.1:{port}"), "101")
        result = run("connect", "--origin", "https://elsewhere.example", url + "/echo")
        equal(result.returncode, 3)
    with serve("--allow-origin", "https://a.example", "--allow-origin", "https://b.example") as (server, url, port):
        equal([status(port, f"https://{name}.example") for name in "abc"], ["101", "101", "403"])
    with serve("--allow-origin", "any") as (server, url, port):
        equal(status(port, "https://elsewhere.example"), "101")


@test
def serve_limits_messages():
    with serve("--max-message-size", "1k") as (server, url, port):
        result = run("connect", url + "/echo", input="x" * 1025 + "\n")
        equal(result.returncode, 4)
        expect(b"1009" in result.stderr, result.stderr)


@test
def serve_stops_gracefully():
    for number in (signal.SIGTERM, signal.SIGINT):
        with serve("--interval", "1h") as (server, url, port):
            with process("connect", "--wait", "forever", url + "/push") as first, process(
                "connect", url + "/echo"
            ) as second:
                first.line()
                second.send("x\n")
                second.line()
                server.signal(number)
                equal(server.end(5), 0)
                equal((first.end(), second.end()), (0, 0))
                expect(b"closed 1001 (going away)" in first.errors, first.errors)
                equal(server.errors.count(b"begun by this side"), 2)


@test
def serve_stops_at_once_at_the_second_signal():
    with serve() as (server, url, port):
        stream = client(port)
        stream.read_head()
        server.signal(signal.SIGTERM)
        equal(stream.read()[0], 8)
        time.sleep(0.2)
        equal(server.process.poll(), None, "it waits for the client's Close frame")
        server.signal(signal.SIGTERM)
        equal(server.end(2), 128 + signal.SIGTERM)


@test
def serve_gives_up_clients_that_do_not_close():
    with serve("--shutdown-timeout", "300ms") as (server, url, port):
        stream = client(port)
        stream.read_head()
        server.signal(signal.SIGTERM)
        equal(server.end(3), 0)
        expect(b"not clean" in server.errors, server.errors)


@test
def serve_at_a_port_in_use():
    with serve() as (server, url, port):
        result = run("serve", "--port", str(port))
        equal(result.returncode, 2)
        expect(b"in use" in result.stderr, result.stderr)
