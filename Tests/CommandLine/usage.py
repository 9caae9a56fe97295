"""The command line itself."""

import os
import re
import tempfile

from command import run, serve
from framework import equal, expect, test


@test
def help_and_version():
    equal(run("--version").returncode, 0)
    for arguments in (["--help"], ["connect", "--help"], ["serve", "--help"], ["demo", "--help"], ["bench", "--help"], []):
        result = run(*arguments)
        equal(result.returncode, 0)
        expect(b"EXAMPLES" in result.stdout, arguments)
        longest = max(result.stdout.decode().split("USAGE")[0].splitlines(), key=len)
        expect(len(longest) <= 80, longest)
    for status in ("2 ", "3 ", "4 ", "5 ", "64 ", "65 ", "74 ", "130 "):
        expect(f"\n  {status}" in run("connect", "--help").stdout.decode(), status)


@test
def wrong_arguments_end_with_64():
    cases = {
        ("bogus",): "bogus",
        ("connect",): "url",
        ("connect", "http://127.0.0.1/"): "must be ws or wss",
        ("connect", "127.0.0.1:80#x"): "fragment",
        ("connect", "https://h/"): "write wss://\n",
        ("connect", "localhost:99999/echo"): "port",
        ("connect", "ws://h:99999/"): "port",
        ("connect", "ws://h/#x"): "fragment",
        ("connect", "ws://h/", "--header", "no colon"): "Name: value",
        ("connect", "ws://h/", "--header", "bad name: x"): "name",
        ("connect", "ws://h/", "--header", "A: b\r\nC: d"): "line break",
        ("connect", "ws://h/", "--header", "A: b\nC: d"): "line break",
        ("connect", "ws://h/", "--header", "A\r\nB: c"): "name",
        ("connect", "ws://h/", "--header", "Sec-WebSocket-Key: x"): "handshake",
        ("connect", "ws://h/", "--origin", "a\r\nb"): "origin",
        ("connect", "ws://h/", "--subprotocol", "a b"): "subprotocols",
        ("connect", "ws://h/", "--close-code", "1005"): "1005",
        ("connect", "ws://h/", "--close-reason", "x" * 124): "124",
        ("connect", "ws://h/", "--wait", "soon"): "wait",
        ("connect", "ws://h/", "--subprotocol", "a", "--subprotocol", "a"): "given twice",
        ("connect", "ws://h/", "--origin", ""): "--origin is empty",
        ("connect", "wss://h/", "--cacert", ""): "name of the file is empty",
        ("connect", "ws://h/", "--message", ""): "name of the file is empty",
        ("trace", "ws://h/", "--script", ""): "name of the file is empty",
        ("trace", "ws://h/", "--record", ""): "name of the file is empty",
        ("draw", ""): "name of the file is empty",
        ("replay", "", "--as-server"): "name of the file is empty",
        ("replay", "x", "--as-server", "--to", "ws://h/"): "exclude each other",
        ("bench", "ws://h/", "--plot", ""): "name of the file is empty",
        ("serve", "--host", ""): "--host is empty",
        ("connect", "ws://[fe80::1%]/"): "zone",
        ("connect", "ws://[fe80::1%25a%2]/"): "percent-encoded",
        ("serve", "--port", "65536"): "port",
        ("serve", "--allow-origin", "http://app.example/"): "write http://app.example\n",
        ("serve", "--allow-origin", "https://app.example:443"): "write https://app.example\n",
        ("serve", "--allow-origin", "app.example"): "no scheme; write https://app.example",
        ("serve", "--allow-origin", "ws://app.example"): "write http://app.example",
        ("serve", "--allow-origin", "https://*.example"): "wildcards are not supported",
        ("serve", "--allow-origin", "http://app.example", "--allow-origin", ""): "empty",
        ("serve", "--interval", "0"): "interval",
        ("serve", "--tls-cert", "x"): "tls-key",
        ("demo", "--pace", "fast"): "pace",
        ("bench",): "url",
        ("bench", "http://h/"): "must be ws or wss",
        ("bench", "ws://h/", "--connections", "0"): "connections",
        ("bench", "ws://h/", "--connections", "1000000"): "ulimit",
        ("bench", "ws://h/", "--size", "1TiB"): "size",
        ("bench", "ws://h/", "--rate", "10", "--mode", "push"): "--rate",
        ("bench", "ws://h/", "--mode", "everything"): "mode",
        ("bench", "ws://h/", "--pid", "999999999"): "999999999",
    }
    for arguments, text in cases.items():
        result = run(*arguments)
        equal(result.returncode, 64, arguments, result.stderr)
        expect(text in result.stderr.decode(), arguments, result.stderr)
        equal(result.stdout, b"", arguments)


@test
def statuses_of_files_are_as_documented():
    """66 for an input that cannot be read, 65 for one with wrong content, 74 for an output that cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        junk = os.path.join(folder, "junk")
        with open(junk, "w") as file:
            file.write("junk\n")
        missing, to = os.path.join(folder, "no", "file"), ("--to", "ws://h/")
        for name, status in ((missing, 66), (folder, 66), (junk, 65)):
            for arguments in (
                ("serve", "--port", "0", "--tls-cert", name, "--tls-key", name),
                ("proxy", "--listen", "0", *to, "--tls-cert", name, "--tls-key", name),
                ("proxy", "--listen", "0", "--to", "wss://h/", "--cacert", name),
                ("connect", "--cacert", name, "wss://h/"),
                ("trace", "--cacert", name, "wss://h/"),
                ("bench", "--cacert", name, "wss://h/"),
                ("trace", "--script", name, "ws://h/"),
                ("draw", name),
                ("replay", name, *to),
                ("replay", name, "--as-server"),
            ):
                result = run(*arguments)
                equal((result.returncode, result.stdout), (status, b""), arguments, result.stderr)
                expect(result.stderr.decode().startswith(f"lifeline {arguments[0]}: "), result.stderr)
                expect(name in result.stderr.decode(), arguments, result.stderr)
                if "--cacert" in arguments or "--script" in arguments and status == 66:
                    expect(arguments[arguments.index(name) - 1] in result.stderr.decode(), arguments, result.stderr)
        for name in (missing, folder):
            for arguments in (
                ("serve", "--port", "0", "--record", name),
                ("proxy", "--listen", "0", *to, "--record", name),
                ("trace", "--record", name, "ws://h/"),
                ("bench", "--plot", name, "ws://h/"),
            ):
                result = run(*arguments)
                equal((result.returncode, result.stdout), (74, b""), arguments, result.stderr)
                text = result.stderr.decode()
                expect(text.startswith(f"lifeline {arguments[0]}: ") and name in text, text)
                expect(arguments[arguments.index(name) - 1] in text, text)


@test
def every_status_is_in_the_help():
    statuses = {
        "": "0 1 2 3 4 5 64 65 66 74 130 143", "connect": "0 2 3 4 5 64 65 66 74 130", "trace": "65 66 74",
        "bench": "0 2 3 4 64 65 66 74 130", "serve": "0 2 64 65 66 74 130", "proxy": "0 2 64 65 66 74 130",
        "demo": "0 1 64 74 130", "draw": "0 64 65 66 74", "replay": "0 1 2 3 64 65 66 74 130",
    }
    for command, wanted in statuses.items():
        text = run(*([command] if command else []), "--help").stdout.decode().split("EXIT STATUS")[1].split("USAGE")[0]
        equal(re.findall(r"^  (\d+) ", text, re.MULTILINE), wanted.split(), command)


@test
def sizes_take_the_same_units_everywhere():
    for command in ("serve", "connect", "trace", "proxy", "replay", "bench"):
        text = " ".join(run(command, "--help").stdout.decode().split())
        expect("k, M and G are allowed" in text and "k and M are allowed" not in text, command)
    result = run("connect", "--max-message-size", "1x", "ws://h/")
    expect(b"with or without k, M or G behind it" in result.stderr, result.stderr)


@test
def urls_without_a_scheme():
    with serve() as (server, url, port):
        for host in ("localhost", "127.0.0.1"):
            result = run("connect", "--wait", "0.1", f"{host}:{port}/echo", input="hello\n")
            equal((result.returncode, result.stdout), (0, b"hello\n"), result.stderr)
    result = run("connect", "ws://h:99999/")
    equal(result.stderr.count(b"ws://h:99999/"), 1, result.stderr)


@test
def a_refused_connection_names_the_address():
    result = run("connect", "-H", "Host: foo.invalid", "ws://127.0.0.1:1/")
    expect(result.returncode == 2 and b"cannot connect to 127.0.0.1:1:" in result.stderr, result.stderr)
    expect(b"foo.invalid" not in result.stderr, result.stderr)


@test
def help_fits_eighty_columns():
    for command in ("", "demo", "serve", "connect", "trace", "draw", "proxy", "replay", "bench"):
        text = run(*([command] if command else []), "--help").stdout.decode()
        lines = text.splitlines()
        expect(max(map(len, lines)) <= 80, command, max(lines, key=len))
        # A line that belongs to an indented block is indented, so no example or table was wrapped.
        block = text.split("USAGE")[0].split("\n\n")
        for part in (part.splitlines() for part in block if part.startswith(("EXAMPLES", "EXIT STATUS", "MODES", "JSON"))):
            expect(all(line.startswith("  ") for line in part[1:]), command, part)
