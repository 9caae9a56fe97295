"""Numbers that are beyond all bounds, in files, on the wire and on the command line."""

import json
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time

from command import process, run, serve
from framework import equal, expect, test
from peers import Stream, finish, frame, peer
from proxy import raw_server

BIG, SMALL = 2**63 - 1, -(2**63)
NUMBERS = [0, -1, BIG, SMALL, 2**63, 2**64 - 1, 1e300]
EVENTS = [
    dict(event="request", direction="received", method="GET", target="/", authority="a", fields=[]),
    dict(event="response", direction="sent", status=101, reason="S", fields=[]),
    dict(event="connecting", host="h", port=1),
    dict(event="frame", direction="received", opcode=10, fin=True, masked=True, length=1),
    dict(event="roundTrip", nanoseconds=1),
    dict(event="message", direction="received", kind="text", size=2, wire=1, frames=1, compressed=True, text="hi"),
    dict(event="paused", direction="sent", pending=1),
    dict(event="compressed", sentBytes=2, sentWireBytes=1, receivedBytes=2, receivedWireBytes=1),
    dict(event="ended", initiator="peer", clean=True, code=1000, reason=""),
]


def draw(events, *forms):
    lines = [{"lifelineRecording": 1, "began": "2026-01-01T00:00:00Z"}, *events]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    for form in forms:
        result = run("draw", "--format", form, "-", input=text)
        expect(result.returncode in (0, 65), form, events, result.returncode, result.stderr[:300])
        expect(result.returncode == 0 or b"line " in result.stderr, result.stderr)
        expect(len(result.stdout) < 100_000, form, len(result.stdout))
        yield result


@test
def numbers_of_a_recording():
    for place, event in enumerate(EVENTS):
        for name in [name for name, value in event.items() if type(value) is int]:
            for number in NUMBERS:
                events = [dict(t=index, c=1, by="server", **each) for index, each in enumerate(EVENTS)]
                events[place][name] = number
                list(draw(events, "terminal" if number != BIG else "svg"))


@test
def times_of_a_recording():
    for times in [(SMALL, BIG), (BIG, SMALL), (0, BIG), (SMALL, 0)]:
        for connection in (1, 2):
            events = [
                dict(t=times[0], c=1, by="server", event="tcpEnded"),
                dict(t=times[0], c=1, by="server", event="note", note="a"),
                dict(t=times[1], c=connection, by="server", event="note", note="b"),
            ]
            for result in draw(events, "terminal", "svg", "mermaid", "har", "json"):
                equal(result.returncode, 0, result.stderr)
            expect(b"106752 d" in next(draw(events, "terminal")).stdout, times)


@test
def replay_at_any_pace():
    for pace in ("1e-300", "nan", "inf", "-1", "1e300"):
        result = run("replay", "x", "--to", "ws://127.0.0.1:1", "--pace=" + pace)
        equal(result.returncode, 64)
        expect(b"0.000001 to 1000000" in result.stderr, result.stderr)
    opened = dict(t=SMALL, c=1, by="client", event="response", direction="received", status=101, fields=[])
    sent = [
        dict(t=t, c=1, by="client", event="message", direction="sent", kind="text", size=1, wire=1, text="x")
        for t in (SMALL, BIG)
    ]
    with tempfile.TemporaryDirectory() as folder, serve() as (server, url, port):
        file = os.path.join(folder, "r.jsonl")
        with open(file, "w") as handle:
            handle.write("".join(json.dumps(line) + "\n" for line in [{"lifelineRecording": 1}, opened, *sent]))
        result = run("replay", file, "--to", url + "/echo", "--pace", "0", "--wait", "0.1")
        equal(result.returncode, 1, result.stderr)
        # What is to be sent in hundreds of years is waited for.
        with process("replay", file, "--to", url + "/echo", "--pace", "1") as waiting:
            time.sleep(0.5)
            equal(waiting.process.poll(), None, waiting.errors)
            waiting.process.kill()


@test
def a_replayed_target_that_is_no_path():
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "r.jsonl")
        lines = [
            {"lifelineRecording": 1},
            dict(t=0, c=1, by="client", event="request", direction="sent", method="GET", target="*", fields=[]),
            dict(t=0, c=1, by="client", event="response", direction="received", status=101, fields=[]),
            dict(t=1, c=1, by="client", event="message", direction="sent", kind="text", size=1, wire=1, text="x"),
        ]
        with open(file, "w") as handle:
            handle.write("".join(json.dumps(line) + "\n" for line in lines))
        result = run("replay", file, "--as-server")
        equal(result.returncode, 65, result.stderr)
        expect(b"not a path" in result.stderr, result.stderr)


@test
def options_say_what_is_allowed():
    cases = {
        ("connect", "ws://h/", "--wait", "1e30s"): "8760h",
        ("connect", "ws://h/", "--connect-timeout", "9999h"): "8760h",
        ("connect", "ws://h/", "--max-message-size", "999999999T"): "1024G",
        ("serve", "--interval", "nan"): "8760h",
        ("serve", "--max-message-size=-1"): "1024G",
        ("serve", "--record-size", "1e9"): "1024G",
        ("bench", "ws://h/", "--duration", "inf"): "8760h",
        ("bench", "ws://h/", "--size", "1TiB"): "0 to 1G",
        ("bench", "ws://h/", "--rate", "1e-300"): "0.001",
        ("bench", "ws://h/", "--rate", "nan"): "0.001",
        ("proxy", "--listen", "0", "--to", "ws://h", "--latency", "1y"): "8760h",
        ("proxy", "--listen", "0", "--to", "ws://h", "--cut", "99999999999999999999"): "1024G",
        ("proxy", "--listen", "99999999999999999999", "--to", "ws://h"): "65535",
        ("demo", "--pace", "1e30s"): "8760h",
        ("connect", "ws://h/", "--close-code", "banana"): "1000 to 4999",
        ("connect", "ws://h/", "--client-max-window-bits", "banana"): "8 to 15",
        ("connect", "ws://h/", "--compress-from", "banana"): "0 to 1024G",
        ("serve", "--port", "banana"): "0 to 65535",
        ("serve", "--loops", "banana"): "1 to 1024",
        ("replay", "x", "--as-server", "--port", "banana"): "0 to 65535",
        ("replay", "x", "--as-server", "--connection", "banana"): "number of a connection",
        ("bench", "ws://h/", "--connections", "banana"): "1 to 1000000",
        ("bench", "ws://h/", "--in-flight", "banana"): "1 to 65536",
        ("bench", "ws://h/", "--pid", "banana"): "1 to 2147483647",
        ("draw", "x", "--width", "banana"): "40 to 10000",
    }
    for arguments, text in cases.items():
        result = run(*arguments)
        equal(result.returncode, 64, arguments, result.stderr)
        expect(text in result.stderr.decode(), arguments, result.stderr)
    for command, defaults in {
        "bench": ("64", "10s", "1s"), "connect": ("25s", "16M", "10s"), "replay": ("5s",), "serve": ("1s", "1M", "64M"),
        "proxy": ("10s", "0s"), "trace": ("1s",),
    }.items():
        text = " ".join(run(command, "--help").stdout.decode().split())
        for default in defaults:
            expect(f"(default: {default})" in text, command, default, text)
    for columns in (str(BIG), str(SMALL), "0", "-1"):
        equal(next(draw([dict(t=0, c=1, by="server", event="note", note="a")], "terminal")).returncode, 0)
        result = run("connect", "ws://127.0.0.1:1/", COLUMNS=columns)
        equal(result.returncode, 2, result.stderr)


def header(first, length, masked):
    return bytes([first, (0x80 if masked else 0) | 127]) + struct.pack(">Q", length) + (bytes(4) if masked else b"")


@test
def the_proxy_survives_every_length():
    lengths = (2**31, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
    firsts = (0x81, 0x82, 0x01, 0xC1, 0x41, 0x88, 0x8A, 0x83)
    cases = [(first, length) for first in firsts for length in lengths]

    def talk(connection):
        stream = Stream(connection)
        stream.accept("Sec-WebSocket-Extensions: permessage-deflate\r\n")
        first, length = cases[int(stream.read()[1])]
        stream.write(frame(1, b"x") + header(first, length, False) + b"rest")
        while connection.recv(1000):
            pass

    with raw_server(talk) as url, process(
        "proxy", "--listen", "0", "--to", url, "--page", "0", "--show-payloads", stdin=subprocess.DEVNULL
    ) as proxy:
        port = int(proxy.line().rsplit(":", 1)[1])
        # The diagrams, which are longer than a pipe.
        threading.Thread(target=proxy.process.stdout.read, daemon=True).start()
        for number, (first, length) in enumerate(cases):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(
                    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
                )
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    piece = connection.recv(1)
                    expect(piece, head)
                    head += piece
                connection.sendall(frame(1, str(number).encode(), masked=True) + header(first, length, True) + b"rest")
                answer = b""
                while len(answer) < 3 + 10 + 4:
                    piece = connection.recv(100)
                    expect(piece, number, answer)
                    answer += piece
        # What was passed on has been read by then.
        proxy.wait_for_error(f"#{len(cases)} closed")
        equal(proxy.process.poll(), None, proxy.errors)
        proxy.process.terminate()
        equal(proxy.end(), 0)


@test
def a_script_that_waits_for_more_than_there_will_be():
    with tempfile.TemporaryDirectory() as folder, serve() as (server, url, port):
        file = os.path.join(folder, "s")
        with open(file, "w") as handle:
            handle.write(f"text a\nreceive {BIG}\n")

        def talk(stream, notes):
            stream.accept()
            stream.read()
            stream.write(frame(1, b"x") + frame(8, b"\x03\xe8"))
            finish(stream)

        with peer(talk) as (own, notes):
            result = run("trace", "--script", file, own)
            equal(result.returncode, 0, result.stderr)
        for line in ("wait 1e30s", "wait 9999h", "receive 9223372036854775808"):
            with open(file, "w") as handle:
                handle.write(line + "\n")
            result = run("trace", "--script", file, url + "/echo")
            equal(result.returncode, 65, result.stderr)
            expect(line.encode() in result.stderr, result.stderr)
