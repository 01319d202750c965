"""`mail preview`: what a template would say."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.stack.errors import StackError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(preview)


def preview(
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template's code in the configuration in force.")],
    case: Annotated[str | None, typer.Option(help="Number of a case that messages went out about.", show_default="a made-up one")] = None,
    language: Annotated[str | None, typer.Option(help="Such as nl.", show_default="the organisation's")] = None,
    staff: Annotated[bool, typer.Option("--staff", help="As a member of staff gets it.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the HTML to this file, for a browser.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the API answered, as JSON.")] = False,
) -> None:
    """Show what a template would say. Links in it lead nowhere."""
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    token = stack.machine_token()
    body: dict[str, Any] = {"code": template, "audience": "staff" if staff else "customer"}
    if language is not None:
        body["language"] = language
    if case is not None:
        found = client.request("GET", f"{stack.url('case')}/cases", token=token, params={"number": case}).json()["items"]
        if not found:
            raise StackError(f"there is no case {case}")
        body["case_id"] = found[0]["id"]
    headers = {"Content-Type": "application/json"}
    answer = client.request(
        "POST", f"{stack.url('notify')}/templates/preview", token=token, content=json.dumps(body).encode(), headers=headers
    ).json()
    if html is not None:
        html.write_text(answer["html"], encoding="utf-8")
    if as_json:
        print(json.dumps(answer))
        return
    print(f"Subject: {answer['subject_line']}\n\n{answer['text'].rstrip()}")
    if answer["empty"]:
        print(f"\nstands for nothing here: {', '.join('#' + tag for tag in answer['empty'])}", file=sys.stderr)
