"""An echo server on Python's websockets, without compression unless --deflate is given; asyncio and uvloop set TCP_NODELAY themselves.

A connection to /push is a subscriber: what arrives on one of these goes to each of them.
"""

import argparse
import asyncio

import websockets
from websockets.asyncio.server import ServerConnection, broadcast, serve

try:
    from uvloop import run
except ImportError:
    from asyncio import run

subscribers: set[ServerConnection] = set()


async def handle(connection: ServerConnection) -> None:
    try:
        if connection.request.path != "/push":
            async for message in connection:
                await connection.send(message)
            return
        subscribers.add(connection)
        try:
            async for message in connection:
                broadcast(subscribers, message)
        finally:
            subscribers.discard(connection)
    except websockets.ConnectionClosed:
        pass


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--deflate", action="store_true")
    arguments = parser.parse_args()
    compression = "deflate" if arguments.deflate else None
    async with serve(
        handle, "127.0.0.1", arguments.port, compression=compression, max_size=16 << 20, backlog=4096
    ) as server:
        print("listening", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


run(main())
