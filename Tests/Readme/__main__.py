"""Does what README.md says: see scripts/test-readme.

Runs each command of its shell blocks in the order in which they stand, in one shell session. A block of output that follows a block
of commands must be what the last of them prints. A command that serves for ever is interrupted at the end.
"""

from __future__ import annotations

import difflib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60
BUILDING = 1800
# These go on until they are interrupted.
SERVES = ("lifeline serve", "lifeline proxy")
LOOPBACK = {"127.0.0.1", "[::1]", "localhost"}


def blocks(text):
    """The fenced blocks, with the language of each."""
    return [(match[1], match[2]) for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)]


def commands(block):
    """A block's commands without their comments; a backslash continues a line."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    return [line for line in (re.sub(r"\s+#\s.*", "", line).strip() for line in lines) if line and line[0] != "#"]


def normalised(text, port):
    """Output without what differs from run to run: times, ports, the payloads of Pings, and whose FIN is seen first."""
    lines = []
    for line in text.replace(str(port), "8080").splitlines():
        line = re.sub(r"\d+(\.\d+)? (ns|µs|ms|s|min)\b", "TIME", line)
        line = re.sub(r"\b[0-9a-f]{16}\b", "PAYLOAD", line)
        lines.append(re.sub(r"\s+", " ", line).strip())
    if lines and lines[0] == "":
        lines = lines[1:]
    # A time of no length has no unit.
    lines = [re.sub(r"^(0|TIME) │", "│", line) for line in lines]
    ends = sorted(line for line in lines if "FIN" in line)
    return [ends.pop(0) if "FIN" in line else line for line in lines]


def free_port():
    """A port that is free, of four digits as the one in README.md: an arrow's length depends on it."""
    for port in random.sample(range(2000, 10_000), 1000):
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    sys.exit("no port is free")


class Session:
    """A shell session: what is exported stays."""

    def __init__(self):
        self.environment = dict(os.environ, NO_COLOR="1", COLUMNS="80")
        self.port = free_port()
        self.servers = []

    def prepared(self, command):
        """The command with a port that is free."""
        if command == "lifeline serve":
            command += " --port 8080"
        return command.replace("8080", str(self.port))

    def run(self, command):
        """What it prints; the test fails where the command does."""
        with tempfile.NamedTemporaryFile() as file:
            script = f'{self.prepared(command)}\nstatus=$?\nenv -0 > {file.name}\nexit $status'
            done = subprocess.run(
                ["bash", "-c", script], cwd=ROOT, env=self.environment, capture_output=True, text=True,
                timeout=BUILDING if command.startswith("swift ") else PATIENCE)
            if done.returncode != 0:
                raise AssertionError(f"status {done.returncode}\n{done.stdout}{done.stderr}")
            pairs = Path(file.name).read_text().split("\0")
            self.environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return done.stdout

    def serve(self, command):
        server = subprocess.Popen(
            ["bash", "-c", f"exec {self.prepared(command)}"], cwd=ROOT, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.servers.append((command, server))
        timer = threading.Timer(PATIENCE, server.kill)
        timer.start()
        line = server.stdout.readline()
        timer.cancel()
        if "listening" not in line:
            raise AssertionError(f"it does not say where it listens: {line!r}")

    def stop(self):
        """Interrupts the servers; returns what they did wrong."""
        wrong = []
        for command, server in self.servers:
            server.send_signal(signal.SIGINT)
            try:
                server.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                server.kill()
            if server.returncode != 0:
                wrong.append(f"{command}: status {server.returncode} on SIGINT")
        return wrong


def check_hosts(text):
    """Every address that a command names is this machine's own."""
    hosts = {match[1] for match in re.finditer(r"\bwss?://(\[[^]]*\]|[^\s:/\"']+)", text)}
    if hosts - LOOPBACK:
        sys.exit(f"README.md: commands that go elsewhere: {', '.join(sorted(hosts - LOOPBACK))}")


def main():
    found = blocks((ROOT / "README.md").read_text())
    shell = [block for language, block in found if language == "sh"]
    check_hosts("\n".join(shell))
    written = [ROOT / name for block in shell for name in re.findall(r"(?:>|--record) (\S+)", block)]
    there = [path.name for path in written if path.exists()]
    if there:
        sys.exit(f"README.md would write over {', '.join(there)}")
    session = Session()
    passed, failed, output = 0, [], None
    try:
        for language, block in found:
            if language == "sh":
                for command in commands(block):
                    try:
                        output = session.serve(command) if command.startswith(SERVES) else session.run(command)
                        passed += 1
                        print(f"ok {command}", flush=True)
                    except (AssertionError, subprocess.TimeoutExpired) as error:
                        output = None
                        failed.append(f"{command}: {error}")
            elif language == "" and output is not None:
                shown, came = normalised(block, session.port), normalised(output, session.port)
                if shown == came:
                    passed += 1
                    print("ok what it prints", flush=True)
                else:
                    failed.append("what it prints:\n" + "\n".join(
                        difflib.unified_diff(shown, came, "README.md", "printed", lineterm="")))
                output = None
            else:
                output = None
    finally:
        failed += session.stop()
        for path in written:
            path.unlink(missing_ok=True)
    for failure in failed:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed or passed == 0 else 0)


main()
