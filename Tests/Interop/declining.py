"""What is declined or refused of permessage-deflate, by Lifeline and by websockets."""

from functools import partial

from websockets.asyncio.connection import Connection
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response

from compression import BARE, USUAL, Server, meet_client_with
from framework import Results, check
from parameters import LIFELINE_OFFERS, NAME, OFFERS, Parameters, agreed
from recording import ClientFactory, RawClientFactory, Record, ServerFactory, Words, written
from setting import Setting, port_of

# Offers that RFC 7692 has a server decline.
UNACCEPTABLE: list[Words] = [
    [("mode", None)], [("server_no_context_takeover", "1")], [("client_no_context_takeover", "true")],
    [("server_no_context_takeover", None)] * 2, [("client_no_context_takeover", None)] * 2,
    [("server_max_window_bits", None)],
    *([(name, value)] for name in ("server_max_window_bits", "client_max_window_bits")
      for value in ("7", "16", "08", "015", "0", "+9", "x", "99999999999999999999")),
    *([(name, "10"), (name, "10")] for name in ("server_max_window_bits", "client_max_window_bits")),
    [("client_max_window_bits", None)] * 2, [("server_max_window_bits", "10"), ("mode", "fast")],
]
# Answers that no client may take, each with an offer.
UNWANTED: list[tuple[Parameters, str]] = [
    (USUAL, f"{NAME}; mode=1"), (USUAL, f"{NAME}; server_no_context_takeover=1"), (USUAL, f"{NAME}, {NAME}"),
    (USUAL, f"{NAME}; client_no_context_takeover; client_no_context_takeover"), (USUAL, "x-webkit-deflate-frame"),
    (USUAL, f"{NAME}; client_max_window_bits"), (USUAL, f"{NAME}; server_max_window_bits"),
    *((USUAL, f"{NAME}; {side}_max_window_bits={bits}") for side in ("server", "client") for bits in ("7", "16", "08")),
    (Parameters(server_no_context_takeover=True), NAME),
    (Parameters(server_max_window_bits=10), NAME), (Parameters(server_max_window_bits=10), f"{NAME}; server_max_window_bits=11"),
    (Parameters(client_max_window_bits=10), f"{NAME}; client_max_window_bits=11"),
]


# Lifeline as the server.


async def decline_all(server: Server, words: Words) -> None:
    """An offer that is unacceptable leaves the connection without compression."""
    await server.meet_with([RawClientFactory(words)], Record(), None)


async def take_next(server: Server, words: Words, next: Parameters) -> None:
    """Another offer behind it is taken."""
    record = Record()
    await server.meet_with([RawClientFactory(words), ClientFactory(next, record)], record, agreed(next, server.asked))


async def refused_8(setting: Setting, asked: Parameters, offer: Parameters) -> None:
    """websockets as it is ends the connection where it is asked for a window of 8 bits."""
    async with Server.start(setting, asked) as server:
        try:
            await server.meet_with([ClientFactory(offer, Record(), takes_8=False)], Record(), None)
        except NegotiationError as error:
            check("what websockets says", "('client_max_window_bits', '8')" in str(error), True)
        else:
            raise AssertionError("websockets should refuse a window of 8 bits")
        # The server has survived it.
        await server.meet(BARE)


async def run_server(setting: Setting, results: Results) -> None:
    async with Server.start(setting, Parameters()) as server:
        await results.run_many("deflate server, offers that are declined", (
            (written(words), partial(decline_all, server, words)) for words in UNACCEPTABLE))
        await results.run_many("deflate server, the offer behind one that is declined", (
            (f"{written(words)}, {next}", partial(take_next, server, words, next))
            for words in UNACCEPTABLE for next in [USUAL, Parameters(True, True, 9, 12)]))
    async with Server.start(setting, None) as server:
        await results.run_many("deflate server without compression", (
            (f"{offer}", partial(server.meet, offer)) for offer in OFFERS[::7]))
    await results.run_many("deflate server, a window of 8 bits that websockets refuses", (
        (f"asks for {asked}, offered {offer}", partial(refused_8, setting, asked, offer))
        for asked, offer in [(Parameters(client_max_window_bits=8), USUAL), (Parameters(True, True, 8, 8), USUAL)]))


# Lifeline as the client.


async def decline_offer(setting: Setting, offer: Parameters) -> None:
    """websockets as it is declines an offer that wants its window to have 8 bits; without compression it declines all."""
    extensions = None
    if offer.server_max_window_bits == 8:
        extensions = [ServerFactory(Parameters(), Record(), takes_8=False)]
    await meet_client_with(setting, [offer], extensions, Record(), None)


async def take_alternative(setting: Setting, declined: Parameters, next: Parameters) -> None:
    """Of several offers of Lifeline's the one that is taken holds."""
    record = Record()
    extensions = [ServerFactory(Parameters(), record, takes_8=False)]
    await meet_client_with(setting, [declined, next], extensions, record, agreed(next, Parameters()))


async def refuse_answer(setting: Setting, offer: Parameters, answer: str) -> None:
    """Lifeline ends the connection where it is answered what it has not offered."""

    async def handle(ws: Connection) -> None:
        await ws.wait_closed()

    def respond(_, request: Request, response: Response) -> None:
        response.headers["Sec-WebSocket-Extensions"] = answer

    async with setting.serve(handle, process_response=respond) as server:
        client = await setting.lifeline_client(port_of(server), offer.option)
        try:
            failed = await client.reports().next("failed")
            check(f"Lifeline's error ({failed['message']})", failed["error"], "handshakeFailed")
        finally:
            await client.stop()


async def run_client(setting: Setting, results: Results) -> None:
    with_8 = [offer for offer in LIFELINE_OFFERS if offer.server_max_window_bits == 8]
    without_8 = [offer for offer in LIFELINE_OFFERS if offer.server_max_window_bits != 8]
    await results.run_many("deflate client, offers that websockets declines", (
        (f"{offer}", partial(decline_offer, setting, offer)) for offer in with_8))
    await results.run_many("deflate client, nothing to agree on", (
        (f"{offer}", partial(decline_offer, setting, offer)) for offer in without_8[::7]))
    await results.run_many("deflate client, the offer behind one that is declined", (
        (f"{declined}, {next}", partial(take_alternative, setting, declined, next))
        for declined, next in zip(with_8, without_8[::5])))
    await results.run_many("deflate client, answers that are refused", (
        (f"{offer}, answered {answer}", partial(refuse_answer, setting, offer, answer)) for offer, answer in UNWANTED))
