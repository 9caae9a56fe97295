"""What differs between the roles: handshakes that fail, certificates, and processes that are killed."""

import asyncio
import http
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from websockets.exceptions import ConnectionClosedError, InvalidStatus

from certificate import Certificate
from framework import check
from lifeline import Reports, script_path
from setting import HOST, Setting, port_of

Test = Callable[[Setting], Awaitable[None]]
# By name, for a plain and for a secure setting.
PLAIN_TESTS: dict[str, Test] = {}
SECURE_TESTS: dict[str, Test] = {}


def plain_test(name: str) -> Callable[[Test], Test]:
    return partial(PLAIN_TESTS.setdefault, name)


def secure_test(name: str) -> Callable[[Test], Test]:
    return partial(SECURE_TESTS.setdefault, name)


# Handshakes that fail.


async def check_refused_by_lifeline(setting: Setting, status: int, path: str, **options) -> None:
    async with setting.lifeline_server() as (_, port):
        try:
            await setting.connect(port, path, **options)
        except InvalidStatus as error:
            check("the status from Lifeline", error.response.status_code, status)
        else:
            raise AssertionError("Lifeline should refuse the handshake")


@plain_test("server: nothing at the path")
async def unknown_path(setting: Setting) -> None:
    await check_refused_by_lifeline(setting, 404, "/nowhere")


@plain_test("server: a page from elsewhere")
async def foreign_origin(setting: Setting) -> None:
    await check_refused_by_lifeline(setting, 403, "/script", origin="https://elsewhere.example")


async def check_failed_at_lifeline(setting: Setting, code: str, **options) -> None:
    async def handle(ws) -> None:
        await ws.wait_closed()

    async with setting.serve(handle, **options) as server:
        client = await setting.lifeline_client(port_of(server))
        try:
            failed = await client.reports().next("failed")
            check(f"Lifeline's error ({failed['message']})", failed["error"], code)
        finally:
            await client.stop()


@plain_test("client: refused with 403")
async def refused_by_websockets(setting: Setting) -> None:
    def refuse(ws, _):
        return ws.respond(http.HTTPStatus.FORBIDDEN, "not you\n")

    await check_failed_at_lifeline(setting, "handshakeRefused", process_request=refuse)


@plain_test("client: a subprotocol that was not offered")
async def unwanted_subprotocol(setting: Setting) -> None:
    def choose(_, request, response):
        response.headers["Sec-WebSocket-Protocol"] = "unwanted"

    await check_failed_at_lifeline(setting, "handshakeFailed", process_response=choose)


@plain_test("client: a wrong Sec-WebSocket-Accept")
async def wrong_accept(setting: Setting) -> None:
    def spoil(_, request, response):
        del response.headers["Sec-WebSocket-Accept"]
        response.headers["Sec-WebSocket-Accept"] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    await check_failed_at_lifeline(setting, "handshakeFailed", process_response=spoil)


# Processes that are killed.


@plain_test("server: Lifeline is killed")
async def server_killed(setting: Setting) -> None:
    async with setting.lifeline_server() as (server, port):
        async with setting.connect(port, script_path("killed", ("echo",))) as ws:
            server.kill()
            await check_abnormal(ws)


@plain_test("client: Lifeline is killed")
async def client_killed(setting: Setting) -> None:
    ended = asyncio.get_running_loop().create_future()

    async def handle(ws) -> None:
        client.kill()
        try:
            await check_abnormal(ws)
            ended.set_result(None)
        except AssertionError as error:
            ended.set_exception(error)

    async with setting.serve(handle) as server:
        client = await setting.lifeline_client(port_of(server), "echo")
        await ended
        await client.stop()


async def check_abnormal(ws) -> None:
    try:
        await ws.recv()
    except ConnectionClosedError:
        check("the code for websockets", ws.close_code, 1006)
    else:
        raise AssertionError("the connection should end")


# Programs for a process of their own; they say when they are connected, and wait to be killed.
CLIENT = """
import sys, time
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None) as ws:
    print("connected", flush=True)
    time.sleep(60)
"""
SERVER = """
import time
from websockets.sync.server import serve
def handle(ws):
    print("connected", flush=True)
    time.sleep(60)
with serve(handle, "127.0.0.1", 0) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
"""


async def start_python(program: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *arguments, stdout=asyncio.subprocess.PIPE)


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def check_lifeline_abnormal(reports: Reports) -> None:
    await reports.next("opened")
    ended = await reports.next("ended")
    check("Lifeline's end", (ended["code"], ended["isClean"], ended["initiator"]), (1006, False, "peer"))


@plain_test("server: websockets is killed")
async def websockets_client_killed(setting: Setting) -> None:
    async with setting.lifeline_server() as (server, port):
        process = await start_python(CLIENT, f"ws://{HOST}:{port}{script_path('killed', ('echo',))}")
        await process.stdout.readline()
        await kill(process)
        await check_lifeline_abnormal(server.reports("killed"))


@plain_test("client: websockets is killed")
async def websockets_server_killed(setting: Setting) -> None:
    process = await start_python(SERVER)
    port = int(await process.stdout.readline())
    client = await setting.lifeline_client(port, "echo")
    try:
        await process.stdout.readline()
        await kill(process)
        await check_lifeline_abnormal(client.reports())
    finally:
        await client.stop()


# Certificates.


@secure_test("client: a certificate that is not trusted")
async def untrusted_by_lifeline(setting: Setting) -> None:
    await check_failed_at_lifeline(replace(setting, trusted=None), "tlsFailed")


@secure_test("client: a certificate for another name")
async def other_name_for_lifeline(setting: Setting) -> None:
    with tempfile.TemporaryDirectory() as directory:
        other = Certificate.make(Path(directory), "DNS:elsewhere.example")
        await check_failed_at_lifeline(replace(setting, certificate=other, trusted=other), "tlsFailed")


@secure_test("server: a certificate that is not trusted")
async def untrusted_by_websockets(setting: Setting) -> None:
    setting = replace(setting, trusted=None)
    async with setting.lifeline_server() as (_, port):
        try:
            await setting.connect(port, "/script")
        except ssl.SSLCertVerificationError:
            pass
        else:
            raise AssertionError("websockets should not trust the certificate")
        # The server has survived it.
        async with replace(setting, trusted=setting.certificate).connect(port, script_path("after", ("echo",))) as ws:
            await ws.send("still there?")
            check("the echo", await ws.recv(), "still there?")
