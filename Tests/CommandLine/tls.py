"""Over TLS."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import warnings

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


def made(folder, name, *arguments):
    key, certificate = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", *arguments],
        check=True,
        capture_output=True,
    )
    return key, certificate


@test
def tls_certificates_must_name_the_host():
    if not shutil.which("openssl"):
        return print("     (no openssl, no TLS)")
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments, host, words in (
            ("common", ["-subj", "/CN=localhost"], "localhost", "common name"),
            ("address", ["-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"], "localhost", "it is for 127.0.0.1"),
            ("name", ["-subj", "/CN=x", "-addext", "subjectAltName=DNS:localhost"], "127.0.0.1", "it is for localhost"),
        ):
            key, certificate = made(folder, name, *arguments)
            with serve("--no-page", "--tls-cert", certificate, "--tls-key", key) as (server, _, port):
                target = f"wss://{host}:{port}"
                result = run("connect", "--cacert", certificate, target + "/echo")
                expect(result.returncode == 2 and words in result.stderr.decode(), result.stderr)
                with process("proxy", "--listen", "0", "--to", target, "--cacert", certificate, "--no-page") as relay:
                    relayed = "ws://" + relay.line().rsplit("ws://", 1)[1]
                    expect(run("connect", relayed + "/echo").returncode in (2, 3))
                    relay.wait_for_error(words)
                expect(b"GET" not in server.errors, "no request came through")


@test
def tls_of_old_versions_is_not_spoken():
    if not shutil.which("openssl"):
        return print("     (no openssl, no TLS)")
    warnings.simplefilter("ignore", DeprecationWarning)

    def limited(kind, version):
        context = ssl.SSLContext(kind)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
        return context

    with tempfile.TemporaryDirectory() as folder:
        key, certificate = made(folder, "server", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1")
        with serve("--no-page", "--tls-cert", certificate, "--tls-key", key) as (_, _, port):
            for version, isSpoken in ((ssl.TLSVersion.TLSv1, False), (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
                context = limited(ssl.PROTOCOL_TLS_CLIENT, version)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                try:
                    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=5)) as peer:
                        found = peer.version()
                except OSError:
                    found = None
                equal(found is not None, isSpoken, version, found)
        context = limited(ssl.PROTOCOL_TLS_SERVER, ssl.TLSVersion.TLSv1_1)
        context.load_cert_chain(certificate, key)
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def accept():
                peer, _ = listener.accept()
                try:
                    context.wrap_socket(peer, server_side=True).close()
                except OSError:
                    peer.close()

            threading.Thread(target=accept, daemon=True).start()
            result = run("connect", "--cacert", certificate, f"wss://127.0.0.1:{listener.getsockname()[1]}/")
            expect(result.returncode == 2 and b"RFC 8996" in result.stderr, result.stderr)
