"""Server-sent events: who listens, how many may, and a response that lets go of whoever does not read."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Literal

import prometheus_client
from starlette.responses import StreamingResponse
from starlette.types import Send

HEARTBEAT_SECONDS = 15.0
AGAIN_MILLISECONDS = 2000
"""How soon a client connects again."""
SEND_SECONDS = 30.0
"""How long a reader may take to make room for the next piece."""
MOST_LISTENERS = 500
"""Of one process."""
MOST_OF_ONE_USER = 8
EVENT_STREAM = "text/event-stream"


class Listener:
    """Waits for changes, within one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something new. From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:  # the loop has ended, and with it the stream
            return

    async def wait(self, seconds: float) -> None:
        """Return once there is something new, or after so many seconds."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return
        self._woken.clear()


class Listeners:
    """Those who listen in this process. Safe for use by many threads."""

    def __init__(self, open: prometheus_client.Gauge, refused: prometheus_client.Counter) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._of_user: Counter[str] = Counter()
        self._open = open
        self._refused = refused

    def full_for(self, user: str) -> Literal["process", "user"] | None:
        """What leaves no room for one more listener of this user; None: there is room."""
        if len(self._listeners) >= MOST_LISTENERS:
            self._refused.inc()
            return "process"
        if self._of_user[user] >= MOST_OF_ONE_USER:
            self._refused.inc()
            return "user"
        return None

    @contextmanager
    def listening(self, user: str) -> Iterator[Listener]:
        """Hear of changes while the block runs."""
        listener = Listener()
        with self._lock:
            self._listeners.add(listener)
            self._of_user[user] += 1
        self._open.inc()
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)
                self._of_user[user] -= 1
                if not self._of_user[user]:
                    del self._of_user[user]
            self._open.dec()

    def wake(self) -> None:
        """There is something new for all. Safe within a signal's handler."""
        # Without the lock: whoever holds it may be the thread that the signal interrupted.
        for listener in tuple(self._listeners):
            listener.wake()


class EventStream(StreamingResponse):
    """Server-sent events as they come. A reader that takes none for `SEND_SECONDS` is cut off: what waits for it is never more than the
    piece at hand and the connection's own buffer.
    """

    def __init__(self, content: AsyncGenerator[str, None]) -> None:
        self._content = content
        super().__init__(content, media_type=EVENT_STREAM, headers={"X-Accel-Buffering": "no"})

    async def stream_response(self, send: Send) -> None:
        """Send the pieces, each within its time."""

        async def in_time(message: object) -> None:
            await asyncio.wait_for(send(message), SEND_SECONDS)  # type: ignore[arg-type]

        try:
            await super().stream_response(in_time)
        except TimeoutError:
            return
        finally:
            # Not left to the garbage collector: its place is for others at once.
            await self._content.aclose()


def event_text(name: str, data: str, id: str = "") -> str:
    """One event, as it goes over the wire."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() if line.strip())
    return f"{f'id: {id}{chr(10)}' if id else ''}event: {name}\n{lines}\n"
