"""Runs the command: to its end, beside the test, as a server, or on a terminal."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

from framework import TIMEOUT, expect


class Command:
    binary = ""
    """The command under test."""


def environment(**changes):
    result = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LANG", "LC_CTYPE")
    }
    result["LC_ALL"] = "C.UTF-8"
    result.update(changes)
    return {name: value for name, value in result.items() if value is not None}


def run(*arguments, input=b"", **changes):
    """Runs the command to its end."""
    if isinstance(input, str):
        input = input.encode()
    return subprocess.run(
        [Command.binary, *arguments], input=input, capture_output=True, timeout=TIMEOUT, env=environment(**changes)
    )


class Process:
    """A command that runs while the test does something to it."""

    def __init__(self, *arguments, stdin=subprocess.PIPE, **changes):
        self.process = subprocess.Popen(
            [Command.binary, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(**changes),
        )
        self.errors = b""
        self.reader = threading.Thread(target=self.read_errors, daemon=True)
        self.reader.start()

    def read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def line(self):
        return self.process.stdout.readline().decode().rstrip("\n")

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def signal(self, number):
        self.process.send_signal(number)

    def wait_for_error(self, text):
        end = time.monotonic() + TIMEOUT
        while text not in self.errors.decode():
            expect(time.monotonic() < end, "no", repr(text), "in", self.errors)
            time.sleep(0.01)

    def end(self, timeout=TIMEOUT):
        status = self.process.wait(timeout)
        self.reader.join(1)
        return status

    def kill(self):
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def process(*arguments, **options):
    running = Process(*arguments, **options)
    try:
        yield running
    finally:
        running.kill()


@contextlib.contextmanager
def serve(*arguments):
    """A server of the command's own; yields it, its URL and its port."""
    with process("serve", "--port", "0", *arguments, stdin=subprocess.DEVNULL) as server:
        line = re.sub(r"\x1b\[\d*m", "", server.line())
        match = re.fullmatch(r"listening on (wss?://.*:(\d+))", line)
        expect(match, "the first line is", repr(line))
        yield server, match[1], int(match[2])


class Pty:
    """A command on a terminal."""

    def __init__(self, *arguments, columns=80, rows=24, **changes):
        changes.setdefault("TERM", "xterm-256color")
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(Command.binary, [Command.binary, *arguments], environment(**changes))
        self.shown = b""
        self.status = None

    def read(self, seconds=0.1):
        """Reads what is shown within a while; `False` at the end."""
        if select.select([self.terminal], [], [], seconds)[0]:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                return False
            self.shown += data
            return bool(data)
        return True

    def wait_for(self, text):
        end = time.monotonic() + TIMEOUT
        while text.encode() not in self.shown:
            expect(time.monotonic() < end and self.read(), "no", repr(text), "in", self.shown)

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def end(self):
        end = time.monotonic() + TIMEOUT
        while self.read():
            expect(time.monotonic() < end, "it does not end; it shows", self.shown)
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        os.close(self.terminal)
        return self.status

    def kill(self):
        if self.status is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                os.close(self.terminal)


@contextlib.contextmanager
def terminal(*arguments, **options):
    running = Pty(*arguments, **options)
    try:
        yield running
    finally:
        running.kill()
