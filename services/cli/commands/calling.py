"""`casestream call`: a call to the sample's telephone line, as its gateway would report it."""

import hashlib
import hmac
import json
import time
from enum import StrEnum
from typing import Annotated

import typer

from services.cli.commands.settings import the_stack

LINE = "+441632960200"
"""As `config/housing.yaml` has it."""


class Stage(StrEnum):
    """What the gateway reports."""

    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


def signed(body: bytes, key: bytes, now: int) -> dict[str, str]:
    """The headers by which ingest knows that the gateway sent `body` at `now` (seconds since 1970)."""
    signature = hmac.new(key, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "Casestream-Timestamp": str(now), "Casestream-Signature": f"sha256={signature}"}


def call(
    caller: Annotated[str, typer.Argument(help="The caller's number, like +441632960001.")],
    stage: Annotated[Stage, typer.Option(help="How far the call has come.")] = Stage.RINGING,
    id: Annotated[str, typer.Option(help="The call's name; the same one for all its stages. Without: a new call.")] = "",
    name: Annotated[str, typer.Option(help="The caller's name.")] = "",
    answered_by: Annotated[str, typer.Option(help="A user who answered.")] = "",
) -> None:
    """Let a call ring at the sample's telephone line, be answered, or end: it shows on the desk's page of calls at once."""
    from services.cli.stack import client, keys

    stack = the_stack()
    url = f"{stack.url('ingest')}/phone/{LINE}/events"
    key = (stack.folder / "credentials" / keys.SWITCHBOARD).read_bytes()
    given = {"event": stage.value, "id": id or f"cli.{time.time_ns()}", "from": caller, "name": name, "answered_by": answered_by}
    body = json.dumps({field: value for field, value in given.items() if value}).encode()
    client.request("POST", url, content=body, headers=signed(body, key, int(time.time())))
    typer.echo(given["id"])
