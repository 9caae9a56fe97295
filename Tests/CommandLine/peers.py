"""Peers that are written by hand, so that they can be wrong."""

import base64
import contextlib
import hashlib
import re
import socket
import struct
import threading
import traceback

from framework import TIMEOUT, expect


def frame(opcode, payload=b"", masked=False):
    length = len(payload)
    mask = 0x80 if masked else 0
    header = bytes([0x80 | opcode])
    if length < 126:
        header += bytes([mask | length])
    elif length < 65536:
        header += bytes([mask | 126]) + struct.pack(">H", length)
    else:
        header += bytes([mask | 127]) + struct.pack(">Q", length)
    return header + (b"\0\0\0\0" if masked else b"") + payload


def close_frame(code, reason="", masked=False):
    return frame(8, struct.pack(">H", code) + reason.encode(), masked)


class Stream:
    """One side of a WebSocket, by hand."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(TIMEOUT)
        self.file = connection.makefile("rb")

    def read_head(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.file.read(1)
            expect(byte, "TCP ended in the head", head)
            head += byte
        return head.decode()

    def read(self):
        """The next frame's opcode and payload, or nothing at the end."""
        header = self.file.read(2)
        if len(header) < 2:
            return None
        length = header[1] & 0x7F
        if length == 126:
            length = struct.unpack(">H", self.file.read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.file.read(8))[0]
        key = self.file.read(4) if header[1] & 0x80 else b"\0\0\0\0"
        payload = self.file.read(length)
        if any(key):
            payload = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
        return header[0] & 0x0F, payload

    def write(self, data):
        self.connection.sendall(data)

    def accept(self, extra=""):
        head = self.read_head()
        key = re.search(r"(?i)sec-websocket-key: *(\S+)", head)[1]
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self.write(
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n{extra}\r\n"
            ).encode()
        )
        return head


@contextlib.contextmanager
def peer(conversation):
    """A server that has one conversation; yields its URL and what the conversation notes."""
    notes = []
    errors = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(TIMEOUT)

    def work():
        try:
            connection, _ = listener.accept()
            with connection:
                conversation(Stream(connection), notes)
        except Exception:
            errors.append(traceback.format_exc())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/", notes
        thread.join(TIMEOUT)
        expect(not errors, *errors)
    finally:
        listener.close()


def client(port, path="/echo", extra=""):
    stream = Stream(socket.create_connection(("127.0.0.1", port)))
    stream.write(
        (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
        ).encode()
    )
    return stream


def http(port, head, host="h"):
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
        connection.sendall((head + f"\r\nHost: {host}\r\nConnection: close\r\n\r\n").encode())
        return connection.makefile("rb").read().decode()


def finish(stream):
    """Answers a Close frame, and waits for the end of TCP."""
    while (received := stream.read()) is not None:
        if received[0] == 8:
            stream.write(frame(8, received[1]))
            stream.connection.shutdown(socket.SHUT_WR)
            stream.file.read()
            return received[1]
    return None
