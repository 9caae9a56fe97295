"""lifeline connect, and Ctrl-C at each step."""

import signal
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


@test
def interrupt_while_the_host_is_silent():
    # An address of the network for documentation (RFC 5737): nobody answers, or nobody can be reached.
    with process("connect", "ws://192.0.2.1/") as connect:
        time.sleep(0.3)
        connect.signal(signal.SIGINT)
        expect(connect.end(2) in (2, 130))


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
                expect(b"clean, begun by this side" in connect.errors)
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
