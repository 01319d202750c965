"""Raw mails as ingest's API takes them: one as it is, several as the parts of one digest (RFC 2046, 5.1.5)."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

MOST_MAILS = 100
MOST_BYTES = 8 * 1024 * 1024


def batches(mails: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Mails in batches that are neither too many nor too large; a single large one is a batch of its own."""
    batch: list[bytes] = []
    size = 0
    for mail in mails:
        if batch and (len(batch) == MOST_MAILS or size + len(mail) > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(mail)
        size += len(mail)
    if batch:
        yield batch


def as_request(mails: Sequence[bytes]) -> tuple[dict[str, str], bytes]:
    """Headers and body of one request. The mails' bytes stay exactly as they are."""
    if len(mails) == 1:
        return {"Content-Type": "message/rfc822"}, mails[0]
    boundary = secrets.token_hex(24).encode()
    # Without fields of its own a digest's part is a mail.
    begin = b"--" + boundary + b"\r\n\r\n"
    pieces: list[bytes] = []
    for mail in mails:
        pieces += (begin, mail, b"\r\n")
    pieces.append(b"--" + boundary + b"--\r\n")
    return {"Content-Type": f'multipart/digest; boundary="{boundary.decode()}"'}, b"".join(pieces)


def deliver(
    url: str, token: Callable[[], str], mails: Sequence[bytes], account: str | None, patience: float, *, old: bool = False
) -> list[dict[str, Any]]:
    """Give raw mails to the ingest at `url`; each one's communication (`id`), in order.

    `old`: they are from before our time.

    Safe to repeat, so an ingest that is just being restarted is waited for, `patience` seconds at most. Raises `NotRunningError` and
    `RefusedError`; mails of the batches before were taken then.
    """
    from services.cli.stack import client

    params = ({"account": account} if account else {}) | ({"old": "true"} if old else {})
    delivered: list[dict[str, Any]] = []
    for batch in batches(mails):
        headers, content = as_request(batch)
        answer = client.patiently(
            lambda headers=headers, content=content: client.request(  # type: ignore[misc]
                "POST", f"{url}/mail", token=token(), content=content, headers=headers, params=params
            ),
            patience,
        )
        delivered += answer.json()["communications"]
    return delivered
