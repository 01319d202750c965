"""An SMTP server that takes everything and keeps nothing, as quick as Python allows: what is measured is who speaks with it."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, cast

_REPLIES = {
    b"EHLO": b"250-sink\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}
_END = b"\r\n.\r\n"


class Session(asyncio.Protocol):
    """One client."""

    def __init__(self, taken: Any) -> None:
        self._taken = taken
        self._got = bytearray()
        self._is_in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer every line, and every message as a whole."""
        self._got += data
        answers = bytearray()
        while True:
            end = self._got.find(_END if self._is_in_data else b"\r\n")
            if end < 0:
                break
            if self._is_in_data:
                del self._got[: end + len(_END)]
                self._is_in_data = False
                self._taken.value += 1
                answers += b"250 taken\r\n"
            else:
                verb = bytes(self._got[:4]).upper()
                del self._got[: end + 2]
                answers += _REPLIES.get(verb, b"250 OK\r\n")
                self._is_in_data = verb == b"DATA"
        if answers:
            self._transport.write(bytes(answers))


def _serve(taken: Any, ready: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Session(taken), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


class Sink:
    """The server, seen from outside."""

    def __init__(self, port: int, taken: Any) -> None:
        self.port = port
        self._taken = taken

    @property
    def taken(self) -> int:
        """How many messages it has taken since it began."""
        return int(self._taken.value)


@contextmanager
def mail_sink() -> Iterator[Sink]:
    """A sink in a process of its own while the block runs."""
    context = multiprocessing.get_context("spawn")
    taken = context.Value("q", 0, lock=False)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(taken, there), daemon=True)
    process.start()
    try:
        yield Sink(here.recv(), taken)
    finally:
        process.kill()
        process.join()
