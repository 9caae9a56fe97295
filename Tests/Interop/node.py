"""Lifeline against Node's ws: with and without compression, in both roles."""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlencode

from framework import Results, check
from lifeline import Lifeline, on_loop_path, script_path
from parameters import OFFERS, Parameters, agreed, combinations
from setting import HOST, Setting

# Where Debian's package puts ws, which Node itself does not look for.
NODE_PATH = "/usr/share/nodejs"
OPTIONS = ["--compression=permessage-deflate", "--compress=always"]


def options(parameters: Parameters | None) -> dict | bool:
    """The parameters as ws takes them."""
    if parameters is None:
        return False
    client_bits = parameters.client_max_window_bits
    chosen = {
        "threshold": 0, "serverNoContextTakeover": parameters.server_no_context_takeover or None,
        "clientNoContextTakeover": parameters.client_no_context_takeover or None,
        "serverMaxWindowBits": parameters.server_max_window_bits,
        "clientMaxWindowBits": False if client_bits is None else client_bits,
    }
    return {name: value for name, value in chosen.items() if value is not None}


class Node:
    """A process of Node's that serves, and connects where it is told to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.port = 0
        self.numbers = count()

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, setting: Setting) -> AsyncIterator["Node"]:
        process = await asyncio.create_subprocess_exec(
            "node", str(Path(__file__).with_name("node_ws.js")), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=setting.log, env={**os.environ, "NODE_PATH": NODE_PATH})
        node = cls(process)
        try:
            node.port = (await node.report("server"))["port"]
            yield node
        finally:
            process.stdin.close()
            await process.wait()

    async def report(self, id: str) -> dict:
        line = await self.process.stdout.readline()
        report = json.loads(line or '{"id": "nothing"}')
        check("whose report it is", report["id"], id)
        return report

    async def connect(self, id: str, url: str, offer: Parameters | None) -> None:
        line = json.dumps({"id": id, "url": url, "options": options(offer)})
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()


def check_both(opened: dict, ended: dict, report: dict, expected: Parameters | None) -> None:
    """Compares what both sides took for agreed, and what Lifeline has compressed."""
    check("what ws complains of", report["fault"], None)
    check("the agreement for Lifeline", opened.get("compression"), expected and str(expected))
    check("whether ws compresses", report["agreed"] is not None, expected is not None)
    if expected:
        given = Parameters(**report["agreed"])
        # Windows of 15 bits may be given or left out.
        for role in ("server", "client"):
            check(f"the {role}'s window for ws", given.max_window_bits(role), expected.max_window_bits(role))
            check(f"the {role}'s takeover for ws", given.no_context_takeover(role), expected.no_context_takeover(role))
    check("the end", (ended["code"], ended["isClean"]), (1000, True))
    size = report["size"] if expected else 0
    check("the bytes compressed", (ended["compressed"]["received"], ended["compressed"]["sent"]), (size, size))


async def meet_server(
    node: Node, server: Lifeline, port: int, offer: Parameters | None, on_loop: bool
) -> None:
    id = f"{next(node.numbers)}"
    path = on_loop_path(id) if on_loop else script_path(id, ("echo",))
    await node.connect(id, f"ws://{HOST}:{port}{path}", offer)
    report = await node.report(id)
    reports = server.reports(id)
    opened = await reports.next("opened")
    check_both(opened, await reports.next("ended"), report, offer and agreed(offer, Parameters()))


async def meet_client(setting: Setting, node: Node, arguments: list[str], asked: dict | bool, expected: Parameters | None) -> None:
    id = f"{next(node.numbers)}"
    query = urlencode([("id", id), ("options", json.dumps(asked))], quote_via=quote)
    client = await Lifeline.start(
        setting.program, "connect", *arguments, f"ws://{HOST}:{node.port}/?{query}", "echo", log=setting.log)
    try:
        opened = await client.reports().next("opened")
        report = await node.report(id)
        check_both(opened, await client.reports().next("ended"), report, expected)
    finally:
        await client.stop()


async def run(setting: Setting, results: Results) -> None:
    if not shutil.which("node") or not Path(NODE_PATH, "ws").exists():
        results.leave_out("Node's ws", f"there is no node, or no ws in {NODE_PATH} (Debian's package node-ws)")
        return
    async with Node.start(setting) as node:
        async with setting.lifeline_server(*OPTIONS) as (server, port):
            meet = partial(meet_server, node, server, port)
            await results.run("ws of Node's, server: no compression", partial(meet, None, False))
            await results.run_many("ws of Node's, server: all offers", (
                (f"{offer}", partial(meet, offer, number % 2 == 1)) for number, offer in enumerate(OFFERS)))
        meet = partial(meet_client, setting, node)
        anything = {"threshold": 0}
        await results.run("ws of Node's, client: no compression", partial(meet, [], False, None))
        await results.run("ws of Node's, client: without compression", partial(meet, ["--compression=none"], anything, None))
        bits = [None, 8, 9, 12]
        await results.run_many("ws of Node's, client: offers", (
            (f"{offer}", partial(meet, [offer.option, "--compress=always"], anything, agreed(offer, Parameters())))
            for offer in combinations(bits, [True, *bits[1:]])))
        await results.run_many("ws of Node's, client: asked for", (
            (f"{asked}", partial(meet, OPTIONS, options(asked) | {"clientMaxWindowBits": asked.client_max_window_bits},
                                 agreed(Parameters(client_max_window_bits=True), asked)))
            for asked in combinations(bits, bits[1:])))
