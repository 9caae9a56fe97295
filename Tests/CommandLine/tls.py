"""Over TLS."""

import os
import shutil
import signal
import subprocess
import tempfile

from command import process, run, serve
from framework import equal, expect, test


@test
def tls():
    if not shutil.which("openssl"):
        return print("     (no openssl, no TLS)")
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                key,
                "-out",
                certificate,
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
            ],
            check=True,
            capture_output=True,
        )
        with serve("--tls-cert", certificate, "--tls-key", key) as (server, url, port):
            expect(url.startswith("wss://"))
            for target, arguments in (
                (url, ["--cacert", certificate]),
                (f"wss://localhost:{port}", ["--cacert", certificate]),
                (url, ["--insecure"]),
            ):
                result = run("connect", "--wait", "0.1", *arguments, target + "/echo", input="hello\n")
                equal((result.returncode, result.stdout), (0, b"hello\n"), result.stderr)
            result = run("connect", url + "/echo")
            equal(result.returncode, 2)
            expect(b"not trusted" in result.stderr, result.stderr)
            equal(run("connect", f"ws://127.0.0.1:{port}/echo").returncode, 2)
            with process("connect", "--cacert", certificate, "--wait", "forever", url + "/push") as connect:
                connect.line()
                server.signal(signal.SIGTERM)
                equal((server.end(5), connect.end(5)), (0, 0))
                expect(b"1001" in connect.errors)
        with serve() as (server, url, port):
            result = run("connect", f"wss://127.0.0.1:{port}/echo")
            equal(result.returncode, 2)
            expect(b"TLS" in result.stderr, result.stderr)
