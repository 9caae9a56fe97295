"""The parameters of permessage-deflate (RFC 7692 §7.1), and what has to be agreed on."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

NAME = "permessage-deflate"
# None stands for a parameter that is not there.
WINDOW_BITS: list[int | None] = [None, *range(8, 16)]


@dataclass(frozen=True)
class Parameters:
    """What one side asks for, or what both agree on."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | Literal[True] | None = None
    """True, in an offer, stands for a parameter without a value."""

    def __str__(self) -> str:
        """The element as it is in the handshake; a value of True is none."""
        values = [name if value is True else f"{name}={value}" for name, value in vars(self).items() if value]
        return "; ".join([NAME, *values])

    @property
    def option(self) -> str:
        """The parameters as an option of LifelinePeer's."""
        return f"--compression={self}"

    def no_context_takeover(self, role: str) -> bool:
        return self.server_no_context_takeover if role == "server" else self.client_no_context_takeover

    def max_window_bits(self, role: str) -> int:
        bits = self.server_max_window_bits if role == "server" else self.client_max_window_bits
        return 15 if bits is True or bits is None else bits


def agreed(offer: Parameters, asked: Parameters) -> Parameters:
    """What a server that asks for more and a client that offers agree on; a window is left out where it is 15.

    The server may limit the client's window only where the offer speaks of it (§7.1.2.2).
    """
    server_bits = min(offer.max_window_bits("server"), asked.max_window_bits("server"))
    client_bits = 15
    if offer.client_max_window_bits is not None:
        client_bits = min(offer.max_window_bits("client"), asked.max_window_bits("client"))
    return Parameters(
        offer.server_no_context_takeover or asked.server_no_context_takeover,
        offer.client_no_context_takeover or asked.client_no_context_takeover,
        server_bits if server_bits < 15 else None,
        client_bits if client_bits < 15 else None)


def combinations(
    server_bits: list[int | None], client_bits: list[int | Literal[True] | None]
) -> Iterator[Parameters]:
    for values in product([False, True], [False, True], server_bits, client_bits):
        yield Parameters(*values)


# Whatever an offer can say, and whatever a server can ask for.
OFFERS = list(combinations(WINDOW_BITS, [None, True, *range(8, 16)]))
ASKED = list(combinations(WINDOW_BITS, WINDOW_BITS))
# The same for Lifeline, which leaves a window of 15 out; its offers always speak of the client's window.
LIFELINE_OFFERS = list(combinations(WINDOW_BITS[:-1], [True, *range(8, 15)]))
LIFELINE_ASKED = list(combinations(WINDOW_BITS[:-1], WINDOW_BITS[:-1]))
