"""permessage-deflate between Lifeline and websockets with all parameters, in both roles: what is agreed on, what is on the
wire, and what arrives."""

import contextlib
import json
import random
from collections.abc import AsyncIterator
from functools import partial

from websockets.asyncio.connection import Connection
from websockets.extensions import ClientExtensionFactory, ServerExtensionFactory

from framework import Encounter, Results, check
from lifeline import Lifeline, script_path
from parameters import ASKED, LIFELINE_ASKED, LIFELINE_OFFERS, OFFERS, Parameters, agreed
from recording import Arrival, ClientFactory, Record, ServerFactory, written
from setting import Setting

# Messages.

generator = random.Random(7692)


def json_text(size: int) -> str:
    """A text of that many bytes that looks like what programs tell each other."""
    rows: list[dict] = []
    length = 0
    while length < size:
        number = len(rows)
        row = {
            "id": number, "name": f"sensor-{number % 17}", "value": generator.randrange(10**6) / 1000,
            "unit": generator.choice(["°C", "hPa", "m/s"]), "isValid": number % 5 != 0, "tags": ["north", "roof"],
        }
        rows.append(row)
        length += len(json.dumps(row, ensure_ascii=False)) + 1
    return json.dumps(rows, ensure_ascii=False)[:size]


GROWING = [json_text(size) for size in (1, 2, 10, 50, 127, 200, 1000, 2043, 2048, 5000, 20_000)]
NOISE = generator.randbytes(1000)
FAR_NOISE = generator.randbytes(5000)
# Noise, again right away, and a message that refers to itself across 5000 bytes; the places of these in what follows.
FIRST, AGAIN, FAR = len(GROWING) + 2, len(GROWING) + 3, len(GROWING) + 4
WHOLE = [
    *GROWING, "", b"", NOISE, NOISE, FAR_NOISE + FAR_NOISE, "again " * 40, "again " * 40, json_text(300_000),
    generator.randbytes(300_000),
]
IN_FRAGMENTS = [
    ["one ", "", "żółć", " three"], [json_text(5000), json_text(70_000), json_text(5000)],
    [generator.randbytes(size) for size in (1, 0, 70_000, 230_000)], [b"", b""],
]
STEPS = (f"echo:{len(WHOLE)}", f"echo-chunks:{len(IN_FRAGMENTS)}", "binary-fragments:1,70000,0,3000", "echo")
SENT_ALONE = b"\xA5" * 73_001


def size_of(message: str | bytes) -> int:
    return len(message if isinstance(message, bytes) else message.encode())


async def converse(ws: Connection) -> None:
    """Sends all messages and checks what comes back."""
    for number, message in enumerate(WHOLE):
        await ws.send(message)
        check(f"the echo of message {number}", await ws.recv(), message)
    for number, parts in enumerate(IN_FRAGMENTS):
        await ws.send(parts)
        whole = parts[0][:0].join(parts)
        answer = await ws.recv()
        check(f"the echo of fragments {number}", answer, whole if isinstance(whole, bytes) else whole.encode())
    check("what Lifeline sent by itself", await ws.recv(), SENT_ALONE)
    # Between what came before, and the end: nothing has got out of step.
    await ws.send(WHOLE[8])
    check("the last echo", await ws.recv(), WHOLE[8])


TOTAL = sum(map(size_of, [*WHOLE, *(part for parts in IN_FRAGMENTS for part in parts), WHOLE[8]]))


# What is checked of a connection.


def check_agreement(encounter: Encounter, expected: Parameters | None) -> None:
    """Compares what both sides take for agreed."""
    check("the agreement for Lifeline", encounter.opened.get("compression"), expected and str(expected))
    extensions = encounter.ws.protocol.extensions
    if expected is None:
        check("the extensions for websockets", extensions, [])
        return
    role = "client" if encounter.lifeline_role == "server" else "server"
    peer = encounter.lifeline_role
    [extension] = extensions
    actual = (
        extension.local_no_context_takeover, extension.local_max_window_bits, extension.remote_no_context_takeover,
        extension.remote_max_window_bits)
    # 9 is how websockets does 8.
    check("the agreement for websockets", actual, (
        expected.no_context_takeover(role), max(expected.max_window_bits(role), 9), expected.no_context_takeover(peer),
        expected.max_window_bits(peer)))


def check_wire(arrivals: list[Arrival], role: str, agreement: Parameters) -> None:
    """Checks how what Lifeline has compressed looked on the wire: it uses what is agreed on, and no more."""
    starts = [index for index in range(len(arrivals)) if index == 0 or arrivals[index - 1].is_final]
    check("whether each message was compressed", all(arrivals[index].is_compressed for index in starts), True)
    whole = [arrivals[index] for index in starts][: len(WHOLE)]
    keeps = not agreement.no_context_takeover(role)
    bits = agreement.max_window_bits(role)
    check("whether noise was compressed", whole[FIRST].size > len(NOISE), True)
    check("whether noise that had been sent was referred to", whole[AGAIN].size < 100, keeps and bits > 10)
    check("whether noise far back was referred to", whole[FAR].size < 6000, bits > 12)
    check("whether text was compressed", whole[WHOLE.index("again " * 40)].size < 40, True)


async def check_statistics(encounter: Encounter, is_compressed: bool) -> None:
    """Checks what Lifeline says it has compressed, and that the end was clean."""
    ended = await encounter.reports.next("ended")
    check(f"Lifeline's end ({ended['message']})", (ended["code"], ended["isClean"]), (1000, True))
    compressed = ended["compressed"]
    total = TOTAL if is_compressed else 0
    check("the bytes received compressed", compressed["received"], total)
    check("the bytes sent compressed", compressed["sent"], total + len(SENT_ALONE) if is_compressed else 0)


async def check_connection(encounter: Encounter, record: Record, expected: Parameters | None) -> None:
    check_agreement(encounter, expected)
    await converse(encounter.ws)
    if expected:
        check_wire(record.arrivals, encounter.lifeline_role, expected)
    await encounter.ws.close()
    await check_statistics(encounter, expected is not None)


# Lifeline as the server.


class Server:
    """A server of Lifeline's that asks for something."""

    def __init__(self, setting: Setting, lifeline: Lifeline, port: int, asked: Parameters | None) -> None:
        self.setting, self.lifeline, self.port, self.asked = setting, lifeline, port, asked
        self.count = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, setting: Setting, asked: Parameters | None) -> AsyncIterator["Server"]:
        option = asked.option if asked else "--compression=none"
        async with setting.lifeline_server(option, "--compress=always") as (lifeline, port):
            yield cls(setting, lifeline, port, asked)

    async def meet(self, offer: Parameters) -> None:
        """Connects with an offer."""
        record = Record()
        await self.meet_with([ClientFactory(offer, record)], record, agreed(offer, self.asked) if self.asked else None)

    async def meet_with(
        self, extensions: list[ClientExtensionFactory], record: Record, expected: Parameters | None
    ) -> None:
        """Connects with several offers, of which the record's is the one to be agreed on."""
        self.count += 1
        id = f"{self.count}"
        async with self.setting.connect(
            self.port, script_path(id, STEPS), compression=None, extensions=extensions, max_size=None
        ) as ws:
            reports = self.lifeline.reports(id)
            encounter = Encounter("server", ws, reports, await reports.next("opened"))
            await check_connection(encounter, record, expected)


BARE, USUAL = Parameters(), Parameters(client_max_window_bits=True)
NARROW = Parameters(True, True, 10, 10)


async def run_server(setting: Setting, results: Results) -> None:
    async with Server.start(setting, Parameters()) as server:
        offers = ((f"{offer}", partial(server.meet, offer)) for offer in OFFERS)
        await results.run_many("deflate server, all offers", offers)
    await results.run_many("deflate server, all that it can ask for, of each of three offers", (
        (f"{asked}", partial(meet_server, setting, asked)) for asked in LIFELINE_ASKED))


async def meet_server(setting: Setting, asked: Parameters) -> None:
    async with Server.start(setting, asked) as server:
        for offer in [BARE, USUAL, NARROW]:
            try:
                await server.meet(offer)
            except AssertionError as error:
                raise AssertionError(f"offered {offer}: {error}") from error


# Lifeline as the client.


async def meet_client(setting: Setting, offer: Parameters, asked: Parameters) -> None:
    record = Record()
    await meet_client_with(setting, [offer], [ServerFactory(asked, record)], record, agreed(offer, asked))
    check("what Lifeline offered", written(record.asked or []), f"{offer}")


async def meet_client_with(
    setting: Setting, offers: list[Parameters], extensions: list[ServerExtensionFactory] | None, record: Record,
    expected: Parameters | None
) -> None:
    """Connects Lifeline with several offers; what websockets makes of them is in the record."""
    options = {"compression": None, "extensions": extensions, "max_size": None}
    arguments = [offer.option for offer in offers]
    async with setting.accept(options, *arguments, "--compress=always", *STEPS) as (ws, reports, opened):
        await check_connection(Encounter("client", ws, reports, opened), record, expected)


async def run_client(setting: Setting, results: Results) -> None:
    await results.run_many("deflate client, all offers", (
        (f"{offer}", partial(meet_client, setting, offer, Parameters())) for offer in LIFELINE_OFFERS))
    await results.run_many("deflate client, all that it can be asked for, of each of two offers", (
        (f"offers {offer}, asked for {asked}", partial(meet_client, setting, offer, asked))
        for asked in ASKED for offer in [USUAL, NARROW]))
