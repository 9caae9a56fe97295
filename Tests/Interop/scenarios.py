"""What is compared on both sides of a connection, whichever side Lifeline is."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from functools import partial

from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from framework import Encounter, check, scenario

MIB = 1 << 20
# Lifeline's default limits on messages.
MAXIMUM_MESSAGE_SIZE = {"server": MIB, "client": 16 * MIB}


# Messages.


@scenario("echo of text and binary", "echo")
async def echo(encounter: Encounter) -> None:
    for message in ["hello", "żółć 🧵 \0", "", bytes(range(256)), b""]:
        await encounter.check_echo(message)


@scenario("echo at the borders of the length's encodings", "echo")
async def echo_lengths(encounter: Encounter) -> None:
    for length in [125, 126, 127, 65535, 65536, 65537]:
        await encounter.check_echo(os.urandom(length))


@scenario("echo of 1 MiB of text", "echo")
async def echo_large_text(encounter: Encounter) -> None:
    await encounter.check_echo("é" * (MIB // 2))


@scenario("echo of 1 MiB of binary", "echo")
async def echo_large_binary(encounter: Encounter) -> None:
    await encounter.check_echo(os.urandom(MIB))


@scenario("echo of 10 000 messages in order", "echo")
async def echo_many(encounter: Encounter) -> None:
    numbers = [str(number) for number in range(10_000)]

    async def send() -> None:
        for number in numbers:
            await encounter.ws.send(number)

    sending = asyncio.create_task(send())
    check("what came back", [await encounter.ws.recv() for _ in numbers], numbers)
    await sending


@scenario("10 000 messages from Lifeline in order", "count:10000")
async def many_from_lifeline(encounter: Encounter) -> None:
    received = [await encounter.ws.recv() for _ in range(10_000)]
    check("what came", received, [str(number) for number in range(10_000)])


@scenario("a message that is too big for Lifeline", "echo")
async def too_big_for_lifeline(encounter: Encounter) -> None:
    limit = MAXIMUM_MESSAGE_SIZE[encounter.lifeline_role]
    try:
        await encounter.ws.send(bytes(limit + 1))
        await encounter.ws.recv()
    except ConnectionClosedError as error:
        check("the code from Lifeline", error.rcvd and error.rcvd.code, 1009)
    await encounter.check_outcome(isClean=False, initiator="local")


@scenario("a message that is too big for websockets", f"binary-fragments:{2 * MIB}")
async def too_big_for_websockets(encounter: Encounter) -> None:
    await encounter.ws.wait_closed()
    await encounter.check_outcome(code=1009, isClean=True, initiator="peer")


# Fragments.


@scenario("text fragments from websockets", "echo")
async def text_fragments(encounter: Encounter) -> None:
    await encounter.ws.send(["one", "", " żółć", " three"])
    check("the echo", await encounter.ws.recv(), "one żółć three")


@scenario("text fragments from websockets that split a character", "echo")
async def split_character(encounter: Encounter) -> None:
    text = "🧵".encode()
    await encounter.ws.send([text[:1], text[1:3], text[3:]], text=True)
    check("the echo", await encounter.ws.recv(), "🧵")


@scenario("binary fragments from websockets", "echo")
async def binary_fragments(encounter: Encounter) -> None:
    parts = [os.urandom(size) for size in [1, 200_000, 0, 70_000]]
    await encounter.ws.send(parts)
    check("the echo", await encounter.ws.recv(), b"".join(parts))


# An empty frame ends what Lifeline sends in fragments.


@scenario("text fragments from Lifeline", "text-fragments:one,żółć,three")
async def text_fragments_from_lifeline(encounter: Encounter) -> None:
    fragments = [fragment async for fragment in encounter.ws.recv_streaming()]
    check("the fragments", fragments, ["one", "żółć", "three", ""])


@scenario("binary fragments from Lifeline", "binary-fragments:1,70000,0,300000")
async def binary_fragments_from_lifeline(encounter: Encounter) -> None:
    fragments = [fragment async for fragment in encounter.ws.recv_streaming()]
    check("the fragments", fragments, [b"\xA5" * size for size in [1, 70_000, 0, 300_000, 0]])


# Pings.


@scenario("pings from Lifeline", "ping", "ping")
async def pings_from_lifeline(encounter: Encounter) -> None:
    for _ in range(2):
        round_trip = (await encounter.reports.next("pong"))["microseconds"]
        check("a round trip between 0 and 5 s", 0 < round_trip < 5_000_000, True)


@scenario("pings from websockets", "echo")
async def pings_from_websockets(encounter: Encounter) -> None:
    for payload in ["", "ping", "x" * 125]:
        latency = await (await encounter.ws.ping(payload))
        check("a round trip between 0 and 5 s", 0 < latency < 5, True)


@scenario("a ping between fragments from websockets", "echo")
async def ping_between_fragments(encounter: Encounter) -> None:
    async def fragments() -> AsyncIterator[str]:
        yield "before "
        await (await encounter.ws.ping())
        yield "after"

    await encounter.ws.send(fragments())
    check("the echo", await encounter.ws.recv(), "before after")


# Subprotocols.


async def check_subprotocol(expected: str | None, encounter: Encounter) -> None:
    check("the subprotocol for Lifeline", encounter.opened.get("subprotocol"), expected)
    check("the subprotocol for websockets", encounter.ws.subprotocol, expected)


# The order of preference is the server's.
scenario("a subprotocol", offered=("chat.v1", "chat.v2"))(partial(check_subprotocol, "chat.v2"))
scenario("the only common subprotocol", offered=("other", "chat.v1"))(partial(check_subprotocol, "chat.v1"))
scenario("no common subprotocol", offered=("other",))(partial(check_subprotocol, None))
scenario("no subprotocol offered")(partial(check_subprotocol, None))


# Ends.


async def closed_by_lifeline(code: int, reason: str, encounter: Encounter) -> None:
    await encounter.reports.next("closing")
    await encounter.check_closed_by_lifeline(code, reason)


async def closed_by_websockets(code: int, reason: str, encounter: Encounter) -> None:
    await encounter.ws.close(code, reason)
    await encounter.check_closed_by_websockets(code, reason)


LONGEST_REASON = "ß" * 61 + "!"

for code, reason in [
    (1000, ""), (1001, "away"), (1003, "text only"), (1008, "żółć"), (1011, ""), (1014, ""), (3000, "registered"),
    (4000, "mine"), (4999, LONGEST_REASON),
]:
    title = f"{code} {reason[:10]!r}"
    scenario(f"closed by Lifeline with {title}", f"close:{code},{reason}")(partial(closed_by_lifeline, code, reason))
    scenario(f"closed by websockets with {title}", "echo")(partial(closed_by_websockets, code, reason))


@scenario("closed by websockets without a code", "echo")
async def closed_without_code(encounter: Encounter) -> None:
    async with encounter.ws.send_context():
        encounter.ws.protocol.send_close()
    await encounter.check_closed_by_websockets(1005, "")


@scenario("closed by both simultaneously", "receive", "close:4001,ours")
async def closed_by_both(encounter: Encounter) -> None:
    ws = encounter.ws
    # Lifeline's Close frame is held until that of websockets is on its way.
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    receive, ws.data_received = ws.data_received, arrived.set_result
    await ws.send("close now")
    held = await arrived
    ws.protocol.send_close(4002, "theirs")
    ws.send_data()
    ws.data_received = receive
    ws.data_received(held)
    await encounter.reports.next("message")
    await encounter.reports.next("closing")
    await ws.wait_closed()
    await encounter.check_outcome(code=4002, reason="theirs", isClean=True, initiator="both")
    check("the Close frame from Lifeline", ws.protocol.close_rcvd, Close(4001, "ours"))


@scenario("dropped by websockets", "echo")
async def dropped(encounter: Encounter) -> None:
    await encounter.check_echo("before")
    encounter.ws.transport.abort()
    await encounter.check_outcome(code=1006, isClean=False, initiator="peer")


@scenario("reset by websockets", "echo")
async def reset(encounter: Encounter) -> None:
    await encounter.check_echo("before")
    no_linger = struct.pack("ii", 1, 0)
    encounter.ws.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    encounter.ws.transport.abort()
    await encounter.check_outcome(code=1006, isClean=False, initiator="peer")


@scenario("dropped by websockets inside a frame", "echo")
async def dropped_inside_frame(encounter: Encounter) -> None:
    await encounter.check_echo("before")
    encounter.ws.transport.write(b"\x82")
    encounter.ws.transport.abort()
    await encounter.check_outcome(code=1006, isClean=False, initiator="peer")
