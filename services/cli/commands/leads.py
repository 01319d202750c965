"""`leads template` and `leads import`."""

import json
import secrets
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.stack.errors import StackError

app = typer.Typer(help="Leads.", no_args_is_help=True, rich_markup_mode=None)
LOOK_SECONDS = 0.5
"""Between looks how far an import is."""
SHOWN = 20
"""Problems that are printed; --problems keeps them all."""


class Format(StrEnum):
    """Of a template."""

    CSV = "csv"
    XLSX = "xlsx"


class IncompleteError(StackError):
    """Some rows became no leads."""

    exit_code = 9


Url = Annotated[str | None, typer.Option(help="Where case's API is.", show_default="the platform of this folder")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the access token for --url, read for each request.")]


@app.command()
def template(
    form: Annotated[Format, typer.Option("--format", help="CSV, or an Excel workbook.")] = Format.CSV,
    output: Annotated[Path | None, typer.Option(help="Where to write it.", show_default="leads.csv or leads.xlsx")] = None,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Write a file to fill in: one row for each lead."""
    from services.cli.stack import client

    base, token = _target(url, token_file)
    answer = client.request("GET", f"{base}/lead-imports/template", token=token(), params={"format": form.value})
    file = output or Path(f"leads.{form.value}")
    file.write_bytes(answer.content)
    print(file)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The filled-in template, as CSV or .xlsx.", exists=True, dir_okay=False)],
    kind: Annotated[str, typer.Option("--type", help="Lead type of rows that name none.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Create nothing; only say what is wrong with which row.")] = False,
    problems: Annotated[Path | None, typer.Option(help="Write all problems there, as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
    patience: Annotated[float, typer.Option(min=0, max=86_400, help="Seconds to go on trying while case is away.")] = 300,
) -> None:
    """Import leads. The work is done in the background, and goes on when this command is interrupted.

    The same file imported again doubles nothing: a row is the lead that it was.
    """
    from services.cli.stack import client

    base, token = _target(url, token_file)
    # Named once: handed in again after an answer that was lost, it is still one import.
    headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": secrets.token_hex(16)}
    params = {"filename": file.name[:200], "dry_run": str(dry_run).lower()} | ({"type": kind} if kind else {})
    content = file.read_bytes()

    def ask(method: str, path: str, **more: Any) -> Any:
        return client.patiently(lambda: client.request(method, f"{base}{path}", token=token(), **more), patience)

    found = ask("POST", "/lead-imports", content=content, headers=headers, params=params).json()
    path = f"/lead-imports/{found['id']}"
    told = -1
    while found["state"] in ("waiting", "running"):
        if found["total"] and found["done"] != told:
            told = found["done"]
            print(f"{told} of {found['total']} rows", file=sys.stderr, flush=True)
        time.sleep(LOOK_SECONDS)
        found = ask("GET", path).json()
    if problems is not None:
        problems.write_bytes(ask("GET", f"{path}/problems", params={"format": "csv"}).content)
    wrong = ask("GET", f"{path}/problems", params={"limit": str(SHOWN)}).json()
    _print(found, wrong, as_json)
    if found["state"] == "failed":
        raise StackError(f"{file.name}: {found['problem']}")
    if found["state"] == "cancelled":
        raise IncompleteError("the import was cancelled")
    if found["refused"]:
        raise IncompleteError(f"{found['refused']} rows {'would become' if dry_run else 'became'} no leads")


def _print(found: dict[str, Any], wrong: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found | {"problems": wrong["items"]}))
        return
    for one in wrong["items"]:
        where = f"row {one['row']}" + (f", {one['column']}" if one["column"] else "")
        value = f" ({one['value']!r})" if one["value"] else ""
        print(f"{where}{value}: {one['problem']}", file=sys.stderr)
    if wrong["next"]:
        print("... and more: --problems FILE writes them all", file=sys.stderr)
    before = f", {found['repeated']} there before" if found["repeated"] else ""
    print(
        f"{found['created']} leads {'would be created' if found['dry_run'] else 'created'}{before}, {found['refused']} rows with problems"
    )


def _target(url: str | None, token_file: Path | None) -> tuple[str, Callable[[], str]]:
    """Where case's API is, and what gives a token for it."""
    if (url is None) != (token_file is None):
        raise typer.BadParameter("--url and --token-file go together")
    if url is None or token_file is None:
        from services.cli.commands.settings import the_stack

        stack = the_stack()
        return stack.url("case"), stack.machine_token
    from services.cli.stack.token_file import read_token

    file = token_file
    return url.rstrip("/"), lambda: read_token(file)
