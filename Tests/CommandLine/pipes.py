"""lifeline connect, in a pipe."""

import json
import re
import struct
import subprocess
import time

from command import Command, environment, process, run, serve
from framework import TIMEOUT, equal, expect, test
from peers import close_frame, finish, frame, peer


@test
def connect_sends_each_line():
    with serve() as (server, url, port):
        lines = "first\n\n  spaces \nlast"
        result = run("connect", "--wait", "0.2", url + "/echo", input=lines)
        equal((result.returncode, result.stdout.decode()), (0, lines + "\n"))
        equal(result.stderr.decode(), "closed 1000 (normal closure), clean, initiated by this side\n")
        many = "".join(f"line {number}\n" for number in range(3000))
        equal(run("connect", "--wait", "0.2", url + "/echo", input=many).stdout.decode(), many)


@test
def connect_passes_bytes_through():
    with serve() as (server, url, port):
        text = "\x1b[31m\x00\x07\u009b\r \n"
        equal(run("connect", "--wait", "0.1", url + "/echo", input=text).stdout.decode(), text)
        result = run("connect", "--wait", "0.1", "--binary", url + "/echo", input=b"\xff\x00\n\x1b\n")
        equal(result.stdout, b"\xff\x00\x1b")


@test
def connect_sends_long_lines():
    with serve("--max-message-size", "8M") as (server, url, port):
        line = "x" * 3_000_000 + "\n"
        result = run("connect", url + "/echo", input=line)
        equal((result.returncode, len(result.stdout)), (0, len(line)))
        result = run(
            "connect", "--wait", "0.1", "--max-message-size", "1k", url + "/echo", input="a\n" + "x" * 200_000 + "\nb\n"
        )
        equal((result.returncode, result.stdout), (65, b"a\nb\n"))
        expect(b"line 2 was not sent" in result.stderr and b"--max-message-size" in result.stderr, result.stderr)


@test
def connect_refuses_lines_that_cannot_be_sent():
    with serve() as (server, url, port):
        result = run("connect", "--wait", "0.1", url + "/echo", input=b"good\n\xff\xfe\nfine\n\xc3")
        equal((result.returncode, result.stdout), (65, b"good\nfine\n"))
        expect(b"line 2 was not sent" in result.stderr and b"line 4" in result.stderr and b"--binary" in result.stderr)
        result = run("connect", "--wait", "0.1", "--binary", "--hex", url + "/echo", input="0\nzz\nc0 de\n")
        equal((result.returncode, result.stdout), (65, b"c0de\n"))


@test
def connect_as_json():
    def conversation(stream, notes):
        stream.accept()
        stream.write(frame(1, '\x1b\u202e"'.encode()) + frame(2, b"\x00\xff") + frame(9, b"hi"))
        equal(stream.read(), (10, b"hi"))
        stream.write(close_frame(1000, "bye"))
        finish(stream)

    with peer(conversation) as (url, notes):
        result = run("connect", "--json", "--wait", "forever", url)
    equal((result.returncode, result.stderr), (0, b""))
    expect(b"\x1b" not in result.stdout and "\u202e".encode() not in result.stdout)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    received = [event for event in events if event.get("direction") != "sent"]
    equal([event["event"] for event in received], ["open", "message", "message", "ping", "close"])
    equal((received[1]["kind"], received[1]["text"]), ("text", '\x1b\u202e"'))
    equal((received[2]["kind"], received[2]["hex"]), ("binary", "00ff"))
    equal(received[3]["hex"], b"hi".hex())
    end = received[4]
    equal((end["code"], end["reason"], end["clean"], end["initiator"]), (1000, "bye", True, "peer"))


@test
def connect_shows_control_frames():
    with serve() as (server, url, port):
        result = run(
            "connect",
            "--control",
            "--timestamps",
            "--ping-interval",
            "50ms",
            "--wait",
            "0.3",
            url + "/echo",
            input="x\n",
        )
        equal((result.returncode, result.stdout), (0, b"x\n"))
        expect(
            re.search(
                rb"(?m)^\d\d:\d\d:\d\d\.\d{3} < pong [0-9a-f]+, round trip [\d.]+ .s$",
                result.stderr.replace("µ".encode(), b"u"),
            ),
            result.stderr,
        )
        expect(b"> close 1000" in result.stderr and b"< close 1000" in result.stderr)


@test
def connect_with_a_reader_that_leaves():
    with serve("--interval", "20ms") as (server, url, port):
        with process("connect", "--wait", "forever", url + "/push") as connect:
            connect.line()
            connect.process.stdout.close()
            equal((connect.end(), connect.errors), (0, b""))
        server.wait_for_error("closed 1000 (normal closure), clean, initiated by the peer")
    with serve("--interval", "1h") as (server, url, port):
        with process("connect", "--wait", "forever", url + "/push") as connect:
            connect.line()
            connect.process.stdout.close()
            equal((connect.end(5), connect.errors), (0, b""), "without waiting for another message")


@test
def connect_without_standard_input():
    with serve() as (server, url, port):
        for redirection in ("<&-", "</dev/null", "<&- >&-", "<&- >&- 2>&-"):
            result = subprocess.run(
                ["bash", "-c", f'exec "$0" connect --wait 0.2 {url}/echo {redirection}', Command.binary],
                capture_output=True,
                timeout=TIMEOUT,
                env=environment(),
            )
            equal(result.returncode, 0, redirection, result.stderr)


@test
def connect_waits_for_silence():
    def conversation(stream, notes):
        stream.accept()
        for number in range(4):
            time.sleep(0.2)
            stream.write(frame(1, str(number).encode()))
        while (received := stream.read())[0] != 8:
            if received[0] == 9:
                stream.write(frame(10, received[1]))
        stream.write(frame(8, received[1]))

    with peer(conversation) as (url, notes):
        result = run("connect", "--ping-interval", "0", "--wait", "0.5", url)
        equal((result.returncode, result.stdout), (0, b"0\n1\n2\n3\n"))


@test
def connect_sends_what_is_asked_for():
    def conversation(stream, notes):
        notes.append(stream.accept("Sec-WebSocket-Protocol: two\r\n"))
        stream.write(close_frame(1000))
        finish(stream)

    with peer(conversation) as (url, notes):
        result = run(
            "connect",
            "--json",
            "-H",
            "X-One: 1",
            "--header",
            "X-Two:  2 ",
            "--header",
            "X-One: 3",
            "--origin",
            "https://o.example",
            "--subprotocol",
            "one",
            "--subprotocol",
            "two",
            url + "a%20b?c=d",
        )
        equal(result.returncode, 0, result.stderr)
        head = notes[0]
        expect(head.startswith("GET /a%20b?c=d HTTP/1.1\r\n"), head)
        for field in (
            "X-One: 1",
            "X-Two: 2",
            "X-One: 3",
            "Origin: https://o.example",
            "Sec-WebSocket-Protocol: one, two",
        ):
            expect(f"\r\n{field}\r\n" in head, field, head)
        equal(json.loads(result.stdout.splitlines()[0])["subprotocol"], "two")


@test
def connect_closes_as_asked():
    def conversation(stream, notes):
        stream.accept()
        notes.append(finish(stream))

    with peer(conversation) as (url, notes):
        result = run("connect", "--close-code", "4242", "--close-reason", "tschüß", "--wait", "0", url)
    equal((result.returncode, notes), (0, [struct.pack(">H", 4242) + "tschüß".encode()]))
