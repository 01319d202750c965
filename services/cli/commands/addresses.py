"""`mail addresses`, `revive`, `suppressed`, `suppress` and `unsuppress`: addresses that are not written to."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

NOT_FOUND = 404
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The address; capital letters do not matter.")]
AddressOrDomain = Annotated[str, typer.Argument(metavar="ADDRESS", help="The address, or a whole domain as *@example.org.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object an address.")]


class Reason(StrEnum):
    """Why somebody puts an address on the list."""

    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    BY_HAND = "by_hand"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(addresses)
    app.command()(revive)
    app.command()(suppressed)
    app.command()(suppress)
    app.command()(unsuppress)


def addresses(as_json: AsJson = False) -> None:
    """List addresses that mail came back from for good: nothing is sent there."""

    def line(found: dict[str, Any]) -> str:
        return f"{found['address']}  {found['status']}  since {found['since']}  {found['delivery_id']}"

    _print_all("/dead-addresses", line, as_json)


def suppressed(as_json: AsJson = False) -> None:
    """List every address and domain that is not written to, and why."""

    def line(found: dict[str, Any]) -> str:
        why = " ".join(part for part in (found["reason"], found["status"], found["note"]) if part)
        until = f"  until {found['until']}" if found["until"] else ""
        return f"{found['address']}  {why}  since {found['since']}{until}  {found['added_by'] or '-'}"

    _print_all("/suppressions", line, as_json)


def revive(address: Address) -> None:
    """Have an address written to again that mail came back from for good."""
    _post(
        "/dead-addresses/revive", {"address": address}, f"{address} is not among the addresses that mail came back from", "mail addresses"
    )
    print(f"{address} is written to again")


def suppress(
    address: AddressOrDomain,
    reason: Annotated[Reason, typer.Option(help="Why.")] = Reason.BY_HAND,
    note: Annotated[str, typer.Option(help="What colleagues should know about it.")] = "",
    until: Annotated[datetime | None, typer.Option(help="From then on (UTC) it is written to again; none: until it is taken off.")] = None,
) -> None:
    """Write to an address or a whole domain no more. What waits for it has failed."""
    body = {"address": address, "reason": reason.value, "note": note, "until": f"{until.isoformat()}Z" if until else None}
    _post("/suppressions", body)
    print(f"{address} is not written to any more")


def unsuppress(address: AddressOrDomain) -> None:
    """Take an address or a domain off the list."""
    _post("/suppressions/remove", {"address": address}, f"{address} is not on the list", "mail suppressed")
    print(f"{address} is written to again")


def _print_all(path: str, line: Any, as_json: bool) -> None:
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    url, token, params = f"{stack.url('notify')}{path}", stack.machine_token(), {"limit": "200"}
    is_empty = True
    while True:
        page = client.request("GET", url, token=token, params=params).json()
        for found in page["items"]:
            print(json.dumps(found) if as_json else line(found))
            is_empty = False
        if not page.get("next"):
            break
        params["cursor"] = page["next"]
    if is_empty and not as_json:
        print("there is none")


def _post(path: str, body: dict[str, Any], unknown: str = "", shown_by: str = "") -> None:
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client
    from services.cli.stack.errors import RefusedError, StackError

    stack = the_stack()
    headers = {"Content-Type": "application/json"}
    try:
        client.request(
            "POST", f"{stack.url('notify')}{path}", token=stack.machine_token(), content=json.dumps(body).encode(), headers=headers
        )
    except RefusedError as refusal:
        if refusal.status == NOT_FOUND and unknown:
            raise StackError(f"{unknown} (casestream {shown_by})") from refusal
        raise
