"""Random secrets of one state folder, made when first asked for and readable by their owner only."""

import fcntl
import json
import os
import secrets
from pathlib import Path


class SecretFile:
    """Named secrets in one JSON file with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> str:
        """The secret of that name."""
        if found := self._read().get(name):
            return found
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = self._read()
            if name not in known:
                known[name] = secrets.token_hex(16)
                write_private(self._path, json.dumps(known, indent=1).encode())
            return known[name]

    def _read(self) -> dict[str, str]:
        try:
            return {str(name): str(secret) for name, secret in json.loads(self._path.read_text()).items()}
        except FileNotFoundError:
            return {}


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    part.replace(path)
