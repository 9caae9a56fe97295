"""The command line itself."""

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
        ("connect", "wss://h/", "--cacert", "/nowhere"): "/nowhere",
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
        ("serve", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"): "/nowhere",
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
