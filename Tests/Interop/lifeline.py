"""Runs Lifeline's side of a connection, Tests/LifelinePeer, and reads what it reports."""

import asyncio
import contextlib
import json
import os
import signal
from collections import defaultdict
from typing import TextIO
from urllib.parse import quote, urlencode


class Reports:
    """What Lifeline reports about one connection, in order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[dict] = asyncio.Queue()

    def put(self, report: dict) -> None:
        self._queue.put_nowait(report)

    async def next(self, event: str) -> dict:
        """The next report, which must be of the given event."""
        report = await self._queue.get()
        if report["event"] != event:
            raise AssertionError(f"Lifeline should report {event}, but reports {report}")
        return report


class Lifeline:
    """A process of LifelinePeer's."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._reports: defaultdict[str | None, Reports] = defaultdict(Reports)
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, program: str, *arguments: str, log: TextIO) -> "Lifeline":
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
            limit=1 << 24)
        return cls(process)

    async def _read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            report = json.loads(line)
            self._reports[report.get("id")].put(report)
        # Who waits for more shall not wait in vain.
        for reports in self._reports.values():
            reports.put({"event": "end of output"})

    def reports(self, id: str | None = None) -> Reports:
        """What is reported about the connection of that name; a client's only one has none."""
        return self._reports[id]

    async def listening(self) -> int:
        """Waits until the server listens; its port."""
        return (await self.reports().next("listening"))["port"]

    def kill(self) -> None:
        self.process.kill()

    async def stop(self) -> None:
        """Ends the process where it has not ended."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not terminate(), which may reap the process before asyncio does.
                os.kill(self.process.pid, signal.SIGTERM)
        await self.process.wait()
        await self._reading


def script_path(id: str, steps: tuple[str, ...]) -> str:
    """The path at which Lifeline's server does the steps."""
    return "/script?" + urlencode([("id", id), *(("step", step) for step in steps)], quote_via=quote)


def on_loop_path(id: str) -> str:
    """The path at which Lifeline's server echoes on its event loop."""
    return "/on-loop?" + urlencode({"id": id})
