"""A small framework: a scenario says what both sides of one connection do and see, and is run in several settings."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from websockets.asyncio.connection import Connection
from websockets.frames import Close
from websockets.protocol import State

from lifeline import Reports

MAXIMUM_SECONDS = 60


def check(what: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"{what} should be {shown(expected)}, but is {shown(actual)}")


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


@dataclass
class Encounter:
    """One connection between Lifeline and websockets."""

    lifeline_role: str
    ws: Connection
    """The side of websockets."""
    reports: Reports
    """What Lifeline's side reports."""
    opened: dict
    """Lifeline's report of the opening handshake."""

    async def check_echo(self, message: str | bytes) -> None:
        await self.ws.send(message)
        check("the echo", await self.ws.recv(), message)

    # The end, as both sides saw it.

    async def check_closed_by_lifeline(self, code: int, reason: str) -> None:
        await self.ws.wait_closed()
        await self.check_outcome(code=code, reason=reason, isClean=True, initiator="local")
        check("the Close frame from Lifeline", self.ws.protocol.close_rcvd, Close(code, reason))
        check("whether websockets answered", self.ws.protocol.close_rcvd_then_sent, True)

    async def check_closed_by_websockets(self, code: int, reason: str) -> None:
        await self.ws.wait_closed()
        await self.check_outcome(code=code, reason=reason, isClean=True, initiator="peer")
        # Lifeline's answer repeats the code alone.
        check("the Close frame from Lifeline", self.ws.protocol.close_rcvd, Close(code, ""))
        check("whether websockets answered", self.ws.protocol.close_rcvd_then_sent, False)

    async def check_outcome(self, **expected: object) -> None:
        """Compares how Lifeline's side ended."""
        ended = await self.reports.next("ended")
        for name, value in expected.items():
            check(f"Lifeline's {name} ({ended['message']})", ended[name], value)


Body = Callable[[Encounter], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """What Lifeline does, as steps of LifelinePeer's; and what websockets does, as a function that checks both sides."""

    name: str
    steps: tuple[str, ...]
    body: Body
    offered: tuple[str, ...] = ()
    """The subprotocols that the client offers."""


SCENARIOS: list[Scenario] = []


def scenario(name: str, *steps: str, offered: tuple[str, ...] = ()) -> Callable[[Body], Body]:
    """Makes a scenario of a function. It may leave the connection open, which is then closed and compared."""

    def register(body: Body) -> Body:
        SCENARIOS.append(Scenario(name, steps, body, offered))
        return body

    return register


async def meet(meeting: AbstractAsyncContextManager[Encounter], scenario: Scenario) -> None:
    """Does what the scenario says, and closes what it leaves open."""
    async with meeting as encounter:
        await scenario.body(encounter)
        if encounter.ws.state is State.OPEN:
            await encounter.ws.close(1000, "done")
            await encounter.check_closed_by_websockets(1000, "done")


@dataclass
class Results:
    """Runs tests: one line for each, and how many passed."""

    pattern: str
    """What a test's name must contain; others are left out."""
    passed: int = 0
    failed: int = 0
    left_out: list[str] = field(default_factory=list)
    """What could not be run, and why."""

    async def run(self, name: str, test: Callable[[], Awaitable[None]], is_shown: bool = True) -> None:
        """Runs a test; one of many that passes is counted, and not shown."""
        if self.pattern not in name:
            return
        try:
            async with asyncio.timeout(MAXIMUM_SECONDS):
                await test()
        except TimeoutError:
            self.fail(name, f"not done within {MAXIMUM_SECONDS} s")
        except Exception as error:  # whatever it is, the other tests are run
            self.fail(name, f"{error}" if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}")
        else:
            self.passed += 1
            if is_shown:
                print(f"ok {name}", flush=True)

    async def run_many(self, name: str, tests: Iterable[tuple[str, Callable[[], Awaitable[None]]]]) -> None:
        """Runs tests of one kind, with one line for all that pass, and one for each that fails."""
        passed = self.passed
        count = 0
        for detail, test in tests:
            count += 1
            await self.run(f"{name}: {detail}", test, is_shown=False)
        passed = self.passed - passed
        if passed:
            print(f"ok {name}: {passed} of {count}", flush=True)

    def leave_out(self, name: str, why: str) -> None:
        self.left_out.append(f"{name}: {why}")

    def fail(self, name: str, why: str) -> None:
        self.failed += 1
        print(f"not ok {name}: {why}", flush=True)
