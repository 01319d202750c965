"""TCP ports on the loopback address, remembered by name and moved when somebody else has taken them."""

import fcntl
import json
import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the range from which Linux gives ports to outgoing connections, so that none of those takes a port of ours
# between two starts.
FIRST, LAST = 15000, 32000


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A listener's old connections linger for a minute; a server may bind over them, so they do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


class Ports:
    """The ports of one state folder (`ports.json`)."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def known(self) -> dict[str, int]:
        """The remembered ports by name."""
        try:
            return {str(name): int(port) for name, port in json.loads(self._file.read_text()).items()}
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def claim(self, names: Iterable[str]) -> dict[str, int]:
        """A port for each name: the remembered one while it is free, else a new one, remembered from now on.

        Call it only for servers that are stopped: a running one would look like a stranger on its port.
        """
        with self._locked():
            ports = self.known()
            claimed: dict[str, int] = {}
            for name in names:
                port = ports.get(name)
                taken = set(ports.values()) | set(claimed.values())
                claimed[name] = port if port is not None and is_free(port) else self._find(taken)
                ports[name] = claimed[name]
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(ports, indent=1, sort_keys=True) + "\n")
            part.replace(self._file)
        return claimed

    def _find(self, taken: set[int]) -> int:
        # Random, so that two clones that start together seldom try the same port.
        while True:
            port = random.randrange(FIRST, LAST)  # noqa: S311 - not a secret
            if port not in taken and is_free(port):
                return port

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
