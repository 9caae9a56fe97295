"""lifeline demo."""

import json
import re
import subprocess

from command import process, run, terminal
from framework import equal, expect, test

STEPS = [
    "TCP connection",
    "GET /demo HTTP/1.1",
    "101 Switching Protocols",
    'text "Hello, server!"',
    "binary ca fe f0 0d",
    'text "Hello, client!"',
    "binary 0d f0 fe ca",
    "Ping",
    "Pong",
    'text "It is',
    "Close 1000 (normal closure)",
    "acknowledged",
    "FIN",
    "FIN",
]


def expect_steps(text):
    position = 0
    for step in STEPS:
        position = text.find(step, position)
        expect(position >= 0, repr(step), "is missing in its place in", text)
        position += len(step)


@test
def demo_in_a_pipe():
    result = run("demo")
    equal((result.returncode, result.stderr), (0, b""))
    text = result.stdout.decode()
    expect_steps(text)
    equal(re.findall(r"(?m)^ (\d) ", text), list("12334456789"))
    expect("\x1b" not in text and "▶" in text and "RTT" in text)
    for phase in ("TCP", "HANDSHAKE", "MESSAGING", "HEARTBEAT", "SERVER PUSH", "CLOSING", "TCP ENDS"):
        expect(phase in text, phase)
    expect(max(map(len, text.splitlines())) <= 80)
    expect("14 steps, each seen on the wire by client and server" in text)


@test
def demo_fits_the_width():
    for columns in (60, 72, 100, 200):
        text = run("demo", COLUMNS=str(columns)).stdout.decode()
        expect("│" in text and max(map(len, text.splitlines())) <= columns, columns, text)
    narrow = run("demo", COLUMNS="40")
    equal(narrow.returncode, 0)
    expect("│" not in narrow.stdout.decode())
    expect(max(map(len, narrow.stdout.decode().splitlines())) <= 40)


@test
def demo_in_ascii():
    for result in (
        run("demo", "--ascii"),
        run("demo", LC_ALL="C"),
        run("demo", LC_ALL=None),
        run("demo", "--ascii", COLUMNS="40"),
    ):
        equal(result.returncode, 0)
        expect(all(byte < 0x80 for byte in result.stdout))


@test
def demo_as_json():
    result = run("demo", "--json")
    equal(result.returncode, 0)
    *steps, end = [json.loads(line) for line in result.stdout.splitlines()]
    equal([step.get("number") for step in steps], [None, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, None, None])
    expect(all(step["elapsedMicroseconds"] > 0 for step in steps))
    expect(all(step["sentMicroseconds"] < step["receivedMicroseconds"] for step in steps))
    equal([step["step"] for step in steps][-2:], ["serverFIN", "clientFIN"])
    expect(steps[-2]["sentMicroseconds"] <= steps[-1]["sentMicroseconds"], "the server ends its side of TCP first")
    expect(next(step for step in steps if step["step"] == "pong")["roundTripMicroseconds"] > 0)
    equal((end["result"], end["code"], end["steps"]), ("clean", 1000, 14))


@test
def demo_on_a_terminal():
    with terminal("demo", "--pace", "10ms") as demo:
        equal(demo.end(), 0)
        expect(b"\x1b[" in demo.shown and b"\r\x1b" not in demo.shown.split(b"Client")[0])
    for changes, arguments in (({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--color", "never"])):
        with terminal("demo", "--pace", "0", *arguments, **changes) as demo:
            equal(demo.end(), 0)
            expect(b"\x1b" not in demo.shown, changes, arguments)
            expect_steps(demo.shown.decode())
    expect(b"\x1b[" in run("demo", "--color", "always").stdout)


@test
def demo_with_a_reader_that_leaves():
    with process("demo", stdin=subprocess.DEVNULL) as demo:
        demo.line()
        demo.process.stdout.close()
        equal((demo.end(), demo.errors), (0, b""))
