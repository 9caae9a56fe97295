"""Outputs that cannot be written, or are not read, and inputs that are shared with others: every command alike."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

from command import Command, environment, process, run, serve
from framework import TIMEOUT, equal, expect, test
from peers import frame, peer

FULL = "/dev/full"
BENCH = ("bench", "--connections", "2", "--warmup", "0", "--duration", "300ms")


def recorded(folder, count=1):
    """A recording with so many messages."""
    file = os.path.join(folder, "r.jsonl")
    answer = {"t": 0, "c": 1, "by": "client", "event": "response", "direction": "received", "status": 101, "fields": []}
    text = {"t": 1, "c": 1, "by": "client", "event": "message", "direction": "sent", "kind": "text", "size": 1, "wire": 1}
    with open(file, "w") as handle:
        for line in [{"lifelineRecording": 1}, answer] + [dict(text, t=number, text="x") for number in range(count)]:
            handle.write(json.dumps(line) + "\n")
    return file


def run_into(path, *arguments, input=b""):
    with open(path, "wb") as output:
        return subprocess.run(
            [Command.binary, *arguments], input=input, stdout=output, stderr=subprocess.PIPE, timeout=TIMEOUT,
            env=environment(),
        )


@test
def a_full_disk_is_an_error():
    if not os.path.exists(FULL):
        return
    with tempfile.TemporaryDirectory() as folder, serve() as (server, url, port):
        file = recorded(folder)
        echo = url + "/echo"
        for arguments, input in (
            (("connect", echo), b"hello\n"),
            (("connect", "--json", echo), b"hello\n"),
            (("connect", "--binary", echo), b"hello\n"),
            (("trace", echo), b"hello\n"),
            (("draw", file), b""),
            *((("draw", "--format", name, file), b"") for name in ("svg", "mermaid", "har", "json")),
            (("replay", file, "--to", echo, "--pace", "0", "--wait", "100ms"), b""),
            ((*BENCH, echo), b""),
            ((*BENCH, "--json", echo), b""),
            (("demo",), b""),
            (("demo", "--json"), b""),
            (("serve", "--port", "0", "--no-page"), b""),
            (("proxy", "--listen", "0", "--to", url, "--no-page"), b""),
            (("--help",), b""),
            (("--version",), b""),
        ):
            result = run_into(FULL, *arguments, input=input)
            equal(result.returncode, 1 if arguments[0] == "replay" else 74, arguments, result.stderr)
            expect(b"standard output could not be written: No space left" in result.stderr, arguments, result.stderr)
        result = run_into(FULL, "replay", file, "--as-server")
        expect(result.returncode != 0 and b"standard output could not be written" in result.stderr, result)
        result = run(*BENCH, "--plot", FULL, echo)
        expect(result.returncode == 74 and b"/dev/full could not be written" in result.stderr, result)
        result = run("trace", "--record", FULL, echo, input="hello\n")
        expect(result.returncode == 74 and b"No space left" in result.stderr, result)


@test
def a_recording_that_breaks_off_is_an_error():
    """The file system has room for the beginning alone."""
    for command in ("trace", "serve", "proxy"):
        with serve() as (_, url, port), tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "r.jsonl")
            arguments = {
                "trace": ["trace", "--record", file, url + "/echo"],
                "serve": ["serve", "--port", "0", "--no-page", "--record", file],
                "proxy": ["proxy", "--listen", "0", "--no-page", "--to", url, "--record", file],
            }[command]
            limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$0" "$@"', Command.binary, *arguments]
            running = subprocess.Popen(
                limited, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
            )
            try:
                if command == "trace":
                    _, errors = running.communicate(b"hello\n" * 40, timeout=TIMEOUT)
                else:
                    to = running.stdout.readline().split()[-1].decode()
                    run("connect", to + "/echo", input="hello\n" * 40)
                    running.terminate()
                    _, errors = running.communicate(timeout=TIMEOUT)
                equal(running.returncode, 74, command, errors)
                expect(b"File too large" in errors, command, errors)
            finally:
                running.kill()
                running.wait()


@test
def a_reader_that_has_gone_is_an_end():
    with tempfile.TemporaryDirectory() as folder, serve("--interval", "1ms") as (server, url, port):
        file = recorded(folder, 5000)
        for arguments in (
            *(("draw", "--all", "--format", name, file) for name in ("terminal", "svg", "mermaid", "har", "json")),
            ("trace", url + "/push"),
            ("connect", "--wait", "forever", url + "/push"),
            ("demo", "--pace", "50ms"),
        ):
            with process(*arguments) as running:
                running.process.stdout.read(1)
                running.process.stdout.close()
                equal((running.end(), running.errors), (0, b""), arguments)


@test
def input_that_does_not_block_is_waited_for():
    with serve() as (server, url, port):
        for arguments in (("connect", url + "/echo"), ("trace", url + "/echo"), ("connect", "--message", "-", url + "/echo")):
            reading, writing = os.pipe()
            fcntl.fcntl(reading, fcntl.F_SETFL, os.O_NONBLOCK)
            with process(*arguments, stdin=reading) as running:
                os.close(reading)
                time.sleep(0.5)
                before = processor_time(running)
                time.sleep(1)
                expect(processor_time(running) - before < 0.3, arguments, processor_time(running) - before)
                os.write(writing, b"hello\n")
                os.close(writing)
                output = running.process.stdout.read()
                equal(running.end(), 0, arguments)
                expect(b"hello" in output, output)


def processor_time(running):
    with open(f"/proc/{running.process.pid}/stat") as handle:
        fields = handle.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@test
def output_that_does_not_block_is_waited_for():
    with serve("--max-message-size", "4M") as (server, url, port):
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
        line = b"x" * 1_000_000 + b"\n"
        running = subprocess.Popen(
            [Command.binary, "connect", url + "/echo"], stdin=subprocess.PIPE, stdout=writing, env=environment()
        )
        os.close(writing)
        threading.Thread(target=lambda: (running.stdin.write(line), running.stdin.close()), daemon=True).start()
        time.sleep(1)
        with os.fdopen(reading, "rb") as pipe:
            equal(len(pipe.read()), len(line))
        equal(running.wait(TIMEOUT), 0)


@test
def signals_end_what_nobody_reads():
    with serve("--interval", "1ms") as (server, url, port):
        for arguments in (("connect", "--wait", "forever", url + "/push"), ("trace", url + "/push")):
            for number in (signal.SIGINT, signal.SIGTERM):
                with process(*arguments) as running:
                    running.process.stdout.read(1)
                    # Until the pipe of 64 KiB is full.
                    time.sleep(2)
                    running.signal(number)
                    equal(running.end(8), 0, arguments)
            with process(*arguments) as running:
                running.process.stdout.read(1)
                time.sleep(2)
                running.signal(signal.SIGINT)
                time.sleep(0.1)
                running.signal(signal.SIGINT)
                expect(running.end(2) in (0, 130), arguments)


@test
def signals_end_a_drawing_of_what_is_over():
    """The connection has ended, and nobody reads the drawing."""
    def conversation(stream, notes):
        stream.accept()
        stream.write(b"".join(frame(1, b"%060d" % number) for number in range(3000)) + frame(8, b"\x03\xe8"))
        stream.read()
        stream.connection.shutdown(socket.SHUT_WR)
        stream.file.read()

    with peer(conversation) as (url, notes), process("trace", url) as running:
        running.process.stdout.read(1)
        time.sleep(2)
        running.signal(signal.SIGTERM)
        expect(running.end(8) in (0, 143), running.process.returncode)
