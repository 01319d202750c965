"""`republish`: a service publishes what it has as it is now, for consumers that never saw it."""

import json
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.cli.stack.errors import StackError

if TYPE_CHECKING:
    from services.cli.imports.run import Pace

MOST_AT_ONCE = 500
"""Accounts of one request: case takes no more in one transaction."""
TELL_SECONDS = 5.0
"""Between lines of progress."""


class Republished(StrEnum):
    """What can be sent again: all that a service has, or its accounts alone."""

    CASE = "case"
    TASK = "task"
    ACCOUNTS = "accounts"


class UnfinishedError(StackError):
    """Not all accounts were published."""

    exit_code = 9


def republish(
    what: Annotated[Republished, typer.Argument(help="All that case or task has, or case's accounts alone.")],
    after: Annotated[
        UUID | None, typer.Option(help="Of accounts: go on after the one with this id.", show_default="from the first")
    ] = None,
    rate: Annotated[float, typer.Option(min=1, max=10_000, help="Most accounts a second, so that live work goes first.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    url: Annotated[str | None, typer.Option(help="Where the service's API is.", show_default="the platform of this folder")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the access token for --url, read for each request.")] = None,
) -> None:
    """Have a service publish the current state of what it has again. Who has it already is not disturbed."""
    if what is not Republished.ACCOUNTS and after is not None:
        raise typer.BadParameter("only accounts are gone through by their ids", param_hint="--after")
    post = _poster("case" if what is Republished.ACCOUNTS else what.value, url, token_file)
    if what is not Republished.ACCOUNTS:
        print(post("/republish", {}))
        return
    from services.cli.imports.run import Pace

    count = republish_accounts(post, after, Pace(rate), max(1, min(MOST_AT_ONCE, int(rate))))
    print(json.dumps({"republished": count}) if as_json else f"{count} accounts republished")


def _poster(service: str, url: str | None, token_file: Path | None) -> Callable[[str, dict[str, str]], str]:
    """Posts to a path of the service's API with these parameters, and gives the answer's text."""
    from services.cli.stack import client

    if (url is None) != (token_file is None):
        raise typer.BadParameter("--url and --token-file go together")
    if url is None or token_file is None:
        from services.cli.commands.settings import the_stack

        stack = the_stack()
        return lambda path, params: client.request("POST", stack.url(service) + path, token=stack.machine_token(), params=params).text
    from services.cli.stack.token_file import read_token

    file, base = token_file, url.rstrip("/")
    return lambda path, params: client.request("POST", base + path, token=read_token(file), params=params).text


def republish_accounts(post: Callable[[str, dict[str, str]], str], after: UUID | None, pace: "Pace", batch: int) -> int:
    """Page by page, telling on stderr how far it is. Raises `UnfinishedError`, which says where to go on."""
    count: int = 0
    told = time.monotonic()
    while True:
        pace.wait(batch)
        params = {"limit": str(batch)} | ({} if after is None else {"after": str(after)})
        try:
            page = json.loads(post("/republish/accounts", params))
        except StackError as error:
            if after is None:
                raise
            raise UnfinishedError(f"{error}; {count} accounts are republished, go on with --after {after}") from error
        count += int(page["republished"])
        if page["next"] is None:
            return count
        after = UUID(page["next"])
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            # Ids are spread evenly, so the last one says how far it is.
            print(f"{count} accounts, about {after.int * 100 >> 128} %; to go on from here: --after {after}", file=sys.stderr)
