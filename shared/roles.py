"""Choosing a process's role from its command line: `python -m services.<name> ROLE`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Collection, Mapping

COLLECT_AFTER = (100_000, 20, 20)
"""Net new objects, then young and middle collections, before Python looks for cycles. A batch makes some ten thousand objects, which all
go when it is done and make no cycles: at Python's own 700 the looking took a seventh of a consumer's time."""


def run_role(service: str, roles: Mapping[str, Callable[[], None]], with_arguments: Collection[str] = ()) -> None:
    """Run the role that the first argument names; anything else says which there are and exits with code 2.

    Only roles `with_arguments` may be given more, which they read themselves.
    """
    name = sys.argv[1] if len(sys.argv) == 2 or (sys.argv[1:2] and sys.argv[1] in with_arguments) else ""
    role = roles.get(name)
    if role is None:
        sys.stderr.write(f"usage: python -m services.{service} {'|'.join(roles)}\n")
        sys.exit(2)
    collect_rarely()
    role()


def collect_rarely() -> None:
    """Have Python look for cycles of garbage as rarely as suits a process that works through batches."""
    gc.set_threshold(*COLLECT_AFTER)
    gc.freeze()  # modules and classes stay for good: no collection need look at them


def database_url() -> str:
    """`CASESTREAM_DATABASE`, for roles that need nothing else; exits with code 2 when it is missing."""
    url = os.environ.get("CASESTREAM_DATABASE", "")
    if not url:
        sys.stderr.write("setting CASESTREAM_DATABASE: Field required\n")
        sys.exit(2)
    return url
