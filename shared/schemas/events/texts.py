"""Kinds of text that events are made of, and their limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

CODE_LENGTH = 64
CODE_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"
LINE_LENGTH = 998
Code = Annotated[str, StringConstraints(min_length=1, max_length=CODE_LENGTH, pattern=CODE_PATTERN)]
Line = Annotated[str, StringConstraints(max_length=LINE_LENGTH)]
BODY_LIMIT_BYTES = 65_536
"""Longest text body inside an event, in bytes of UTF-8; a longer one is cut there, and whole in the file `raw`."""
