"""An echo server on Python's picows, which has no compression; asyncio and uvloop set TCP_NODELAY themselves.

It works on frames: they are sent back as they come, and text is not checked.
A connection to /push is a subscriber: what arrives on one of these goes to each of them.
"""

import argparse
import asyncio

import picows

try:
    from uvloop import run
except ImportError:
    from asyncio import run

TEXT, BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
CONTINUATION, CLOSE = picows.WSMsgType.CONTINUATION, picows.WSMsgType.CLOSE


class Echo(picows.WSListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind == BINARY or kind == TEXT or kind == CONTINUATION:
            self.answer(transport, frame)
        elif kind == CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()

    def answer(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_memoryview(), frame.fin)


class Push(Echo):
    subscribers: set[picows.WSTransport] = set()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.subscribers.add(transport)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.subscribers.discard(transport)

    def answer(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind, payload, final = frame.msg_type, frame.get_payload_as_bytes(), frame.fin
        for subscriber in self.subscribers:
            subscriber.send(kind, payload, final)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    server = await picows.ws_create_server(
        lambda request: Push() if request.path == b"/push" else Echo(),
        "127.0.0.1",
        arguments.port,
        max_frame_size=16 << 20,
        backlog=4096,
    )
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


run(main())
