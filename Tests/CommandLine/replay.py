"""lifeline replay."""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time

from command import process, run, serve
from framework import equal, expect, test
from peers import client, close_frame, finish, frame, peer

HEADER = '{"lifelineRecording":1}'


@contextlib.contextmanager
def recording(*events):
    """A recording made by hand, of what a client saw."""
    lines = [HEADER, line("response", direction="received", status=101, fields=[])]
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "r.jsonl")
        with open(file, "w") as handle:
            handle.write("\n".join([*lines, *events]) + "\n")
        yield file


def line(event, t=0, **members):
    return json.dumps({"t": t, "c": 1, "by": "client", "event": event, **members})


def message(direction, text, t=0):
    return line("message", t, direction=direction, kind="text", size=len(text), wire=len(text), text=text)


def close(direction, t=0):
    return line("frame", t, direction=direction, opcode=8, fin=True, masked=True, length=2, base64="A+g=")


ECHO = [message("sent", "a"), message("received", "a"), message("sent", "b"), message("received", "b"), close("sent")]


@test
def replay_of_what_was_recorded():
    with tempfile.TemporaryDirectory() as folder, serve() as (server, url, port):
        traced, passed = os.path.join(folder, "t.jsonl"), os.path.join(folder, "p.jsonl")
        whole = ("--record-payloads", "whole")
        run("trace", "--record", traced, *whole, "--wait", "0.1", url + "/echo", input="hello\n" + "x" * 300 + "\n")
        with process("proxy", "--listen", "0", "--to", url, "--record", passed, *whole,
                     stdin=subprocess.DEVNULL) as relay:
            to = relay.line().split()[-1]
            run("connect", "--wait", "0.1", to + "/echo", input="one\ntwo\n")
            relay.wait_for_error("closed 1000")
            relay.process.terminate()
            equal(relay.end(5), 0)
        for file in (traced, passed):
            for pace in ("0", "1", "5"):
                result = run("replay", file, "--to", url + "/echo", "--pace", pace)
                wanted = (
                    b"2 messages as recorded\n"
                    b"ended as recorded: closed by the client, answered with 1000 (normal closure)\n"
                )
                equal((result.returncode, result.stdout), (0, wanted), result.stderr)


@test
def replay_of_an_archive():
    with recording(line("request", direction="sent", method="GET", target="/echo", authority="h", fields=[]), *ECHO) as file, \
            serve() as (server, url, port), tempfile.TemporaryDirectory() as folder:
        archive = os.path.join(folder, "a.har")
        with open(archive, "wb") as handle:
            handle.write(run("draw", "--format", "har", file).stdout)
        result = run("replay", archive, "--to", url + "/echo")
        equal(result.returncode, 0, result.stderr)
        equal(result.stdout, b"2 messages as recorded\nthe recording does not say how the connection ended\n")
        result = run("replay", archive, "--to", url + "/push", "--wait", "0.1")
        equal(result.returncode, 1, result.stderr)
        with open(archive, "wb") as handle:
            handle.write(b'{"log":{"version":"1.2","entries":[]}}')
        result = run("replay", archive, "--to", url)
        equal(result.returncode, 65)
        expect(b"has no WebSocket" in result.stderr, result.stderr)


@test
def replay_sends_no_text_that_is_none():
    with recording(line("message", direction="sent", kind="text", size=1, wire=1, base64="/w==")) as file:
        result = run("replay", file, "--to", "ws://127.0.0.1:1/")
        expect(result.returncode == 65 and b"not UTF-8" in result.stderr, result)


@test
def replay_shows_differences():
    with serve() as (server, url, port):
        for answers, text in (
            (["a", "c"], 'message 2: different from byte 1 on: text of 1 byte "b"; recorded: text of 1 byte "c"'),
            (["a"], 'message 2: not recorded: text of 1 byte "b"'),
            (["a", "b", "c"], 'message 3: missing: text of 1 byte "c"'),
        ):
            events = [message("sent", "a"), message("sent", "b")] + [message("received", text) for text in answers]
            with recording(*events) as file:
                result = run("replay", file, "--to", url + "/echo", "--pace", "0", "--wait", "300ms")
                equal(result.returncode, 1)
                expect(text in result.stdout.decode(), result.stdout)
        binary = line("message", direction="received", kind="binary", size=1, wire=1, base64="YQ==")
        with recording(message("sent", "a"), binary) as file:
            result = run("replay", file, "--to", url + "/echo", "--pace", "0")
            expect(result.returncode == 1 and b"another kind" in result.stdout, result)


@test
def replay_ignores_members():
    sent, answered = '{"id":1,"a":[{"time":5}]}', '{"a": [{"time":7}], "id":1}'
    with serve() as (server, url, port), recording(message("sent", sent), message("received", answered)) as file:
        equal(run("replay", file, "--to", url + "/echo", "--pace", "0").returncode, 1)
        equal(run("replay", file, "--to", url + "/echo", "--pace", "0", "--ignore-member", "time").returncode, 0)
        equal(run("replay", file, "--to", url + "/echo", "--pace", "0", "--ignore-member", "id").returncode, 1)


@test
def replay_keeps_the_pace():
    late = [message("sent", "a", 0), message("received", "a", 1000), message("sent", "b", 6_000_000_000),
            message("received", "b", 6_000_001_000)]
    with serve() as (server, url, port), recording(*late) as file:
        for pace, least, most in (("1", 6, 60), ("4", 1.5, 5.9), ("0", 0, 5.9)):
            begin = time.monotonic()
            equal(run("replay", file, "--to", url + "/echo", "--pace", pace).returncode, 0)
            expect(least <= time.monotonic() - begin <= most, pace, time.monotonic() - begin)


@test
def replay_plays_fragments():
    """As the frames that were recorded, each at its place among the Pings."""
    def fragment(opcode, fin, length, **members):
        return line("frame", direction="sent", opcode=opcode, fin=fin, masked=True, length=length, **members)

    ping = line("frame", direction="sent", opcode=9, fin=True, masked=True, length=1, base64="AA==")

    def whole(frames, text, **members):
        return line("message", direction="sent", kind="text", frames=frames, size=len(text), text=text, **members)

    def first_eight(stream, frames):
        stream.accept()
        while len(frames) < 8:
            first, second = stream.file.read(2)
            key, payload = stream.file.read(4), stream.file.read(second & 0x7F)
            payload = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
            frames.append((first, b"" if first == 0x89 else payload))
        stream.write(close_frame(1000))
        finish(stream)

    text = "h\u00e4llo"
    events = [
        # Of lengths that are told, and with parts that are; the second ends within a character.
        fragment(1, False, 1), ping, fragment(0, False, 1), fragment(0, False, 0), ping,
        fragment(0, True, 4), whole(4, text, wire=6).replace('"size": 5', '"size": 6'),
        fragment(1, False, 9, rsv1=True, text="on"), fragment(0, True, 7, text="e"),
        whole(2, "one", wire=16, compressed=True),
    ]
    for pace in ("0", "1"):
        with peer(first_eight) as (url, frames), recording(*events) as file:
            result = run("replay", file, "--to", url, "--pace", pace, "--no-compression")
            equal(result.returncode, 0, result.stdout, result.stderr)
            equal(frames, [
                (0x01, b"h"), (0x89, b""), (0x00, b"\xc3"), (0x00, b""), (0x89, b""), (0x80, b"\xa4llo"),
                (0x01, b"on"), (0x80, b"e"),
            ])


@test
def replay_compares_the_end():
    """Who closes, with which code and reason, or nobody does."""
    def closes(code, reason=""):
        def conversation(stream, notes):
            stream.accept()
            stream.write(close_frame(code, reason))
            stream.read()
            stream.file.read()
        return conversation

    def answers(code):
        def conversation(stream, notes):
            stream.accept()
            while stream.read()[0] != 8:
                pass
            stream.write(close_frame(code))
        return conversation

    def ends(stream, notes):
        stream.accept()

    def is_cut(stream, notes):
        stream.accept()
        with contextlib.suppress(ConnectionResetError):
            stream.read()

    def ended(code=1006, initiator="peer", clean=False):
        return line("ended", code=code, initiator=initiator, clean=clean, reason="")

    bye = base64.b64encode(b"\x0f\xa0bye").decode()
    by_server = line("frame", direction="received", opcode=8, fin=True, masked=False, length=5, base64=bye)
    answered = [close("sent"), close("received"), ended(1000, "local", True)]
    crossed = [close("sent"), close("received"), ended(1000, "both", True)]
    by_server_text = b'closed by the server with 4000 "bye"'
    ended_text = b"ended by the server without a Close frame"
    for events, conversation, status, text in (
        ([by_server, ended()], closes(4000, "bye"), 0, b"ended as recorded: " + by_server_text),
        ([by_server, ended()], closes(4000), 1, b"closed by the server with 4000; recorded: " + by_server_text),
        ([by_server, ended()], closes(1001, "bye"), 1, b"1001 (going away)"),
        ([by_server, ended()], ends, 1, ended_text),
        ([by_server, ended()], answers(1000), 1, b"closed by the client, answered with 1000"),
        ([ended()], ends, 0, b"ended as recorded: " + ended_text),
        ([ended()], closes(1000), 1, b"closed by the server with 1000 (normal closure); recorded: " + ended_text),
        ([ended(initiator="local")], is_cut, 0, b"ended by the client without a Close frame"),
        (answered, answers(1000), 0, b"closed by the client, answered with 1000"),
        # An answer with a code of its own is no answer.
        (answered, answers(1002), 1, b"by the server with 1002"),
        (answered, is_cut, 1, b"the connection ended differently: closed by the client, without an answer"),
        ([close("sent"), ended(initiator="local")], is_cut, 0, b"without an answer"),
        (crossed, answers(1000), 0, b"closed by both simultaneously"),
        (crossed, closes(1000), 0, b"closed by both simultaneously"),
        ([message("sent", "a")], answers(1000), 0, b"the recording does not say how the connection ended"),
    ):
        with peer(conversation) as (url, notes), recording(*events) as file:
            result = run("replay", file, "--to", url, "--pace", "0", "--wait", "400ms")
            expect(result.returncode == status and text in result.stdout, text, conversation.__qualname__, result)


@contextlib.contextmanager
def replay_server(*arguments):
    with process("replay", *arguments, "--as-server", stdin=subprocess.DEVNULL) as running:
        match = re.fullmatch(r"listening on ws://.*:(\d+)", running.line())
        expect(match, running.errors)
        yield running, int(match[1])


@test
def replay_as_server():
    with recording(*ECHO) as file:
        for second, status in ((b"b", 0), (b"x", 1)):
            with replay_server(file, "--pace", "0") as (running, port):
                expect(running.line().startswith("  /  "))
                # Somebody else, who is refused, and stays.
                stray = client(port, "/elsewhere")
                expect("404" in stray.read_head())
                running.wait_for_error("refused GET /elsewhere")
                stream = client(port, "/")
                stream.read_head()
                for text, answer in ((b"a", b"a"), (second, b"b")):
                    stream.write(frame(1, text, masked=True))
                    equal(stream.read(), (1, answer))
                stream.write(frame(8, b"\x03\xe8", masked=True))
                equal(stream.read()[0], 8)
                # Who leaves TCP open is not waited for.
                begin = time.monotonic()
                equal(running.end(), status, running.errors)
                expect(time.monotonic() - begin < 4, time.monotonic() - begin)
                stray.connection.close()


@test
def replay_as_server_ends():
    """A client that does not close, one that breaks off, and none."""
    with recording(*ECHO) as file:
        with replay_server(file, "--pace", "0", "--wait", "300ms") as (running, port):
            stream = client(port, "/")
            stream.read_head()
            begin = time.monotonic()
            equal(running.end(), 1)
            expect(time.monotonic() - begin < 4, time.monotonic() - begin)
            output = running.process.stdout.read()
            expect(b"message 1: missing" in output and b"the connection ended differently" in output, output)
        with replay_server(file, "--pace", "0") as (running, port):
            stream = client(port, "/")
            stream.read_head()
            stream.file.close()
            stream.connection.close()
            equal(running.end(), 1)
            expect(b"ended by the client without a Close frame" in running.process.stdout.read())
        with replay_server(file) as (running, port):
            result = run("replay", file, "--as-server", "--port", str(port))
            expect(result.returncode == 2 and b"in use" in result.stderr, result)
            running.signal(signal.SIGINT)
            equal(running.end(5), 130)


@test
def replay_is_interrupted():
    """It closes the connection and reports what was compared, with the status that the help names."""
    late = line("message", 60_000_000_000, direction="sent", kind="text", size=1, wire=1, text="z")
    with recording(*ECHO[:2], late) as file:
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with serve() as (server, url, port), process("replay", file, "--to", url + "/echo") as running:
                server.wait_for_error("opened GET /echo")
                time.sleep(0.5)
                running.signal(number)
                equal(running.end(5), status, running.errors)
                text = running.process.stdout.read().decode()
                expect("interrupted: 1 of 1 message received, all as recorded\n" in text, text)
                server.wait_for_error("closed 1000 (normal closure), clean, initiated by the peer")


@test
def replay_refuses():
    cut = line("message", direction="sent", kind="text", size=5, wire=5, text="a")
    with serve() as (server, url, port):
        with recording(cut) as file:
            result = run("replay", file, "--to", url + "/echo")
            equal(result.returncode, 65)
            expect(b"--record-payloads whole" in result.stderr, result.stderr)
        with recording(*ECHO) as file:
            result = run("replay", file, "--to", url + "/echo", "--connection", "7")
            expect(result.returncode == 65 and b"no WebSocket connection 7" in result.stderr, result)
            equal(run("replay", file, "--to", url + "/nowhere").returncode, 3)
            equal(run("replay", file).returncode, 64)
            equal(run("replay", file, "--to", "http://h").returncode, 64)
            equal(run("replay", file, "--to", url, "--as-server").returncode, 64)
            equal(run("replay", file, "--to", url, "--pace", "-1").returncode, 64)
        equal(run("replay", "/nowhere/x", "--to", url).returncode, 66)
        equal(run("replay", "-", "--to", url, input="hello\n").returncode, 65)
    text = run("replay", "--help").stdout.decode()
    for option in ("--to", "--as-server", "--pace", "--ignore-member", "--connection"):
        expect(option in text, option)
