"""lifeline connect, and Ctrl-C at each step."""

import contextlib
import signal
import socket
import struct
import time

from command import process, serve
from framework import equal, expect, test
from peers import finish, frame, peer


@test
def interrupt_before_the_connection_is_open():
    def conversation(stream, notes):
        stream.read_head()
        notes.append("asked")
        stream.file.read()

    with peer(conversation) as (url, notes), process("connect", url) as connect:
        while not notes:
            time.sleep(0.01)
        connect.signal(signal.SIGINT)
        equal(connect.end(2), 130)


@contextlib.contextmanager
def silent_port():
    """A port of this machine whose backlog is full, so that the system drops requests to connect to it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    # The backlog takes one more connection than it says, and Linux rounds it up.
    for _ in range(8):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        waiting.append(client)
    time.sleep(0.1)
    try:
        yield listener.getsockname()[1]
    finally:
        for client in waiting:
            client.close()
        listener.close()


@test
def interrupted_commands_report_and_close():
    """Each command closes its connection at the first signal, and ends with the status that its help names."""
    with serve("--interval", "100ms") as (server, url, port):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            for arguments, first, shown in (
                (("bench", "--progress", "--warmup", "0", "--connections", "2", url + "/echo"), None, "interrupted"),
                (("demo", "--pace", "300ms"), "", None),
            ):
                with process(*arguments) as running:
                    if first is None:
                        running.wait_for_error("messages/s")
                    else:
                        running.line()
                    running.signal(number)
                    equal(running.end(5), status, arguments, running.errors)
                    if shown:
                        expect(shown in running.process.stdout.read().decode())
                    else:
                        expect(b"lifeline demo: interrupted after" in running.errors, running.errors)
            with process("trace", "--wait", "60s", url + "/push") as trace:
                while "text" not in trace.line():
                    pass
                trace.signal(number)
                equal(trace.end(5), 0, trace.errors)
                expect("closed 1000 (normal closure), clean, initiated by the client" in trace.process.stdout.read().decode())


@test
def terminated_before_the_connection_is_open():
    def conversation(stream, notes):
        stream.read_head()
        notes.append("asked")
        stream.file.read()

    for command in ("connect", "trace"):
        with peer(conversation) as (url, notes), process(command, url) as running:
            while not notes:
                time.sleep(0.01)
            running.signal(signal.SIGTERM)
            equal(running.end(2), 143)
            expect(f"lifeline {command}: interrupted before the connection was open".encode() in running.errors, running.errors)


@test
def interrupt_while_the_host_is_silent():
    with silent_port() as port, process("connect", f"ws://127.0.0.1:{port}/") as connect:
        time.sleep(1.5)
        connect.signal(signal.SIGINT)
        equal(connect.end(5), 130)


@test
def interrupt_an_open_connection():
    def conversation(stream, notes):
        stream.accept()
        stream.write(frame(1, b"ready"))
        notes.append(finish(stream))

    for number in (signal.SIGINT, signal.SIGTERM):
        with peer(conversation) as (url, notes):
            with process("connect", "--close-reason", "enough", url) as connect:
                equal(connect.line(), "ready")
                connect.signal(number)
                equal(connect.end(3), 0)
                expect(b"clean, initiated by this side" in connect.errors)
        equal(notes, [struct.pack(">H", 1000) + b"enough"])


@test
def interrupt_while_the_peer_does_not_close():
    def conversation(stream, notes):
        stream.accept()
        stream.write(frame(1, b"ready"))
        stream.file.read()

    with peer(conversation) as (url, notes):
        with process("connect", url) as connect:
            equal(connect.line(), "ready")
            connect.signal(signal.SIGINT)
            connect.wait_for_error("Ctrl-C again")
            equal(connect.process.poll(), None)
            connect.signal(signal.SIGINT)
            equal(connect.end(1), 130)


@test
def interrupt_while_nobody_reads():
    with serve("--interval", "1ms") as (server, url, port):
        with process("connect", "--wait", "forever", url + "/push") as connect:
            connect.line()
            # The pipe of 64 KiB is full after some 1,800 updates.
            time.sleep(3)
            connect.signal(signal.SIGINT)
            equal(connect.end(5), 0)
