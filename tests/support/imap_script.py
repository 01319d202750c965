"""An IMAP server with one folder that says what a test wants it to say, for what a sound server cannot be brought to do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator

Say = Callable[[str], str | bytes]
"""Arguments of a command -> what to answer, `TAG` standing for its tag."""

OK = "TAG OK done\r\n"


class ImapScript:
    """Mails 1 to `mails`. `answers`: by command (`UID FETCH`, ...), instead of the usual answer."""

    def __init__(self, mails: int = 1) -> None:
        self.mails = mails
        self.greeting = "* OK ready\r\n"
        self.capability = "IMAP4rev1 IDLE AUTH=PLAIN"
        self.answers: dict[str, Say] = {}
        self.said: list[str] = []
        """Every command, in order, without what it was given."""
        self.cut_after = False
        """Close the connection after the next thing that is said."""
        self.port = 0
        self._open: set[socket.socket] = set()

    def speak(self, connection: socket.socket) -> None:
        """Speak with one client until it goes."""
        self._open.add(connection)
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.sendall(self.greeting.encode())
            for line in self._until_cut(connection, lines):
                tag, _, rest = line.decode().rstrip("\r\n").partition(" ")
                name, _, arguments = rest.partition(" ")
                if name == "UID":
                    second, _, arguments = arguments.partition(" ")
                    name = f"UID {second}"
                if name == "AUTHENTICATE" and name not in self.answers:
                    connection.sendall(b"+ \r\n")
                    lines.readline()
                self.said.append(name or tag)
                say = self.answers.get(name, lambda given, name=name: self.usual(name, given))
                answer = say(arguments)
                raw = answer.encode() if isinstance(answer, str) else answer
                connection.sendall(raw.replace(b"TAG", tag.encode()))
                if name == "IDLE" and raw.startswith(b"+"):
                    lines.readline()
                    self.said.append("DONE")
                    connection.sendall(f"{tag} OK done\r\n".encode())
        self._open.discard(connection)

    def _until_cut(self, connection: socket.socket, lines: Iterable[bytes]) -> Iterator[bytes]:
        if not self.cut_after:
            for line in lines:
                yield line
                if self.cut_after:
                    break
        self.cut_after = False
        # Other references to the socket (its file) keep it open otherwise.
        connection.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Break every connection."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def mail(self, number: int) -> bytes:
        """A mail."""
        return f"Subject: mail {number}\r\n\r\nText.\r\n".encode()

    def body(self, number: int, raw: bytes | None = None) -> bytes:
        """How a mail is given."""
        raw = self.mail(number) if raw is None else raw
        return b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (number, number, len(raw), raw)

    def usual(self, name: str, given: str) -> str | bytes:
        if name == "CAPABILITY":
            return f"* CAPABILITY {self.capability}\r\n{OK}"
        if name == "SELECT":
            told = f"* {self.mails} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT {self.mails + 1}] x\r\n"
            return told + "TAG OK [READ-WRITE] done\r\n"
        if name == "UID SEARCH":
            first = given.rpartition("UID ")[2].partition(":")[0]
            found = range(int(first), self.mails + 1) if first.isdigit() else range(0)
            return f"* SEARCH {' '.join(map(str, found))}".rstrip() + "\r\n" + OK
        if name == "UID FETCH":
            uids, _, what = given.partition(" ")
            numbers = [int(uid) for uid in uids.split(",") if int(uid) <= self.mails]
            if "RFC822.SIZE" in what:
                lines = [f"* {number} FETCH (UID {number} RFC822.SIZE {len(self.mail(number))})\r\n" for number in numbers]
                return "".join(lines) + OK
            return b"".join(map(self.body, numbers)) + OK.encode()
        if name == "IDLE":
            return "+ idling\r\n"
        return OK


@contextlib.contextmanager
def imap_script(mails: int = 1) -> Iterator[ImapScript]:
    """Serve while the block runs."""
    script = ImapScript(mails)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        script.port = int(listener.getsockname()[1])

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=script.speak, args=(connection,), name="imap script client", daemon=True).start()

        thread = threading.Thread(target=serve, name="imap script", daemon=True)
        thread.start()
        try:
            yield script
        finally:
            # Closing alone does not wake the thread that accepts.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            script.cut()
