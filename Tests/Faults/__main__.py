"""Every system call that Lifeline makes fails once, and again and again: nothing crashes, hangs, spins or leaks.

    Tests/Faults LIBRARY BINARY [--all] [--only TEXT] [--jobs NUMBER]

Each trial is a process of its own, a server, a client, a proxy or a recording server, of whose calls of one system call the first,
the second or the hundredth fails. Without --all, the first error of each call is tried at each place, and the others at one.
"""

import argparse
import concurrent.futures
import errno
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("library")
parser.add_argument("binary")
parser.add_argument("--all", action="store_true")
parser.add_argument("--only", default="")
parser.add_argument("--jobs", type=int, default=4)
options = parser.parse_args()

ENGINES = ["epoll", "io_uring", "nio"]
# How long a process may take to end after SIGINT. A shutdown waits a second for what ignores it.
PATIENCE = 30

# The calls, where they are made (E: epoll, U: io_uring, N: SwiftNIO, C: the command, R: a recorder), and what they can fail with.
# Those of SwiftNIO are its own; they are tried since servers with TLS, and the proxy, stand on it.
CALLS = [
    ("socket", "EUNC", ["EMFILE", "ENOBUFS"]),
    ("bind", "EUN", ["EADDRINUSE", "EACCES"]),
    ("listen", "EUN", ["EADDRINUSE"]),
    ("connect", "C", ["ECONNREFUSED", "ENETUNREACH"]),
    ("accept4", "EN", ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ECONNABORTED"]),
    ("setsockopt", "EUN", ["ENOBUFS", "ENOPROTOOPT"]),
    ("getsockopt", "EUC", ["ENOBUFS"]),
    ("getsockname", "EUN", ["ENOBUFS"]),
    ("getpeername", "EUN", ["ENOTCONN"]),
    ("recv", "EU", ["ECONNRESET", "ENOMEM", "EINTR"]),
    ("send", "EU", ["ECONNRESET", "EPIPE", "ENOMEM", "EINTR"]),
    ("sendmsg", "EU", ["ECONNRESET", "EPIPE", "ENOMEM", "EINTR"]),
    ("shutdown", "EUN", ["ENOTCONN"]),
    ("close", "EU", ["EIO", "EINTR"]),
    ("epoll_create1", "EN", ["EMFILE", "ENOMEM"]),
    ("epoll_ctl", "E", ["ENOSPC", "ENOMEM"]),
    ("epoll_wait", "EN", ["EINTR"]),
    ("eventfd", "EUN", ["EMFILE", "ENOMEM"]),
    ("read", "EUNC", ["EINTR", "EIO"]),
    ("write", "EUNC", ["EINTR", "ENOSPC"]),
    ("mmap", "U", ["ENOMEM"]),
    ("munmap", "U", ["ENOMEM"]),
    ("pthread_create", "EU", ["EAGAIN"]),
    ("sem_init", "EU", ["ENOSPC"]),
    ("getentropy", "EUNC", ["EIO"]),
    ("fcntl", "EUC", ["EMFILE", "EINVAL"]),
    ("ioctl", "EUC", ["ENOTTY"]),
    ("io_uring_setup", "U", ["ENOMEM", "EMFILE", "EPERM"]),
    ("io_uring_register", "U", ["ENOMEM", "EINVAL"]),
    ("io_uring_enter", "U", ["EINTR", "EAGAIN", "EBUSY", "ENOMEM"]),
    ("open", "R", ["EMFILE", "ENOSPC", "EACCES"]),
    ("write", "R", ["ENOSPC", "EIO"]),
    ("rename", "R", ["EACCES"]),
    ("getentropy", "P", ["EIO"]),
    ("sendmsg", "P", ["ECONNRESET"]),
    ("read", "P", ["ECONNRESET", "EINTR"]),
    ("write", "P", ["EPIPE", "EINTR"]),
    ("accept4", "P", ["EMFILE", "ENOMEM"]),
    ("socket", "P", ["EMFILE"]),
    ("connect", "P", ["ECONNREFUSED"]),
]
# Where SwiftNIO ends the process, or takes itself out of service; see docs/testing.md.
KNOWN = {
    ("nio", "accept4"), ("nio", "epoll_create1"), ("nio", "epoll_ctl"), ("nio", "epoll_wait"), ("nio", "eventfd"),
}
# A process that SwiftNIO has ended says where, in a file of SwiftNIO's.
NIO_TRAP = re.compile(r"NIO(Core|Posix|Concurrency\w*)/\w+\.swift:\d+: (Fatal error|Precondition failed)")


class Trial:
    def __init__(self, subject, call, code, number, count=1):
        self.subject, self.call, self.code, self.number, self.count = subject, call, code, number, count

    @property
    def name(self):
        many = "" if self.count == 1 else f", and {self.count - 1} more"
        return f"{self.subject}: {self.call} {self.number}{many}: {self.code}"


def trials():
    subjects = {"E": "epoll", "U": "io_uring", "N": "nio", "C": "client", "R": "recorder", "P": "proxy"}
    for call, places, codes in CALLS:
        for place in places:
            for index, code in enumerate(codes):
                for number in (1, 2, 100):
                    if options.all or index == 0 or number == 2:
                        yield Trial(subjects[place], call, code, number)
                if options.all or index == 0:
                    # For good, as where something has run out.
                    if call not in ("pthread_create", "mmap", "read", "close", "munmap", "epoll_wait", "io_uring_enter"):
                        yield Trial(subjects[place], call, code, 5, 40)


def frame(opcode, payload):
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    return head + bytes(4) + payload


REQUEST = (
    "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()


def exchange(address, sizes=(5,), timeout=3):
    """Opens a WebSocket, has messages echoed, and closes it. Returns whether all of that went as it should."""
    try:
        with socket.create_connection(address, timeout) as peer:
            peer.sendall(REQUEST)
            data = b""
            while b"\r\n\r\n" not in data:
                more = peer.recv(4096)
                if not more:
                    return False
                data += more
            for size in sizes:
                peer.sendall(frame(2, b"x" * size))
                left = size
                while left > 0:
                    more = peer.recv(65536)
                    if not more:
                        return False
                    left -= len(more)
            peer.sendall(frame(8, b"\x03\xe8"))
            while peer.recv(65536):
                pass
            return True
    except OSError:
        return False


def processor(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_use(pid, seconds=0.3):
    """The part of a core that a process takes."""
    before, start = processor(pid), time.time()
    time.sleep(seconds)
    return (processor(pid) - before) / (time.time() - start)


def descriptors(pid):
    """The number of its open sockets, pipes and files, and that of its timers, events and the like."""
    counts = [0, 0]
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            counts[os.readlink(f"/proc/{pid}/fd/{name}").startswith("anon_inode:")] += 1
        except OSError:
            continue
    return counts


def open_files(pid):
    """What its descriptors are, in words."""
    names = []
    for name in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        try:
            names.append(f"{name} {os.readlink(f'/proc/{pid}/fd/{name}')}")
        except OSError:
            continue
    return ", ".join(names)


class Running:
    """A command of Lifeline's of which one system call fails."""

    def __init__(self, trial, arguments):
        self.directory = tempfile.TemporaryDirectory()
        self.hit_path = os.path.join(self.directory.name, "hit")
        # A backtrace takes longer than all the rest.
        environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
        if trial:
            environment.update(
                LD_PRELOAD=options.library, LIFELINE_FAULT_HIT=self.hit_path,
                LIFELINE_FAULT=f"{trial.call}:{trial.number}:{trial.count}:{getattr(errno, trial.code)}")
        self.process = subprocess.Popen(
            [options.binary, *arguments], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.pid = self.process.pid
        self.output, self.errors = [], []
        self.readers = [
            threading.Thread(target=self.read, args=(stream, into), daemon=True)
            for stream, into in ((self.process.stdout, self.output), (self.process.stderr, self.errors))]
        for reader in self.readers:
            reader.start()

    def read(self, stream, into):
        for line in stream:
            into.append(line.decode(errors="replace").rstrip())

    def first_line(self, timeout=PATIENCE):
        end = time.time() + timeout
        while time.time() < end:
            if self.output:
                return self.output[0]
            if self.process.poll() is not None:
                for reader in self.readers:
                    reader.join(1)
                return self.output[0] if self.output else None
            time.sleep(0.005)
        return None

    @property
    def was_hit(self):
        return os.path.exists(self.hit_path)

    def end(self, timeout=PATIENCE):
        """Ends the process; returns its status, or None where it had to be killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait(timeout)

    def wait(self, timeout=PATIENCE):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:
            for reader in self.readers:
                reader.join(2)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()


def words(running):
    traps = [line for line in running.errors if NIO_TRAP.search(line)]
    return " | ".join((traps or running.errors or ["(nothing in the log)"])[-3:])[:400]


def died(status):
    return status is None or status < 0


def ended_for_lost_output(trial, server):
    """Whether the command has ended with status 74 and said that it could not write its output."""
    return trial.call == "write" and server.wait(PATIENCE) == 74 and "could not be written" in words(server)


def serve(trial, server):
    """Tries a server, or a proxy, of which a call fails: it ends and says why, or goes on as if nothing had been."""
    line = server.first_line()
    if line is None:
        status = server.wait(PATIENCE) if server.process.poll() is not None else server.end()
        if died(status):
            return f"does not begin, and ends with {status}: {words(server)}"
        # What cannot be written is the command's business, which Tests/CommandLine looks after.
        if trial.call != "write" and (status == 0 or not server.errors):
            return f"does not begin, and says nothing of it (status {status}): {words(server)}"
        return None
    match = re.search(r":(\d+)(/|$)", line)
    if not match:
        # What was to be the first line could not be written, so the command ends by itself.
        status = server.wait(PATIENCE) if trial.call == "write" else server.end()
        return f"ends with {status}: {words(server)}" if died(status) else None
    address = ("127.0.0.1", int(match.group(1)))
    # What the process makes when it is needed first is no leak.
    exchange(address, (300_000,))
    exchange(address)
    base = descriptors(server.pid)
    if trial.count > 1:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(exchange, [address] * trial.count))
    many = 60 if trial.number > 10 or trial.subject == "recorder" else 6
    for number in range(many):
        exchange(address, (5, 300_000) if number % 10 == 0 else (5,))
        if server.process.poll() is not None:
            if ended_for_lost_output(trial, server):
                return None
            return f"ends by itself with {server.process.returncode}: {words(server)}"
    # One that reads nothing, and goes.
    try:
        with socket.create_connection(address, 3) as peer:
            peer.setblocking(False)
            for piece in [REQUEST, *[frame(2, b"x" * 60_000)] * 40]:
                select.select([], [peer], [], 0.05)
                try:
                    peer.send(piece)
                except BlockingIOError:
                    break
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    for _ in range(many):
        exchange(address)
    end = time.time() + PATIENCE
    while not exchange(address):
        if time.time() > end or server.process.poll() is not None:
            if ended_for_lost_output(trial, server):
                return None
            return f"serves nobody any more: {words(server)}"
        time.sleep(0.1)
    # The runtime makes timers and events when it first needs them, which may be late, and keeps them.
    while (left := descriptors(server.pid))[0] > base[0] + 1 or left[1] > base[1] + 4:
        if time.time() > end + PATIENCE:
            return f"{sum(left)} descriptors are open, of {sum(base)}: {open_files(server.pid)}"
        time.sleep(0.05)
    # What was begun may still end; what goes round for nothing does not.
    end = time.time() + PATIENCE
    while (used := processor_use(server.pid)) > 0.3:
        if time.time() > end:
            return f"takes {used:.0%} of a core for nothing"
    # A command that could not write its output ends by itself, and gives the signals back to the system before it exits.
    end = time.time() + 2
    while trial.call == "write" and server.was_hit and server.process.poll() is None and time.time() < end:
        time.sleep(0.02)
    if server.process.poll() is not None and ended_for_lost_output(trial, server):
        return None
    status = server.end()
    if died(status):
        return f"ends with {status} on SIGINT: {words(server)}"
    return None


def try_server(trial, engine):
    server = Running(
        trial, ["serve", "--port", "0", "--no-page", "--loops", "2", "--engine", engine])
    try:
        return serve(trial, server), server.was_hit
    finally:
        server.close()


def try_recorder(trial):
    with tempfile.TemporaryDirectory() as directory:
        server = Running(
            trial, ["serve", "--port", "0", "--no-page", "--loops", "1", "--record", f"{directory}/r.jsonl",
                    "--record-size", "64k"])
        try:
            return serve(trial, server), server.was_hit
        finally:
            server.close()


def try_proxy(trial):
    upstream = Running(None, ["serve", "--port", "0", "--no-page", "--loops", "1"])
    proxy = None
    try:
        port = int(re.search(r":(\d+)", upstream.first_line()).group(1))
        proxy = Running(
            trial, ["proxy", "--listen", "0", "--no-page", "--to", f"ws://127.0.0.1:{port}"])
        return serve(trial, proxy), proxy.was_hit
    finally:
        if proxy:
            proxy.close()
        upstream.end()
        upstream.close()


def try_client(trial):
    upstream = Running(None, ["serve", "--port", "0", "--no-page", "--loops", "1"])
    client = None
    try:
        port = int(re.search(r":(\d+)", upstream.first_line()).group(1))
        client = Running(
            trial, ["connect", "--wait", "100ms", f"ws://127.0.0.1:{port}/echo"])
        try:
            client.process.stdin.write(b"hello\n" * 120)
            client.process.stdin.close()
        except OSError:
            pass
        status = client.wait()
        if died(status):
            return f"ends with {status}: {words(client)}", client.was_hit
        if status != 0 and not client.errors:
            return f"ends with {status}, and does not say why", client.was_hit
        return None, client.was_hit
    finally:
        if client:
            client.close()
        upstream.end()
        upstream.close()


def run(trial):
    start = time.time()
    try:
        if trial.subject in ENGINES:
            fault, was_hit = try_server(trial, trial.subject)
        else:
            fault, was_hit = globals()["try_" + trial.subject](trial)
    except Exception as error:  # The trial's own failure is one too.
        fault, was_hit = f"{type(error).__name__}: {error}", True
    return trial, fault, was_hit, time.time() - start


def main():
    global ENGINES
    probe = Running(None, ["serve", "--port", "0", "--no-page", "--engine", "io_uring"])
    has_uring = probe.first_line() is not None
    probe.end()
    probe.close()
    todo = [trial for trial in trials() if options.only in trial.name and (has_uring or trial.subject != "io_uring")]
    if not todo:
        sys.exit(f"no trial's name has {options.only!r}")
    start, faults, hits = time.time(), 0, 0
    unseen = set()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for trial, fault, was_hit, seconds in pool.map(run, todo):
            hits += was_hit
            if trial.number == 1 and not was_hit:
                unseen.add(f"{trial.subject}: {trial.call}")
            if fault and ((trial.subject, trial.call) in KNOWN or NIO_TRAP.search(fault)):
                print(f"known    {trial.name}: {fault}", flush=True)
            elif fault:
                faults += 1
                print(f"FAULT    {trial.name}: {fault}", flush=True)
    if not has_uring:
        print("io_uring is not to be had here, and was not tried")
    if unseen:
        print("never called: " + ", ".join(sorted(unseen)))
    print(f"{len(todo)} trials, in {hits} of which a call failed; {faults} faults; {time.time() - start:.0f} s")
    sys.exit(1 if faults or hits < len(todo) // 2 else 0)


main()
