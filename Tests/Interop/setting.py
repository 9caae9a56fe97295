"""Where Lifeline and websockets meet: in plain text or over TLS, in either role."""

import contextlib
import ssl
from asyncio import Future, get_running_loop
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TextIO

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve

from certificate import Certificate
from framework import Encounter, Scenario, check
from lifeline import Lifeline, Reports

HOST = "127.0.0.1"
# What servers speak, in their order of preference; Lifeline's has the same list.
SUBPROTOCOLS = ["chat.v2", "chat.v1"]


@dataclass(frozen=True)
class Setting:
    """How servers and clients are set up."""

    program: str
    """LifelinePeer's path."""
    log: TextIO
    """Where LifelinePeer logs."""
    certificate: Certificate | None = None
    """The servers' certificate; none for plain text."""
    trusted: Certificate | None = None
    """The root that clients trust; none for the system's."""
    compression: str | None = None
    """What websockets compresses with: "deflate" or nothing."""

    @property
    def scheme(self) -> str:
        return "wss" if self.certificate else "ws"

    @property
    def name(self) -> str:
        return f"{self.scheme} {self.compression}" if self.compression else self.scheme

    # Lifeline as the server.

    @contextlib.asynccontextmanager
    async def lifeline_server(self, *options: str) -> AsyncIterator[tuple[Lifeline, int]]:
        """A server of Lifeline's and its port."""
        tls = ["--certificate", self.certificate.chain, "--key", self.certificate.key] if self.certificate else []
        server = await Lifeline.start(self.program, "serve", *tls, *options, log=self.log)
        try:
            yield server, await server.listening()
        finally:
            await server.stop()

    def connect(self, port: int, path: str, **options) -> connect:
        """A connection of a client of websockets'."""
        tls = ssl.create_default_context(cafile=self.trusted and self.trusted.chain) if self.certificate else None
        options = {"compression": self.compression, "ssl": tls, "open_timeout": 5, "close_timeout": 3, **options}
        return connect(f"{self.scheme}://{HOST}:{port}{path}", proxy=None, **options)

    @contextlib.asynccontextmanager
    async def meet_server(
        self, scenario: Scenario, server: Lifeline, port: int, path: str, id: str
    ) -> AsyncIterator[Encounter]:
        """A connection to Lifeline's server; `id` is its name in the path."""
        async with self.connect(port, path, subprotocols=scenario.offered or None) as ws:
            reports = server.reports(id)
            yield self.encounter("server", ws, reports, await reports.next("opened"))

    def encounter(self, lifeline_role: str, ws: Connection, reports: Reports, opened: dict) -> Encounter:
        check("whether Lifeline compresses", "compression" in opened, self.compression is not None)
        return Encounter(lifeline_role, ws, reports, opened)

    # Lifeline as the client.

    def serve(self, handler, **options) -> serve:
        """A server of websockets'."""
        tls = None
        if self.certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certificate.chain, self.certificate.key)
        return serve(handler, HOST, 0, **{"compression": self.compression, "ssl": tls, "close_timeout": 3, **options})

    async def lifeline_client(self, port: int, *arguments: str) -> Lifeline:
        """A client of Lifeline's that connects and does the steps; the arguments are steps and options."""
        options = []
        if self.trusted:
            options.append(f"--trust={self.trusted.chain}")
        url = f"{self.scheme}://{HOST}:{port}/"
        return await Lifeline.start(self.program, "connect", *options, url, *arguments, log=self.log)

    @contextlib.asynccontextmanager
    async def meet_client(self, scenario: Scenario, on_loop: bool) -> AsyncIterator[Encounter]:
        """A connection from Lifeline's client, which does the scenario's steps, on its event loop or elsewhere."""

        def choose(_, offered: list[str]) -> str | None:
            return next((name for name in SUBPROTOCOLS if name in offered), None)

        arguments = [f"--subprotocol={subprotocol}" for subprotocol in scenario.offered]
        if on_loop:
            arguments.append("--on-loop")
        options = {"subprotocols": SUBPROTOCOLS, "select_subprotocol": choose}
        async with self.accept(options, *arguments, *scenario.steps) as (ws, reports, opened):
            yield self.encounter("client", ws, reports, opened)

    @contextlib.asynccontextmanager
    async def accept(
        self, options: dict, *arguments: str
    ) -> AsyncIterator[tuple[ServerConnection, Reports, dict]]:
        """A connection from Lifeline's client, which gets the arguments, to a server of websockets' with the options."""
        accepted: Future[ServerConnection] = get_running_loop().create_future()

        async def handle(ws: ServerConnection) -> None:
            accepted.set_result(ws)
            await ws.wait_closed()

        async with self.serve(handle, **options) as server:
            client = await self.lifeline_client(port_of(server), *arguments)
            try:
                reports = client.reports()
                opened = await reports.next("opened")
                yield await accepted, reports, opened
                check("the exit code of Lifeline's client", await client.process.wait(), 0)
            finally:
                await client.stop()


def port_of(server: Server) -> int:
    return server.sockets[0].getsockname()[1]
