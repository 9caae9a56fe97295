"""What an attacker on one connection costs another connection on the same event loop.

For each engine and each kind of attack, a server with one loop is attacked over one connection (or a few, where the attack needs
them), while another connection sends an echo every few milliseconds. Two things are measured for each echo: how long it takes,
and how much processor time the loop's thread spends meanwhile, which does not depend on what else the machine does.

Exits with 1 where an echo's share of the loop's processor time passes the limit.
"""
import argparse
import multiprocessing
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
COMPRESSION = "Sec-WebSocket-Extensions: permessage-deflate"


def frame(opcode, payload=b"", fin=True, rsv1=False):
    first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
    size = len(payload)
    if size <= 125:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size <= 0xFFFF:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + bytes(4) + payload


def deflate(data):
    compressor = zlib.compressobj(9, zlib.DEFLATED, -12)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def open_socket(port, path, *fields):
    peer = socket.create_connection(("127.0.0.1", port), timeout=60)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}", *fields, "", ""]
    peer.sendall("\r\n".join(lines).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = peer.recv(1)
        if not byte:
            raise OSError(f"no answer on {path}: {head!r}")
        head += byte
    if not head.startswith(b"HTTP/1.1 101"):
        raise OSError(f"{path} was refused: {head!r}")
    return peer


# MARK: Attacks. Each is given a port and keeps on until it is ended; `reads` drops what comes back as fast as it comes.

def flood(peer, data, reads=True):
    """Sends the same bytes again and again."""
    peer.setblocking(False)
    view = memoryview(data)
    position = 0
    while True:
        try:
            position = (position + peer.send(view[position:])) % len(data)
        except BlockingIOError:
            time.sleep(0.0005)
        if reads:
            try:
                if not peer.recv(1 << 20):
                    return
            except BlockingIOError:
                pass


def again_and_again(port, path, data, *fields, reads=True):
    """The flood, on a new connection where the old one was ended."""
    while True:
        try:
            flood(open_socket(port, path, *fields), data, reads)
        except OSError:
            time.sleep(0.01)


def words(size):
    """Text that compresses as text does, and costs the compressor its work."""
    import random
    source = random.Random(7)
    vocabulary = ["".join(source.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(source.randint(2, 9))) for _ in range(4000)]
    text = " ".join(source.choice(vocabulary) for _ in range(size // 5)).encode()
    return text[:size]


def mebibyte_bombs(port, path):
    again_and_again(port, path, frame(2, deflate(bytes(1 << 20)), rsv1=True) * 400, COMPRESSION)


def small_bombs(port, path):
    again_and_again(port, path, frame(2, deflate(bytes(60_000)), rsv1=True) * 4000, COMPRESSION)


def compressed_fragments(port, path):
    data = frame(1, deflate(b"a" * 1_048_000), fin=False, rsv1=True) + frame(0, b"", fin=False) * 16_000
    while True:
        try:
            peer = open_socket(port, path, COMPRESSION)
            peer.sendall(data)
            peer.sendall(frame(0))
            time.sleep(0.05)
            peer.close()
        except OSError:
            time.sleep(0.01)


def empty_fragments(port, path):
    data = frame(1, b"a", fin=False) + frame(0, b"", fin=False) * 16_000 + frame(0)
    again_and_again(port, path, data)


def tiny_messages(port, path):
    again_and_again(port, path, frame(2, b"x") * 70_000)


def tiny_messages_without_reading(port, path):
    again_and_again(port, path, frame(2, b"x") * 70_000, reads=False)


def text_to_compress(port, path):
    again_and_again(port, path, frame(1, words(1 << 20) [: (1 << 20) - 16]), COMPRESSION)


def compressed_text(port, path):
    again_and_again(port, path, frame(1, deflate(words(1 << 20)), rsv1=True), COMPRESSION)


def pings(port, path):
    again_and_again(port, path, frame(9, b"0123456789") * 30_000)


def large_messages(port, path):
    again_and_again(port, path, frame(2, bytes(1 << 20)))


def behind_close(port, path):
    data = frame(8, struct.pack("!H", 1000)) + frame(2, b"x") * 70_000
    while True:
        try:
            peer = open_socket(port, path)
            peer.sendall(data)
            peer.close()
        except OSError:
            time.sleep(0.001)


def pipelined_requests(port, path):
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    while True:
        try:
            peer = socket.create_connection(("127.0.0.1", port), timeout=60)
            flood(peer, request * 5000)
        except OSError:
            time.sleep(0.001)


def connections(port, path):
    """Opens and drops connections as fast as one process can."""
    while True:
        try:
            open_socket(port, path).close()
        except OSError:
            time.sleep(0.001)


def split_requests(port, path):
    """A head that comes in single bytes."""
    while True:
        try:
            peer = socket.create_connection(("127.0.0.1", port), timeout=60)
            for byte in b"GET /" + b"a" * 15_000:
                peer.send(bytes([byte]))
            peer.close()
        except OSError:
            time.sleep(0.001)


ATTACKS = [
    ("messages of 1 MiB, compressed 1000:1, ignored", mebibyte_bombs, "/push", 1),
    ("messages of 1 MiB, compressed 1000:1, echoed", mebibyte_bombs, "/echo", 1),
    ("messages of 60 KB, compressed 1000:1, echoed on the loop", small_bombs, "/echo/on-loop", 1),
    ("1 MiB compressed, then 16,000 empty fragments", compressed_fragments, "/echo", 1),
    ("empty fragments", empty_fragments, "/echo", 1),
    ("messages of one byte, echoed", tiny_messages, "/echo", 1),
    ("messages of one byte, echoed on the loop", tiny_messages, "/echo/on-loop", 1),
    ("messages of one byte, whose echoes are not read", tiny_messages_without_reading, "/echo", 1),
    ("text of 1 MiB, echoed compressed", text_to_compress, "/echo", 1),
    ("text of 1 MiB, compressed, echoed compressed", compressed_text, "/echo", 1),
    ("text of 1 MiB, compressed, echoed on the loop", compressed_text, "/echo/on-loop", 1),
    ("Pings", pings, "/echo", 1),
    ("messages of 1 MiB, echoed", large_messages, "/echo", 1),
    ("frames behind Close", behind_close, "/echo", 1),
    ("HTTP requests, pipelined", pipelined_requests, "/", 1),
    ("connections opened and dropped", connections, "/echo", 1),
    ("a head in single bytes", split_requests, "/", 1),
    ("20 connections with messages of 1 MiB, compressed 1000:1", mebibyte_bombs, "/push", 20),
    ("20 connections with messages of one byte", tiny_messages, "/echo", 20),
]


# MARK: Measuring

class Server:
    def __init__(self, binary, engine, arguments):
        self.process = subprocess.Popen(
            [binary, "serve", "--port", "0", "--loops", "1", "--engine", engine, "--no-page", "--interval", "1000s", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline().decode()
        found = re.search(r":(\d+)", line)
        if not found:
            self.process.kill()
            raise SystemExit(f"the server did not start with --engine {engine}: {line!r}")
        self.port = int(found.group(1))
        multiprocessing.Process(target=self._drain, daemon=True).start()

    def _drain(self):
        for _ in self.process.stdout:
            pass

    def threads(self):
        """The processor time of each thread so far, in nanoseconds."""
        times = {}
        base = f"/proc/{self.process.pid}/task"
        for thread in os.listdir(base):
            try:
                with open(f"{base}/{thread}/schedstat") as file:
                    times[thread] = int(file.read().split()[0])
            except OSError:
                pass
        return times

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) * 1024

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False
        return self.process.returncode == 0


def echo(victim, data):
    victim.sendall(data)
    rest = len(data) - 4
    while rest > 0:
        piece = victim.recv(rest)
        if not piece:
            raise OSError("the server ended the connection that attacks nobody")
        rest -= len(piece)


def busiest(before, after):
    return max(after, key=lambda thread: after[thread] - before.get(thread, 0))


def loop_thread(server, victim):
    """The thread that serves the victim's connection."""
    before = server.threads()
    for _ in range(300):
        echo(victim, frame(1, b"ping"))
    return busiest(before, server.threads())


def measure(binary, engine, attack, path, count, seconds, arguments):
    server = Server(binary, engine, arguments)
    attackers, victim = [], None
    try:
        victim = open_socket(server.port, "/echo")
        thread = loop_thread(server, victim)
        stat = open(f"/proc/{server.process.pid}/task/{thread}/schedstat")

        def processor_time():
            stat.seek(0)
            return int(stat.read().split()[0])

        attackers = [multiprocessing.Process(target=attack, args=(server.port, path), daemon=True) for _ in range(count)]
        for attacker in attackers:
            attacker.start()
        walls, shares = [], []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began, used = time.monotonic(), processor_time()
            echo(victim, frame(1, b"ping"))
            shares.append((processor_time() - used) / 1e6)
            walls.append((time.monotonic() - began) * 1e3)
            time.sleep(0.002)
        busy = processor_time()
        memory = server.memory()
    finally:
        for attacker in attackers:
            attacker.kill()
            attacker.join()
        # The victim does not answer the server's Close frame, so the server would wait for it.
        if victim:
            victim.close()
        ended = server.stop()
    return walls, shares, busy / 1e9, memory, ended


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--engines", default="epoll,io_uring,nio")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--limit", type=float, default=20, help="milliseconds of the loop's processor time for one echo")
    parser.add_argument("--only", default="", help="attacks whose names hold this")
    parser.add_argument("arguments", nargs="*", help="further arguments of lifeline serve")
    options = parser.parse_args()
    failures = 0
    print("| attack | engine | echoes | p50 ms | p99 ms | worst ms | processor p99 ms | processor worst ms | memory MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, attack, path, count in ATTACKS:
        if options.only not in name:
            continue
        for engine in options.engines.split(","):
            walls, shares, busy, memory, ended = measure(
                options.binary, engine, attack, path, count, options.seconds, options.arguments)
            is_failed = max(shares) > options.limit or not ended
            failures += is_failed
            print(f"| {name} | {engine} | {len(walls)} | {percentile(walls, 0.5):.2f} | {percentile(walls, 0.99):.1f} | "
                  f"{max(walls):.1f} | {percentile(shares, 0.99):.1f} | {max(shares):.1f} | {memory / 1048576:.0f} |"
                  + (" **over the limit**" if max(shares) > options.limit else "") + ("" if ended else " **did not end**"), flush=True)
    if failures:
        print(f"{failures} of them over {options.limit:g} ms of the loop's processor time, or not ended", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
