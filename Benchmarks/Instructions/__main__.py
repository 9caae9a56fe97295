"""Counts the instructions of a server for each message: see scripts/instructions."""

from __future__ import annotations

import argparse
import os
import re
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(prog="scripts/instructions")
parser.add_argument("plugin")
parser.add_argument("--engine", choices=["epoll", "nio"], default="epoll")
parser.add_argument("--observed", action="store_true", help="with an observer that counts events")
parser.add_argument("--only", default="", help="only scenarios whose name contains TEXT")
parser.add_argument("--limit", type=float, help="fail where the second server takes more than so many percent more")
parser.add_argument("servers", nargs="+", help="LifelineEcho, of one build or of two to compare")
options = parser.parse_args()
if len(options.servers) > 2:
    parser.error("one server, or two to compare")

SAMPLES = 3
MASK = b"\x11\x22\x33\x44"


def request(path):
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()


def header(size, mask):
    if size < 126:
        return bytes([0x82, mask | size])
    if size < 65536:
        return bytes([0x82, mask | 126]) + struct.pack(">H", size)
    return bytes([0x82, mask | 127]) + struct.pack(">Q", size)


def frame(size):
    """A client's frame with a binary message."""
    return header(size, 0x80) + MASK + bytes(index & 255 ^ MASK[index & 3] for index in range(size))


class Server:
    """A server on one loop, whose instructions are counted."""

    def __init__(self, binary):
        self.directory = tempfile.TemporaryDirectory()
        self.counter = os.path.join(self.directory.name, "counter")
        arguments = [binary, "--port", "0", "--loops", "1", f"--{options.engine}"]
        if options.observed:
            arguments.append("--observed")
        self.process = subprocess.Popen(
            ["qemu-x86_64", "-plugin", f"{options.plugin},counter={self.counter}", *arguments],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"listening (\d+)", line)
        if not found:
            sys.exit(f"{binary} does not begin: {line}")
        self.port = int(found.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()

    def connect(self, path):
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(request(path))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += peer.recv(1)
        if b" 101 " not in answer:
            sys.exit(f"{path}: {answer.decode(errors='replace')}")
        return peer

    def instructions(self):
        """How many there were, once there are no more."""
        last = -1
        while True:
            with open(self.counter, "rb") as file:
                (now,) = struct.unpack("=Q", file.read(8))
            if now - last < 1000:
                return now
            last = now
            time.sleep(0.2)


def take(peer, size):
    while size > 0:
        data = peer.recv(min(size, 1 << 20))
        if not data:
            sys.exit("the server has ended the connection")
        size -= len(data)


def count(server, messages, receivers, exchange):
    """Instructions for each message and receiver, of several samples after a warm-up."""
    exchange(messages)
    samples = []
    for _ in range(SAMPLES):
        before = server.instructions()
        exchange(messages)
        samples.append((server.instructions() - before) / messages / receivers)
    return samples


def echo(server, path, size, connections, messages):
    """One message after the other, on one connection after the other."""
    peers = [server.connect(path) for _ in range(connections)]
    sent, returned = frame(size), size + len(header(size, 0))

    def exchange(number):
        for index in range(number):
            peer = peers[index % connections]
            peer.sendall(sent)
            take(peer, returned)

    return count(server, messages, 1, exchange)


def push(server, path, size, connections, messages):
    """What one connection sends goes to all."""
    peers = [server.connect(path) for _ in range(connections)]
    sent, returned = frame(size), size + len(header(size, 0))

    def exchange(number):
        for _ in range(number):
            peers[0].sendall(sent)
            for peer in peers:
                take(peer, returned)

    return count(server, messages, connections, exchange)


SCENARIOS = {
    f"{what}, {face}": (run, path, *parameters)
    for what, run, kind, parameters in [
        ("64 B", echo, "echo", (64, 1, 3000)),
        ("64 B, 1,000 connections", echo, "echo", (64, 1000, 4000)),
        ("16 KiB", echo, "echo", (16_384, 1, 1000)),
        ("push of 64 B to 100", push, "push", (64, 100, 60)),
    ]
    for face, path in [("on the loop", {"echo": "/on-loop", "push": "/push/on-loop"}[kind]), ("async", f"/{kind}")]
}


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    scenarios = {name: scenario for name, scenario in SCENARIOS.items() if options.only in name}
    if not scenarios:
        sys.exit(f"no scenario's name has {options.only!r}")
    comparing = len(options.servers) == 2
    print("| a message | instructions | " + ("before | ratio |" if comparing else "samples |"))
    print("|---|---|---|" + ("---|" if comparing else ""))
    worse = []
    for name, (run, path, *parameters) in scenarios.items():
        samples = []
        for binary in options.servers:
            with Server(binary) as server:
                samples.append(run(server, path, *parameters))
        medians = [statistics.median(each) for each in samples]
        if comparing:
            ratio = medians[1] / medians[0]
            print(f"| {name} | {medians[1]:,.0f} | {medians[0]:,.0f} | {ratio:.3f} |", flush=True)
            if options.limit is not None and ratio > 1 + options.limit / 100:
                worse.append(name)
        else:
            print(f"| {name} | {medians[0]:,.0f} | {min(samples[0]):,.0f} to {max(samples[0]):,.0f} |", flush=True)
    if worse:
        sys.exit(f"more than {options.limit:g} % more instructions: " + ", ".join(worse))


main()
