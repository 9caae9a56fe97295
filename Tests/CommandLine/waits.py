"""Waits: each has a bound of its own, and what it cuts off is told."""

import struct
import time

from command import process, run, serve
from framework import equal, expect, test
from peers import close_frame, finish, frame, peer


def answering(pong=None, echo=True):
    """A server that answers Pings with a payload of its own, or not at all."""
    def conversation(stream, notes):
        stream.accept()
        while (received := stream.read()) is not None:
            opcode, payload = received
            if opcode == 8:
                notes.append(payload)
                return stream.write(frame(8, payload))
            if opcode == 9 and pong is not None:
                stream.write(frame(10, pong))
            if opcode in (1, 2) and echo:
                stream.write(frame(opcode, payload))

    return conversation


@test
def connect_does_not_need_pongs():
    for pong in (None, b""):
        with peer(answering(pong)) as (url, notes):
            begin = time.monotonic()
            result = run("connect", url, input="x\n")
            equal((result.returncode, result.stdout), (0, b"x\n"), result.stderr)
            expect(time.monotonic() - begin < 9, time.monotonic() - begin)
        equal(notes, [struct.pack(">H", 1000)])


@test
def what_is_not_answered_is_told():
    for command in ("connect", "trace"):
        with peer(answering(b"", echo=False)) as (url, notes):
            result = run(command, "--ping-interval", "0", "--wait", "300ms", url, input="x\n")
            equal(result.returncode, 5, command, result.stderr)
            expect(b"nothing was received within 300ms (--wait)" in result.stderr, result.stderr)
        # Nothing was sent, or nobody wants to wait.
        for wait, input in (("300ms", ""), ("0", "x\n")):
            with peer(answering(b"", echo=False)) as (url, notes):
                result = run(command, "--ping-interval", "0", "--wait", wait, url, input=input)
                equal(result.returncode, 0, command, wait, result.stderr)
                expect(b"--wait" not in result.stderr, result.stderr)


@test
def what_the_last_line_is_answered_with_is_missed():
    def conversation(stream, notes):
        stream.accept()
        equal(stream.read(), (1, b"one"))
        stream.write(frame(1, b"1"))
        equal(stream.read(), (1, b"two"))
        finish(stream)

    with peer(conversation) as (url, notes), process("connect", "--ping-interval", "0", "--wait", "300ms", url) as connect:
        connect.send("one\n")
        equal(connect.line(), "1")
        connect.send("two\n")
        connect.process.stdin.close()
        equal(connect.end(), 0)
        expect(b"nothing was received after the last message" in connect.errors, connect.errors)


@test
def a_scripts_step_is_given_up():
    import tempfile

    for script, reason in (("text x\nreceive\n", "no message was received"), ("text x\nping\n", "no Pong was received")):
        with tempfile.NamedTemporaryFile("w") as file, peer(answering(echo=False)) as (url, notes):
            file.write(script)
            file.flush()
            result = run("trace", "--script", file.name, "--receive-timeout", "300ms", url)
            equal(result.returncode, 5, result.stderr)
            expect(f"{reason} within 300ms (--receive-timeout)".encode() in result.stderr, result.stderr)
        equal(notes, [struct.pack(">H", 1011) + reason.encode()])


@test
def text_from_windows():
    import tempfile

    script = "# a script\ntext one\nreceive\n\ntext two\nreceive\nclose 4000 done\n".replace("\n", "\r\n")
    wanted = [(1, b"one"), (1, b"two"), (8, struct.pack(">H", 4000) + b"done")]
    for data in (
        script.encode(), script.rstrip().encode(), b"\xef\xbb\xbf" + script.encode(), b"\xff\xfe" + script.encode("utf-16-le"),
    ):
        def conversation(stream, notes):
            stream.accept()
            while (received := stream.read()) is not None:
                notes.append(received)
                stream.write(frame(*received))
                if received[0] == 8:
                    return

        with tempfile.NamedTemporaryFile() as file, peer(conversation) as (url, notes):
            file.write(data)
            file.flush()
            run("trace", "--script", file.name, url)
        equal(notes, wanted, data)
    with serve() as (server, url, port):
        for arguments in (("connect",), ("connect", "--binary", "--hex")):
            result = run(*arguments, "--wait", "0.2", url + "/echo", input=b"c0de\r\n\r\nff\r\n")
            equal((result.returncode, result.stdout), (0, b"c0de\n\nff\n"), arguments)
        result = run("connect", "--wait", "0.2", url + "/echo", input=b"\xef\xbb\xbfone\r\n")
        equal(result.stdout, b"one\n")


@test
def a_whole_file_is_one_message():
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder, serve() as (server, url, port):
        def path(name, data):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
            return os.path.join(folder, name)

        text = path("text", b"one\ntwo\r\n")
        binary = path("binary", bytes(range(256)) * 100)
        echo = ("--wait", "0.3", url + "/echo")
        result = run("connect", "--json", "--message", text, "--message", "-", *echo, input="a\nb")
        equal(result.stdout.count(b'"event":"message"'), 2, result.stdout)
        expect(b'"text":"one\\ntwo\\r\\n"' in result.stdout and b'"text":"a\\nb"' in result.stdout, result.stdout)
        result = run("connect", "--binary", "--message", binary, *echo)
        equal((result.returncode, result.stdout), (0, bytes(range(256)) * 100))
        result = run("connect", "--binary", "--hex", "--message", path("hex", b"c0\nde\n"), *echo)
        equal((result.returncode, result.stdout), (0, b"c0de\n"))
        for arguments, reason in (
            (("--message", binary), b"--binary"),
            (("--binary", "--max-message-size", "1k", "--message", binary), b"--max-message-size"),
        ):
            result = run("connect", *arguments, *echo)
            equal((result.returncode, result.stdout), (65, b""), arguments)
            expect(reason in result.stderr, result.stderr)
        for arguments, reason in (((("--message", "/nowhere/x"), b"/nowhere/x")), (("--message", folder), b"directory")):
            result = run("connect", *arguments, *echo)
            equal((result.returncode, result.stdout), (66, b""), arguments)
            expect(reason in result.stderr, result.stderr)
        equal(run("connect", "--message", "-", "--message", "-", *echo).returncode, 64)


@test
def input_that_cannot_be_read_is_told():
    import os
    import subprocess

    from command import Command, environment

    with serve() as (server, url, port):
        for command in ("connect", "trace"):
            directory = os.open("/", os.O_RDONLY)
            result = subprocess.run(
                [Command.binary, command, "--wait", "0.1", url + "/echo"], stdin=directory, capture_output=True,
                timeout=15, env=environment())
            os.close(directory)
            equal(result.returncode, 65, command, result.stderr)
            expect(b"standard input could not be read: Is a directory" in result.stderr, result.stderr)
        equal(run("trace", "--wait", "0.1", url + "/echo", input=b"\xff\n").returncode, 65)
