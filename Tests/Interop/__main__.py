"""Lifeline against the Python package websockets, and Node's ws: one line a test, and how many passed.

Each scenario is run with Lifeline as the server and as the client, in plain text with and without compression, and over
TLS; those in which it only echoes also with one that does so on its event loop. Then come all parameters of compression.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TextIO

import compression
import declining
import node
import scenarios  # noqa: F401, which registers them
from certificate import Certificate
from framework import SCENARIOS, Results, meet
from lifeline import on_loop_path, script_path
from peculiar import PLAIN_TESTS, SECURE_TESTS
from setting import HOST, Setting

MAXIMUM_SECONDS = 1500


async def run(program: str, log: TextIO, results: Results) -> None:
    with tempfile.TemporaryDirectory() as directory:
        certificate = Certificate.make(Path(directory), f"IP:{HOST}")
        plain = Setting(program, log)
        compressed = Setting(program, log, compression="deflate")
        secure = Setting(program, log, certificate, trusted=certificate, compression="deflate")
        for setting, tests in [(plain, PLAIN_TESTS), (compressed, {}), (secure, SECURE_TESTS)]:
            await run_scenarios(setting, results)
            for name, test in tests.items():
                await results.run(f"{setting.name} {name}", partial(test, setting))
        for part in [compression, declining]:
            await part.run_server(plain, results)
            await part.run_client(plain, results)
        await node.run(plain, results)


async def run_scenarios(setting: Setting, results: Results) -> None:
    async with setting.lifeline_server() as (server, port):
        for number, scenario in enumerate(SCENARIOS):
            for on_loop in [False, True] if scenario.steps == ("echo",) else [False]:
                face = "on-loop " if on_loop else ""
                id = f"{number}-on-loop" if on_loop else f"{number}"
                path = on_loop_path(id) if on_loop else script_path(id, scenario.steps)
                await results.run(
                    f"{setting.name} {face}server: {scenario.name}",
                    partial(meet, setting.meet_server(scenario, server, port, path, id), scenario))
                await results.run(
                    f"{setting.name} {face}client: {scenario.name}",
                    partial(meet, setting.meet_client(scenario, on_loop), scenario))


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="LifelinePeer's path")
    parser.add_argument("--log", default="/dev/null", help="the file for what LifelinePeer logs")
    parser.add_argument("--only", default="", metavar="TEXT", help="run those tests alone whose name has the text")
    options = parser.parse_args()
    # A connection that ends as no server likes it is what some scenarios are about; the tests say what is wrong.
    logging.getLogger("websockets.server").disabled = True
    results = Results(options.only)
    with open(options.log, "w", encoding="utf-8") as log:
        try:
            async with asyncio.timeout(MAXIMUM_SECONDS):
                await run(options.program, log, results)
        except TimeoutError:
            results.fail("all tests", f"not done within {MAXIMUM_SECONDS} s")
    for line in results.left_out:
        print(f"not tested: {line}")
    print(f"{results.passed} passed, {results.failed} failed")
    return 0 if results.passed and not results.failed else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
