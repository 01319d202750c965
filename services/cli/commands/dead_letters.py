"""`dead-letters list`, `show` and `replay`: messages that a service has set aside."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.stack.errors import RefusedError

app = typer.Typer(help="Messages that a service could not work on.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a dead letter.")]
Service = Annotated[str | None, typer.Option(help="Only this service's.", show_default="all")]
Id = Annotated[str, typer.Argument(help="The dead letter's id.")]
NOT_FOUND = 404


@app.command("list")
def list_all(service: Service = None, as_json: Json = False) -> None:
    """List dead letters, newest first."""
    for name, letter in _letters(service):
        if as_json:
            print(json.dumps({"service": name, **letter}))
        else:
            place = f"{letter.get('topic')}/{letter.get('partition')}/{letter.get('offset')}"
            print(f"{letter['id']}  {name:<7} {letter.get('kind', ''):<8} {place}  {letter.get('error', '')}")


@app.command()
def show(letter: Id, service: Service = None) -> None:
    """Show one with its message."""
    name, answer = _first_that_knows("GET", letter, "", service)
    print(json.dumps({"service": name, **answer}, indent=2, ensure_ascii=False))


@app.command()
def replay(
    letter: Id,
    value: Annotated[Path | None, typer.Option(help="A file whose bytes replace the message.")] = None,
    service: Service = None,
) -> None:
    """Have one worked on again, by its service alone."""
    body = {} if value is None else {"value": base64.b64encode(value.read_bytes()).decode()}
    name, _ = _first_that_knows("POST", letter, "/replay", service, body)
    print(f"{letter} goes to {name} again")


def _services(service: str | None) -> tuple[str, ...]:
    from services.cli.stack.postgres import SERVICES

    if service is not None and service not in SERVICES:
        raise typer.BadParameter(f"one of {', '.join(SERVICES)}", param_hint="--service")
    return (service,) if service else SERVICES


def _letters(service: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    token = stack.machine_token()
    for name in _services(service):
        params: dict[str, str] = {"limit": "200"}
        while True:
            try:
                page = client.request("GET", f"{stack.url(name)}/dead-letters", token=token, params=params).json()
            except RefusedError as refusal:
                # A service that consumes nothing has none.
                if refusal.status == NOT_FOUND:
                    break
                raise
            for letter in page["items"]:
                yield name, letter
            if not page.get("next"):
                break
            params["cursor"] = page["next"]


def _first_that_knows(
    method: str, letter: str, action: str, service: str | None, body: dict[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    token = stack.machine_token()
    content = None if body is None else json.dumps(body).encode()
    headers = None if body is None else {"Content-Type": "application/json"}
    for name in _services(service):
        url = f"{stack.url(name)}/dead-letters/{letter}{action}"
        try:
            answer = client.request(method, url, token=token, content=content, headers=headers)
        except RefusedError as refusal:
            if refusal.status == NOT_FOUND:
                continue
            raise
        found = answer.json() if answer.content else {}
        return name, found if isinstance(found, dict) else {"answer": found}
    raise RefusedError(f"no service has the dead letter {letter}", NOT_FOUND)
