"""permessage-deflate as websockets has it, made to note what arrives, and, where wanted, to speak of windows of 8 bits.

websockets refuses to compress with a window of 8 bits, which zlib cannot do without a header. A window of zlib's of 9 bits
reaches back 250 bytes at most, within the 256 of 8 bits, so that it is enough to change the words of the handshake.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import CTRL_OPCODES, Frame

from parameters import NAME, Parameters

Words = list[tuple[str, str | None]]


def written(words: Words) -> str:
    """The element as it is in the handshake."""
    return "; ".join([NAME, *(name if value is None else f"{name}={value}" for name, value in words)])


class Arrival(NamedTuple):
    """A frame of a message as it was on the wire."""

    is_compressed: bool
    size: int
    is_final: bool


@dataclass
class Record:
    """What websockets has seen of one connection."""

    asked: Words | None = None
    answered: Words | None = None
    arrivals: list[Arrival] = field(default_factory=list)


class RecordingDeflate(PerMessageDeflate):
    record: Record

    @classmethod
    def of(cls, extension: PerMessageDeflate, record: Record) -> "RecordingDeflate":
        extension.__class__ = cls
        extension.record = record
        return extension

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        if frame.opcode not in CTRL_OPCODES:
            self.record.arrivals.append(Arrival(frame.rsv1, len(frame.data), frame.fin))
        return super().decode(frame, max_size=max_size)


def replaced(words: Words, name: str, old: str, new: str) -> Words:
    return [(word, new if (word, value) == (name, old) else value) for word, value in words]


class ClientFactory(ClientPerMessageDeflateFactory):
    """A client of websockets' that offers the given parameters."""

    def __init__(self, offer: Parameters, record: Record, takes_8: bool = True) -> None:
        client_bits = offer.client_max_window_bits
        self.offers_8 = client_bits == 8
        self.takes_8 = takes_8
        self.record = record
        super().__init__(
            offer.server_no_context_takeover, offer.client_no_context_takeover, offer.server_max_window_bits,
            9 if self.offers_8 else client_bits)

    def get_request_params(self) -> Words:
        words = list(super().get_request_params())
        return replaced(words, "client_max_window_bits", "9", "8") if self.offers_8 else words

    def process_response_params(self, params: Words, accepted_extensions: list) -> PerMessageDeflate:
        self.record.answered = params
        if self.takes_8:
            params = replaced(params, "client_max_window_bits", "8", "9")
        return RecordingDeflate.of(super().process_response_params(params, accepted_extensions), self.record)


class RawClientFactory(ClientPerMessageDeflateFactory):
    """An offer in any words, which websockets takes to be declined."""

    def __init__(self, words: Words) -> None:
        super().__init__()
        self.words = words

    def get_request_params(self) -> Words:
        return self.words

    def process_response_params(self, params: Words, accepted_extensions: list) -> PerMessageDeflate:
        raise NegotiationError("another offer is what the answer belongs to")


class ServerFactory(ServerPerMessageDeflateFactory):
    """A server of websockets' that asks for the given parameters."""

    def __init__(self, asked: Parameters, record: Record, takes_8: bool = True) -> None:
        server_bits = asked.server_max_window_bits
        self.asks_8 = server_bits == 8
        self.takes_8 = takes_8
        self.record = record
        super().__init__(
            asked.server_no_context_takeover, asked.client_no_context_takeover, 9 if self.asks_8 else server_bits,
            asked.client_max_window_bits)

    def process_request_params(
        self, params: Words, accepted_extensions: list
    ) -> tuple[Words, PerMessageDeflate]:
        self.record.asked = params
        is_8 = self.asks_8
        if self.takes_8:
            is_8 |= ("server_max_window_bits", "8") in params
            params = replaced(params, "server_max_window_bits", "8", "9")
        answer, extension = super().process_request_params(params, accepted_extensions)
        if is_8:
            answer = replaced(answer, "server_max_window_bits", "9", "8")
        self.record.answered = answer
        return answer, RecordingDeflate.of(extension, self.record)
