"""`audit verify`: whether the histories are as they were sealed."""

import json
from typing import Annotated

import typer

from services.cli.commands.settings import the_stack

app = typer.Typer(help="The audit log: histories sealed as a chain of digests.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """A group with one command stays a group."""


@app.command()
def verify(
    kept: Annotated[list[str] | None, typer.Option(metavar="NUMBER:HEX", help="A seal that was kept elsewhere; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Verify that no entry of a history was changed, removed or slipped in since it was sealed. Exits with 1 when one was.

    The process case-sweep-0 seals every few seconds and writes each seal to its log. A seal from a log that was kept elsewhere shows
    that the chain was not made anew as a whole.
    """
    found = json.loads(the_stack().ask("case-sweep-0", "audit-verify", *(kept or ())).splitlines()[-1])
    if as_json:
        print(json.dumps(found))
    else:
        print(f"{found['entries']} entries under {found['seals']} seals, {found['erased']} of them erased for privacy")
        print(f"{found['unsealed']} entries are not sealed yet")
        if found["head"]:
            print(f"the last seal: {found['head']}")
        for problem in found["problems"]:
            print(f"WRONG: {problem}")
        if found["faults"] > len(found["problems"]):
            print(f"and {found['faults'] - len(found['problems'])} more")
        print("the audit log is whole" if not found["faults"] else "the audit log was tampered with")
    raise typer.Exit(1 if found["faults"] else 0)
