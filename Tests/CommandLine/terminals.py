"""lifeline connect, on a terminal."""

import re

from command import serve, terminal
from framework import equal, expect, test
from peers import close_frame, finish, frame, peer


@test
def talk_on_a_terminal():
    with serve() as (server, url, port):
        with terminal("connect", url + "/echo") as connect:
            connect.wait_for("connected to")
            connect.type("hello\n")
            connect.wait_for("\x1b[36m<\x1b[0m hello")
            connect.type("\x04")
            equal(connect.end(), 0)
            expect(b"closed 1000 (normal closure), clean, initiated by this side" in connect.shown)
        with terminal(
            "connect", "--timestamps", "--control", "--ping-interval", "50ms", url + "/echo", NO_COLOR="1"
        ) as connect:
            connect.wait_for("round trip")
            connect.type("\x03")
            equal(connect.end(), 0)
            expect(re.search(rb"\d\d:\d\d:\d\d\.\d{3} < close 1000", connect.shown), connect.shown)
        with terminal("connect", url + "/echo", TERM="dumb") as connect:
            connect.wait_for("connected to")
            connect.type("hello\n")
            connect.wait_for("< hello")
            connect.type("\x04")
            equal(connect.end(), 0)
            expect(b"\x1b" not in connect.shown, connect.shown)


@test
def nothing_from_a_peer_moves_the_cursor():
    evil = "\x1b[2J\x1b]0;t\x07\u009b31m\r\n\u202e\x7f"

    def conversation(stream, notes):
        stream.accept("Sec-WebSocket-Protocol: one\r\n")
        stream.write(frame(1, evil.encode()) + frame(2, b"\x1b[2J") + frame(9, b"\x1b[2J") + close_frame(4000, evil))
        finish(stream)

    with peer(conversation) as (url, notes), terminal(
        "connect", "--control", "--subprotocol", "one", url, TERM="dumb"
    ) as connect:
        equal(connect.end(), 4)
        expect(r"< \x1b[2J\x1b]0;t\x07\u{9b}31m\r\n\u{202e}\x7f" in connect.shown.decode(), connect.shown)
        expect("< 4 bytes 1b 5b 32 4a" in connect.shown.decode())
        expect(not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]", connect.shown), connect.shown)
