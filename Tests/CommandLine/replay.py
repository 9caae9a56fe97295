"""lifeline replay."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time

from command import process, run, serve
from framework import equal, expect, test
from peers import client, frame

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
                equal((result.returncode, result.stdout), (0, b"2 messages as recorded\n"), result.stderr)


@test
def replay_shows_differences():
    with serve() as (server, url, port):
        for answers, text in (
            (["a", "c"], 'message 2: it differs from byte 1 on: text of 1 byte "b"; recorded: text of 1 byte "c"'),
            (["a"], 'message 2: it was not recorded: text of 1 byte "b"'),
            (["a", "b", "c"], 'message 3: it is missing: text of 1 byte "c"'),
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
    late = [message("sent", "a", 0), message("received", "a", 1000), message("sent", "b", 800_000_000),
            message("received", "b", 800_001_000)]
    with serve() as (server, url, port), recording(*late) as file:
        for pace, least, most in (("1", 0.8, 9), ("4", 0.2, 0.79), ("0", 0, 0.79)):
            begin = time.monotonic()
            equal(run("replay", file, "--to", url + "/echo", "--pace", pace).returncode, 0)
            expect(least <= time.monotonic() - begin <= most, pace, time.monotonic() - begin)


@test
def replay_as_server():
    @contextlib.contextmanager
    def server(*arguments):
        with process("replay", *arguments, "--as-server", stdin=subprocess.DEVNULL) as running:
            match = re.fullmatch(r"listening on ws://.*:(\d+)", running.line())
            expect(match, running.errors)
            yield running, int(match[1])

    with recording(*ECHO) as file:
        for second, status in ((b"b", 0), (b"x", 1)):
            with server(file, "--pace", "0") as (running, port):
                stream = client(port, "/")
                stream.read_head()
                for text, answer in ((b"a", b"a"), (second, b"b")):
                    stream.write(frame(1, text, masked=True))
                    equal(stream.read(), (1, answer))
                stream.write(frame(8, b"\x03\xe8", masked=True))
                equal(stream.read()[0], 8)
                stream.file.close()
                stream.connection.close()
                equal(running.end(), status)


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
            expect(result.returncode == 65 and b"number 7" in result.stderr, result)
            equal(run("replay", file, "--to", url + "/nowhere").returncode, 3)
            equal(run("replay", file).returncode, 64)
            equal(run("replay", file, "--to", "http://h").returncode, 64)
            equal(run("replay", file, "--to", url, "--as-server").returncode, 64)
            equal(run("replay", file, "--to", url, "--pace", "-1").returncode, 64)
        equal(run("replay", "/nowhere/x", "--to", url).returncode, 65)
        equal(run("replay", "-", "--to", url, input="hello\n").returncode, 65)
    text = run("replay", "--help").stdout.decode()
    for option in ("--to", "--as-server", "--pace", "--ignore-member", "--connection"):
        expect(option in text, option)
