"""lifeline connect: how it ends."""

import socket
import time

from command import process, run, serve
from framework import equal, expect, test
from peers import close_frame, finish, frame, peer


@test
def connect_to_nobody():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for host in ("127.0.0.1", "localhost"):
            result = run("connect", f"ws://{host}:{unused.getsockname()[1]}/")
            equal((result.returncode, result.stdout), (2, b""))
            expect(b"nothing is listening" in result.stderr, result.stderr)
    result = run("connect", "ws://no-such-host.invalid/")
    equal(result.returncode, 2)
    expect(b"no-such-host.invalid cannot be resolved" in result.stderr, result.stderr)


@test
def connect_is_refused():
    with serve() as (server, url, port):
        result = run("connect", url + "/nowhere")
        equal((result.returncode, result.stdout), (3, b""))
        for text in ("404 Not Found", "Content-Type: text/plain", "there is no WebSocket at this path"):
            expect(text in result.stderr.decode(), text, result.stderr)

    def conversation(stream, notes):
        stream.read_head()
        stream.write(b"HTTP/1.1 401 \x1b[31mNo\r\nX: \xc2\x9bevil\r\nContent-Length: 9\r\n\r\n\x1b[2J\x07body")

    with peer(conversation) as (url, notes):
        result = run("connect", url)
        equal(result.returncode, 3)
        expect(b"\x1b" not in result.stderr and b"\xc2\x9b" not in result.stderr, result.stderr)

    def wrong_answer(stream, notes):
        stream.read_head()
        stream.write(
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n"
        )

    with peer(wrong_answer) as (url, notes):
        equal(run("connect", url).returncode, 3)


@test
def connect_ends_abnormally():
    def dropping(stream, notes):
        stream.accept()
        stream.write(frame(1, b"one"))

    def closing(stream, notes):
        stream.accept()
        stream.write(close_frame(4001, "\x1b]0;evil\x07"))
        finish(stream)

    def violating(stream, notes):
        stream.accept()
        stream.write(b"\xff\x00")
        finish(stream)

    for conversation, text in (
        (dropping, "closed 1006"),
        (closing, 'closed 4001 "\\x1b]0;evil\\x07"'),
        (violating, "closed 1006"),
    ):
        with peer(conversation) as (url, notes):
            result = run("connect", "--wait", "forever", url)
            equal(result.returncode, 4, result.stderr)
            expect(text in result.stderr.decode(), result.stderr)
            if conversation is dropping:
                equal(result.stdout, b"one\n")


@test
def connect_is_closed_by_the_peer():
    def conversation(stream, notes):
        stream.accept()
        stream.write(frame(1, b"last words") + notes.pop())
        finish(stream)

    for data, text in (
        (close_frame(1000, "done"), '1000 (normal closure) "done"'),
        (close_frame(1001), "1001 (going away)"),
        (frame(8), "1005 (no status received)"),
    ):
        with peer(conversation) as (url, notes):
            notes.append(data)
            with process("connect", url) as connect:
                equal((connect.line(), connect.end()), ("last words", 0))
                expect(f"closed {text}, clean, initiated by the peer" in connect.errors.decode(), connect.errors)


@test
def connect_times_out():
    def conversation(stream, notes):
        stream.file.read()

    with peer(conversation) as (url, notes):
        begin = time.monotonic()
        equal(run("connect", "--connect-timeout", "300ms", url).returncode, 2)
        # It is 10 s otherwise.
        expect(time.monotonic() - begin < 9)
