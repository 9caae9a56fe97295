"""lifeline bench."""

import json
import os
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import xml.dom.minidom

from command import process, run, serve, terminal
from framework import TIMEOUT, equal, expect, test
from peers import Stream, close_frame, finish, frame

QUICK = ("--duration", "0.3", "--warmup", "0.1", "--connections", "4")


def bench(*arguments):
    """Runs it to its end; the status, the report and standard error.

    Where the test shares its cores with others, the generator may be the bottleneck, and says so.
    """
    result = run("bench", "--json", *QUICK, *arguments)
    report = json.loads(result.stdout) if result.stdout else None
    lines = result.stderr.decode().splitlines(keepends=True)
    errors = "".join(line for line in lines if "the generator was the bottleneck" not in line)
    equal(len(lines) > 0 and "bottleneck" in result.stderr.decode(), bool(report and report["generatorWasBottleneck"]))
    return result.returncode, report, errors


class Listener:
    """A server whose connections are handled by a function, each in a thread of its own."""

    def __init__(self, conversation, limit=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.socket.getsockname()[1]}/"
        self.conversation = conversation
        self.limit = limit
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        number = 0
        while self.limit is None or number < self.limit:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            if number + 1 == self.limit:
                self.socket.close()
            threading.Thread(target=self.converse, args=(connection, number), daemon=True).start()
            number += 1

    def converse(self, connection, number):
        stream = Stream(connection)
        try:
            stream.accept()
            self.conversation(stream, number)
        except (OSError, AssertionError, struct.error):
            pass
        finally:
            connection.close()


def echo(stream, number=0):
    while (found := stream.read()) is not None:
        opcode, payload = found
        if opcode == 8:
            return finish_after_close(stream, payload)
        stream.write(frame(opcode, payload))


def finish_after_close(stream, payload):
    stream.write(frame(8, payload))


@test
def bench_measures_echoes():
    with serve() as (server, url, port):
        for path in ("/echo", "/echo/on-loop"):
            status, report, errors = bench(url + path)
            equal((status, errors), (0, ""))
            expect(report["count"] > 10 and report["errors"] == 0, report)
            equal(report["latencyCount"], report["count"])
            equal(report["bytes"], report["count"] * 64)
            equal((report["connectionsOpened"], report["connectionsLeft"]), (4, 4))
            expect(0 < report["latencyP50"] <= report["latencyP99"] <= report["latencyMax"], report)
            equal(report["rate"], None)
        for more in (("--text",), ("--size", "0"), ("--size", "100KiB"), ("--in-flight", "16"), ("--loops", "2")):
            status, report, errors = bench(*more, url + "/echo")
            equal((status, errors, report["errors"]), (0, "", 0), more)
            expect(report["count"] > 0, more)
        server.wait_for_error("closed 1000 (normal closure), clean, initiated by the peer")
        expect(b"not clean" not in server.errors, server.errors)


@test
def bench_shows_a_table():
    with serve() as (server, url, port):
        result = run("bench", *QUICK, url + "/echo")
        equal((result.returncode, result.stderr), (0, b""))
        for text in ("messages/s", "p50", "p99.99", "max", "errors     ", "none", "of a core", "4 connections on 1 loop"):
            expect(text in result.stdout.decode(), text, result.stdout)


@test
def bench_uses_every_engine():
    with serve() as (server, url, port):
        for engine in ("nio", "epoll", "io_uring"):
            status, report, errors = bench("--engine", engine, url + "/echo")
            if status == 64 and "not to be had here" in errors:
                continue
            equal((status, report["errors"]), (0, 0), engine, errors)
            expect(report["count"] > 0, engine)


@test
def bench_keeps_a_rate_and_draws():
    with serve() as (server, url, port), tempfile.NamedTemporaryFile(suffix=".svg") as plot:
        status, report, errors = bench("--rate", "200", "--duration", "1", "--plot", plot.name, url + "/echo")
        equal((status, errors, report["errors"]), (0, "", 0))
        expect(150 <= report["countPerSecond"] <= 250, report)
        drawing = xml.dom.minidom.parse(plot.name)
        equal(drawing.documentElement.tagName, "svg")
    # A directory that is not there.
    with serve() as (server, url, port):
        status, report, errors = bench("--plot", "/nowhere/x.svg", url + "/echo")
        equal(status, 74)
        expect("/nowhere/x.svg" in errors and report is None, "found out before measuring", errors)


@test
def bench_warns_of_memory_that_was_used_before():
    with serve() as (server, url, port):
        idle = ("--mode", "idle", "--connections", "300", "--pid", str(server.process.pid))
        for connections in (0, 0):
            status, report, errors = bench(*idle, url + "/echo")
            equal((status, report["errors"]), (0, 0), errors)
        # The second time, the server has the memory of the first connections.
        expect(report["serverAnonymousPerConnection"] >= 320 or "Restart the server" in errors, report, errors)
    report = run("bench", *QUICK, "--mode", "idle", "--pid", str(os.getpid()), "ws://127.0.0.1:1/")
    equal(report.returncode, 2)


@test
def bench_corrects_for_coordinated_omission():
    def stall(stream, number):
        for count in range(10_000):
            found = stream.read()
            if found is None or found[0] == 8:
                return finish_after_close(stream, found[1] if found else b"")
            if count == 60:
                time.sleep(0.5)
            stream.write(frame(*found))

    listener = Listener(stall)
    arguments = ("--connections", "1", "--duration", "1.5", "--warmup", "0")
    status, report, errors = bench(*arguments, "--rate", "100", listener.url)
    equal((status, report["errors"]), (0, 0), errors)
    # A hundred and fifty messages, fifty of which were due while the server slept.
    expect(140 <= report["latencyCount"] <= 155, report)
    expect(report["latencyMax"] > 400_000 and report["latencyP90"] > 250_000, report)


@test
def bench_counts_what_is_pushed():
    with serve("--interval", "10ms") as (server, url, port):
        status, report, errors = bench("--mode", "push", "--duration", "1", url + "/push")
        equal((status, errors, report["errors"]), (0, "", 0))
        expect(200 <= report["countPerSecond"] <= 440, report)
        expect(report["bytes"] > 30 * report["count"] and report["latencyP50"] is None, report)


@test
def bench_publishes():
    with serve() as (server, url, port):
        for more in ((), ("--text",), ("--loops", "2", "--in-flight", "3"), ("--rate", "100", "--in-flight", "10")):
            status, report, errors = bench("--mode", "publish", *more, url + "/broadcast")
            equal((status, errors, report["errors"]), (0, "", 0), more)
            # A message comes on each of the four connections.
            expect(report["count"] > 20 and report["latencyP50"] > 0, report)
            equal(report["bytes"], 64 * report["count"])
            expect(report["latencyCount"] >= report["count"], report)
        expect(90 <= report["count"] <= 140, report)
        # A server that does not send on.
        status, report, errors = bench("--mode", "publish", url + "/echo")
        equal((status, report["errors"], report["errorsUnanswered"]), (4, 3, 3), report)
    result = run("bench", "--mode", "publish", "--size", "15", "ws://localhost/")
    equal(result.returncode, 64)
    expect(b"--size must be at least 16 in mode publish" in result.stderr, result.stderr)


@test
def bench_goes_on_publishing_without_those_who_have_left():
    """A server that sends on to all, until it cuts one of the others off."""
    streams, lock = [], threading.Lock()

    def broadcast(stream, number):
        with lock:
            streams.append((stream, number))
        count = 0
        while (found := stream.read()) is not None and found[0] != 8:
            count += 1
            with lock:
                for other, name in list(streams):
                    if count == 20 and name == 3:
                        streams.remove((other, name))
                        other.connection.shutdown(socket.SHUT_RDWR)
                    else:
                        other.write(frame(*found))
        finish_after_close(stream, found[1] if found else b"")

    status, report, errors = bench("--mode", "publish", Listener(broadcast).url)
    equal((status, report["errors"], report["errorsLost"], report["connectionsLeft"]), (4, 1, 1, 3), (report, errors))
    expect(report["count"] > 100, report)


@test
def bench_connects_again_and_again():
    with serve() as (server, url, port):
        status, report, errors = bench("--mode", "connect", url + "/echo")
        equal((status, errors, report["errors"]), (0, "", 0))
        expect(report["count"] > 4 and report["latencyCount"] == report["count"], report)


@test
def bench_holds_idle_connections():
    with serve() as (server, url, port):
        pid = ("--pid", str(server.process.pid)) if sys.platform == "linux" else ()
        status, report, errors = bench("--mode", "idle", "--connections", "50", *pid, url + "/echo")
        equal((status, errors, report["errors"]), (0, "", 0))
        equal((report["connectionsOpened"], report["connectionsLeft"], report["count"]), (50, 50, 50))
        if pid:
            expect(report["serverResidentAfter"] >= report["serverResidentBefore"] > 0, report)
            expect(report["serverResidentPerConnection"] is not None, report)


@test
def bench_measures_the_server():
    if sys.platform != "linux":
        return
    with serve() as (server, url, port):
        status, report, errors = bench("--pid", str(server.process.pid), url + "/echo")
        equal((status, errors), (0, ""))
        expect(report["serverShare"] > 0, report)
        expect(report["serverUserMicroseconds"] + report["serverSystemMicroseconds"] > 0, report)


@test
def bench_without_a_server():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        status, report, errors = bench(f"ws://127.0.0.1:{unused.getsockname()[1]}/")
        equal((status, report), (2, None))
        expect("nothing is listening" in errors, errors)
    with serve() as (server, url, port):
        for mode in ("echo", "push", "connect", "idle"):
            status, report, errors = bench("--mode", mode, url + "/nowhere")
            equal((status, report), (3, None))
            expect("404" in errors, errors)


@test
def bench_counts_connections_that_are_refused():
    listener = Listener(echo, limit=1)
    status, report, errors = bench(listener.url)
    equal(status, 2, errors)
    equal((report["errorsConnect"], report["errors"], report["connectionsOpened"]), (3, 3, 1))
    expect(report["count"] > 0, report)


@test
def bench_counts_connections_that_end():
    def close(stream, number):
        stream.read()
        if number == 0:
            stream.write(close_frame(1001, "enough"))
            return finish(stream)
        if number == 1:
            return
        echo(stream)

    listener = Listener(close)
    status, report, errors = bench(listener.url)
    equal(status, 4, errors)
    equal((report["errorsClosed"], report["errorsLost"], report["connectionsLeft"]), (1, 1, 2), report)

    with serve() as (server, url, port), process("bench", "--json", "--duration", "10", url + "/echo") as load:
        server.wait_for_error("opened")
        time.sleep(1.5)
        server.signal(signal.SIGTERM)
        # It does not go on without connections.
        equal(load.end(8), 4)
        equal(json.loads(load.line())["errorsClosed"], 100)


@test
def bench_counts_wrong_echoes():
    def wrong(stream, number):
        while (found := stream.read()) is not None:
            opcode, payload = found
            if opcode == 8:
                return finish_after_close(stream, payload)
            stream.write([frame(2, payload[:-1]), frame(2, b"x" + payload[1:]), frame(1, b"a" * len(payload))][number % 3])

    listener = Listener(wrong)
    status, report, errors = bench("--connections", "3", listener.url)
    equal(status, 4, errors)
    expect(report["errorsWrongEcho"] > 3 and report["errorsWrongEcho"] == report["errors"], report)
    equal(report["count"], 0)


@test
def bench_takes_a_greeting_for_none():
    def greeting(stream, number):
        stream.write(frame(1, b"welcome"))
        # Now and then behind what was sent first.
        first = stream.read() if number % 2 else None
        stream.write(frame(1, b'{"online":4}'))
        while (found := first or stream.read()) is not None:
            first = None
            if found[0] == 8:
                return finish_after_close(stream, found[1])
            stream.write(frame(*found))

    for arguments in ((), ("--in-flight", "3"), ("--rate", "100")):
        status, report, errors = bench(*arguments, Listener(greeting).url)
        equal((status, report["errors"]), (0, 0), (arguments, report, errors))
        expect(report["count"] > 4, report)
    status, report, errors = bench("--mode", "idle", Listener(greeting).url)
    equal((status, report["count"]), (0, 4), report)


@test
def bench_counts_messages_without_an_answer():
    def swallow(stream, number):
        while (found := stream.read()) is not None:
            if found[0] == 8:
                return finish_after_close(stream, found[1])

    listener = Listener(swallow)
    status, report, errors = bench("--in-flight", "2", listener.url)
    equal(status, 4, errors)
    equal((report["errorsUnanswered"], report["errors"], report["count"]), (8, 8, 0))


@test
def bench_is_interrupted():
    with serve() as (server, url, port):
        for mode in ("echo", "push", "connect", "idle"):
            with process("bench", "--mode", mode, "--json", "--warmup", "0", url + "/echo") as load:
                server.wait_for_error("opened")
                time.sleep(1)
                load.signal(signal.SIGINT)
                equal(load.end(5), 130, mode, load.errors)
                report = json.loads(load.line())
                expect(report["interrupted"] and report["errors"] == 0 and report["seconds"] < 5, report)
    # Nobody answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with process("bench", f"ws://127.0.0.1:{silent.getsockname()[1]}/") as load:
            connection, _ = silent.accept()
            load.signal(signal.SIGINT)
            equal(load.end(5), 130)
            load.wait_for_error("interrupted")
            connection.close()


@test
def bench_shows_its_progress():
    arguments = ("bench", "--duration", "1.2", "--warmup", "0", "--connections", "2")
    with serve() as (server, url, port):
        equal(run(*arguments, url + "/echo").stderr, b"")
        expect(b"messages/s   p50" in run(*arguments, "--progress", url + "/echo").stderr)
        with terminal(*arguments, url + "/echo") as load:
            load.wait_for("messages/s   p50")
            equal(load.end(), 0)
            expect(b"throughput" in load.shown)
