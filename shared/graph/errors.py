"""What went wrong with a call, by reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

Reason = Literal["unreachable", "credentials", "throttled", "malformed", "refused"]
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_THROTTLED = frozenset({429, 509})


class GraphError(Exception):
    """A call failed. The text is for operators, without personal data and secrets.

    `unreachable`: no connection, a time-out, a server's error. `credentials`: the login or the token was refused. `throttled`: asked too
    often. `malformed`: the answer cannot be understood. `refused`: understood, and will not be done. `retry_after`: seconds that the
    server asked to wait. `status`: of HTTP; 0 without an answer. `code`: Graph's own, like `ErrorItemNotFound`.
    """

    def __init__(self, reason: Reason, text: str, *, wait: float | None = None, status: int = 0, code: str = "") -> None:
        super().__init__(text)
        self.reason: Reason = reason
        self.retry_after = wait
        self.status = status
        self.code = code

    @property
    def is_missing_item(self) -> bool:
        """Whether the server says that the item is not there (any more); another 404 is about the mailbox or the folder."""
        return self.status == 404 and self.code.lower() in {"erroritemnotfound", "itemnotfound"}


def error_of(status: int, headers: Mapping[str, str], body: Any) -> GraphError:
    """The error that an answer tells. `headers`: looked up in lower case. `body`: its JSON, or None."""
    code = code_of(body)
    text = f"HTTP {status} {code}".rstrip()
    wait = retry_after(headers)
    reason: Reason
    if status in _THROTTLED or (status == 503 and wait is not None):
        reason = "throttled"
    elif status == 401:
        reason = "credentials"
    elif status >= 500 or status == 408:
        reason = "unreachable"
    elif status >= 400:
        reason = "refused"
    else:
        reason = "malformed"
    return GraphError(reason, text, wait=wait, status=status, code=code)


def code_of(body: Any) -> str:
    """Graph's code of an error; the message beside it may name people and is left out."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks to wait: a number or a date (RFC 9110, 10.2.3)."""
    value = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
