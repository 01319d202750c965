"""`webhooks list`, `deliveries`, `replay`, `skip`, `pause`, `resume` and `secret`: other systems that are told of events."""

import base64
import json
import secrets
from typing import Annotated, Any

import typer

from services.cli.stack.errors import RefusedError, StackError

app = typer.Typer(help="Other systems that are told of events.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object each.")]
Code = Annotated[str, typer.Argument(help="The webhook's code in the configuration.")]
NOT_FOUND = 404
SECRET_BYTES = 32


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """List webhooks and how they are doing."""
    found = _call("GET", "")["items"]
    for one in found:
        if as_json:
            print(json.dumps(one))
            continue
        why = one["paused_why"] if one["state"] == "paused" else one["error"]
        print(f"{one['code']:<20} {one['state']:<8} {one['waiting']:>7} wait  {one['url']}  {why}".rstrip())
    if not found and not as_json:
        print("the configuration has none")


@app.command()
def deliveries(
    code: Code,
    state: Annotated[str | None, typer.Option(help="Only those: waiting, taken, skipped, erased.")] = None,
    as_json: Json = False,
) -> None:
    """List events for a webhook, newest first."""
    params = {"limit": "200"} | ({"state": state} if state else {})
    while True:
        page = _call("GET", f"/{code}/deliveries", params=params)
        for one in page["items"]:
            line = f"{one['event_id']}  {one['created_at']}  {one['state']:<8} {one['attempts']:>3}  {one['event_type']}  {one['item']}"
            print(json.dumps(one) if as_json else line)
        if not page.get("next"):
            break
        params["cursor"] = page["next"]


@app.command()
def replay(
    code: Code,
    since: Annotated[str | None, typer.Option(help="From this time on, such as 2026-03-02T09:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.", show_default="now")] = None,
    event: Annotated[list[str] | None, typer.Option("--id", help="This event; may be given more than once.")] = None,
) -> None:
    """Tell a webhook events again, under their old ids."""
    body = {"since": since, "until": until, "ids": event or []}
    count = _call("POST", f"/{code}/replay", {name: value for name, value in body.items() if value})["messages"]
    print(f"{count} events are told to {code} again")


@app.command()
def skip(code: Code, event: Annotated[str, typer.Argument(help="The event's id.")]) -> None:
    """Pass over an event that a webhook cannot take."""
    _call("POST", f"/{code}/skip", {"id": event})
    print(f"{event} is not told to {code}")


@app.command()
def pause(code: Code, why: Annotated[str, typer.Option(help="For those who find it paused.")] = "") -> None:
    """Tell a webhook nothing for now; events wait."""
    _call("POST", f"/{code}/pause", {"why": why})
    print(f"{code} is paused")


@app.command()
def resume(code: Code) -> None:
    """Tell a webhook again what waits, at once."""
    _call("POST", f"/{code}/resume")
    print(f"{code} is told of events")


@app.command()
def secret() -> None:
    """Print a new secret, for a file with the webhook's code as its name."""
    print(f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}")


def _call(method: str, path: str, body: dict[str, Any] | None = None, params: dict[str, str] | None = None) -> dict[str, Any]:
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    content = None if body is None else json.dumps(body).encode()
    headers = None if body is None else {"Content-Type": "application/json"}
    try:
        answer = client.request(
            method, f"{stack.url('notify')}/webhooks{path}", token=stack.machine_token(), content=content, headers=headers, params=params
        )
    except RefusedError as refusal:
        if refusal.status == NOT_FOUND:
            raise StackError("the configuration has no such webhook (casestream webhooks list)") from refusal
        raise
    found = answer.json() if answer.content else {}
    return found if isinstance(found, dict) else {"items": found}
