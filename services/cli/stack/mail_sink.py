"""An SMTP server that catches every message as one file, so that nothing leaves the machine.

Run as `python -m services.cli.stack.mail_sink FOLDER SMTP_PORT HEALTH_PORT`.
"""

import asyncio
import itertools
import os
import signal
import sys
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from services.cli.stack.ports import LOOPBACK

SIZE_LIMIT = 50 * 1024 * 1024


class Folder:
    """Writes each message under a name of its own, visible only once it is whole.

    Names begin with the time of arrival, so that a listing is in the order of arrival.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = itertools.count()
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, message: bytes) -> Path:
        """Write one message durably and return its file."""
        path = self._folder / f"{time.time_ns():020d}-{os.getpid()}-{next(self._count):06d}.eml"
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(message)
        part.replace(path)
        return path

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002 - aiosmtpd's
        """Accept a message. The recipients of the envelope are kept in a header: the message need not name them."""
        content = envelope.original_content or b""
        recipients = ", ".join(envelope.rcpt_tos).encode("utf-8", "replace")
        self.keep(b"X-Envelope-To: " + recipients + b"\r\n" + content)
        return "250 caught"


async def _answer_health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
    await writer.drain()
    writer.close()


async def serve(folder: Path, smtp_port: int, health_port: int) -> None:
    """Catch mail until SIGTERM."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGINT, stopped.set)
    handler = Folder(folder)

    def session() -> SMTP:
        return SMTP(handler, data_size_limit=SIZE_LIMIT, enable_SMTPUTF8=True, hostname="mail-sink", loop=loop)

    smtp = await loop.create_server(session, LOOPBACK, smtp_port)
    health = await asyncio.start_server(_answer_health, LOOPBACK, health_port)
    await stopped.wait()
    smtp.close()
    health.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
