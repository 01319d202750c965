"""`casestream machine-token`: an access token for another program, as a mail server's pipe or an upstream system."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.commands.settings import state_folder
from services.cli.stack.errors import StackError

LONGEST_DAYS = 366


class Permission(StrEnum):
    """What another program may be let do."""

    DELIVER = "communication:deliver"
    CONTACT = "contact-event:write"
    STATUS = "status:read"
    DEAD_LETTERS = "dead-letter:read"


class NoKeyError(StackError):
    """There is no key to sign with."""

    exit_code = 5


def machine_token(
    name: Annotated[str, typer.Argument(help="Whose it is, for the logs: letters, digits, `-`, `.`.")],
    permission: Annotated[list[Permission], typer.Option(help="What it allows; may be given several times.")],
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How long it is good.")] = 90,
    key: Annotated[Path | None, typer.Option(help="The desk's signing key; without, that of the platform on this machine.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write it to, for its owner only; without, standard output.")] = None,
) -> None:
    """An access token for another program. It cannot be taken back by itself: only a new signing key ends it before its time."""
    from services.cli.stack.secret_file import write_private
    from shared.clock import utc_now
    from shared.web.tokens import TokenSigner

    if not name or not name.isascii() or not all(sign.isalnum() or sign in "-." for sign in name):
        raise typer.BadParameter("a name is of letters, digits, `-` and `.`", param_hint="NAME")
    path = key or state_folder() / "signing-key.pem"
    now = utc_now()
    try:
        token = TokenSigner(path.read_bytes()).machine_token(name, permission, now, timedelta(days=days))
    except FileNotFoundError as error:
        raise NoKeyError(f"there is no signing key {path}; --key names another") from error
    except ValueError as error:
        raise NoKeyError(f"{path} holds no signing key: {error}") from error
    if out is None:
        typer.echo(token)
    else:
        write_private(out, token.encode() + b"\n")
    typer.echo(f"casestream: it is good until {now + timedelta(days=days):%Y-%m-%d %H:%M} UTC", err=True)
