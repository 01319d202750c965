"""`mail addresses` and `mail revive`: addresses that mail came back from for good."""

import json
from typing import Annotated

import typer

from services.cli.stack.errors import RefusedError, StackError

NOT_FOUND = 404


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(addresses)
    app.command()(revive)


def addresses(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an address.")] = False) -> None:
    """List addresses that mail came back from for good: nothing is sent there."""
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    url, token, params = f"{stack.url('notify')}/dead-addresses", stack.machine_token(), {"limit": "200"}
    is_empty = True
    while True:
        page = client.request("GET", url, token=token, params=params).json()
        for found in page["items"]:
            print(
                json.dumps(found) if as_json else f"{found['address']}  {found['status']}  since {found['since']}  {found['delivery_id']}"
            )
            is_empty = False
        if not page.get("next"):
            break
        params["cursor"] = page["next"]
    if is_empty and not as_json:
        print("there is none")


def revive(address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The address; capital letters do not matter.")]) -> None:
    """Have an address written to again that mail came back from for good."""
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    content, headers = json.dumps({"address": address}).encode(), {"Content-Type": "application/json"}
    try:
        client.request(
            "POST", f"{stack.url('notify')}/dead-addresses/revive", token=stack.machine_token(), content=content, headers=headers
        )
    except RefusedError as refusal:
        if refusal.status == NOT_FOUND:
            raise StackError(f"{address} is not among the addresses that mail came back from (casestream mail addresses)") from refusal
        raise
    print(f"{address} is written to again")
