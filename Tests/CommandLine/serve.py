"""lifeline serve."""

import json
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
        expect(re.search(r" http://\S+/lifeline\n", text) and "ws://h/lifeline" not in text, text)
        page = http(port, "GET / HTTP/1.1\r\nAccept: text/html,*/*")
        expect("text/html" in page and "<!doctype html>" in page and "/push" in page)
        expect('href="/lifeline"' in page and "prefers-color-scheme: dark" in page)
        expect("http://" not in page and "https://" not in page, "the page needs nothing from elsewhere")
        expect(http(port, "GET /nowhere HTTP/1.1").startswith("HTTP/1.1 404"))
        expect(http(port, "GET /echo HTTP/1.1").startswith("HTTP/1.1 426"))
        expect(http(port, "HEAD / HTTP/1.1").endswith("\r\n\r\n"))
        expect(http(port, "POST / HTTP/1.1\r\nContent-Length: 0").startswith("HTTP/1.1 405"))
        server.wait_for_error("refused GET /nowhere")


@test
def serve_says_where_its_page_is():
    for arguments, page in (
        ((), r"  http://127\.0\.0\.1:\d+/lifeline  shows "), (("--host", "0.0.0.0"), r"  http://localhost:\d+/lifeline  shows "),
        (("--page-token", "s3cret"), r"  http://127\.0\.0\.1:\d+/lifeline\?token=…  shows "), (("--no-page",), None),
    ):
        with serve(*arguments) as (server, url, port):
            server.wait_for_error("serving with")
            if not page:
                expect("/lifeline" not in http(port, "GET / HTTP/1.1"))
            server.signal(signal.SIGINT)
            equal(server.end(5), 0)
            found = server.process.stdout.read().decode()
            expect(re.search(page, found) if page else "/lifeline" not in found, arguments, found)
    with serve() as (server, url, port):
        for path in ("/lifeline", "/lifeline/"):
            answer = http(port, f"GET {path} HTTP/1.1", host=f"127.0.0.1:{port}")
            expect(answer.startswith("HTTP/1.1 200"), path, answer)


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
        server.wait_for_error('closed 1000 (normal closure) "so long", clean, initiated by the peer')
        expect(b"opened GET /echo from 127.0.0.1:" in server.errors)
        expect(b"in 1 message, 2 bytes; out 1 message, 2 bytes" in server.errors)
        stream = client(port)
        stream.read_head()
        stream.connection.close()
        stream.file.close()
        server.wait_for_error("closed 1006 (abnormal closure), not clean, initiated by the peer: the peer ended its side of TCP")


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
                equal(server.errors.count(b"initiated by this side"), 2)


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


@test
def serve_compresses():
    lines = "".join(f'{{"type":"trade","symbol":"LFLN","price":{n}.25,"venue":"XNAS","kinds":["regular"],"seq":{n}}}\n' * 2
                    for n in range(20))
    with serve("--server-max-window-bits", "11", "--compress-from", "50") as (server, url, port):
        connect = run("connect", "--wait", "0.1", "--json", "--compress-from", "50", url + "/echo", input=lines)
        events = [json.loads(line) for line in connect.stdout.splitlines()]
        equal(
            events[0]["compression"], "permessage-deflate; server_max_window_bits=11; client_max_window_bits=12")
        equal("".join(event["text"] + "\n" for event in events if event["event"] == "message"), lines)
        for way in ("Sent", "Received"):
            wire, plain = events[-1][f"compressed{way}WireBytes"], events[-1][f"compressed{way}Bytes"]
            expect(plain == len(lines) - 40 and wire < plain / 4, events[-1])
        server.wait_for_error("with permessage-deflate; server_max_window_bits=11; client_max_window_bits=12")
        server.wait_for_error(f"in 40 messages, {len(lines) - 40} bytes, compressed ")
        plain = run("connect", "--wait", "0.1", "--json", "--no-compression", url + "/echo", input=lines)
        equal(json.loads(plain.stdout.splitlines()[0])["compression"], None)
    with serve("--no-compression") as (server, url, port):
        connect = run("connect", "--wait", "0.1", "--json", url + "/echo", input=lines)
        equal(json.loads(connect.stdout.splitlines()[0])["compression"], None)
        expect(b"permessage" not in server.errors)


@test
def compression_options_are_checked():
    for arguments, text in (
        (("--server-max-window-bits", "16"), "8 to 15"),
        (("--client-max-window-bits", "7"), "8 to 15"),
        (("--compression-level", "0"), "1 to 9"),
        (("--compress-from", "-1"), ""),
    ):
        failed = run("serve", *arguments)
        expect(failed.returncode == 64 and text in failed.stderr.decode(), failed.stderr)


@test
def serve_says_why_a_page_is_refused():
    for arguments, reason in (
        ((), "is not this server's"), (("--allow-origin", "https://app.example"), "is not one that --allow-origin names"),
    ):
        with serve("--no-page", *arguments) as (server, url, port):
            stream = client(port, "/echo", "Origin: https://evil.example\r\n")
            expect(stream.read_head().startswith("HTTP/1.1 403 "))
            server.wait_for_error(f"the page's Origin \"https://evil.example\" {reason}")
