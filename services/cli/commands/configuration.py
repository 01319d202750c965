"""`config check`, `apply`, `export` and `draft`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.stack.errors import StackError

app = typer.Typer(help="The organisation's configuration as a file.", no_args_is_help=True, rich_markup_mode=None)
draft = typer.Typer(help="Configurations in the making, kept beside those in force.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(draft, name="draft")
Name = Annotated[str, typer.Argument(help="The draft: lower-case letters, digits and dashes.")]
File = Annotated[Path, typer.Argument(help="A YAML file.")]


class InvalidConfigurationError(StackError):
    """The configuration has problems."""

    exit_code = 8


@app.command()
def check(file: File) -> None:
    """Check a configuration as a whole; each problem is named with its line and key."""
    from shared.schemas.configuration.check import check_configuration

    problems = check_configuration(file.read_bytes().decode("utf-8", "replace")).problems
    for problem in problems:
        place = f"{file}:{problem.line}:{problem.column}" if problem.line else str(file)
        print(f"{place}: {problem.path}: {problem.message}" if problem.path else f"{place}: {problem.message}")
    if problems:
        raise InvalidConfigurationError(f"{file} has {len(problems)} problem{'s' if len(problems) > 1 else ''}")
    print(f"{file} is in order")


@app.command()
def apply(file: File) -> None:
    """Make a configuration the current version, for every running service."""
    answer = _configuration("POST", file.read_bytes())
    print(answer)


@app.command()
def export(file: Annotated[Path | None, typer.Argument(help="Where to; standard output without.")] = None) -> None:
    """Write the current version as YAML."""
    content = _configuration("GET")
    if file is None or str(file) == "-":
        sys.stdout.write(content)
    else:
        file.write_text(content, encoding="utf-8")


@draft.command("save")
def save_draft(
    name: Name,
    file: File,
    based_on: Annotated[
        int | None, typer.Option(help="The version that it is made from; by default as before, or the one in force.")
    ] = None,
) -> None:
    """Keep a file as a draft, as far as it is; what is wrong with it is named."""
    address = f"/drafts/{name}" + (f"?based_on={based_on}" if based_on is not None else "")
    _show_draft(json.loads(_configuration("PUT", file.read_bytes(), address)))


@draft.command("list")
def list_drafts(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """The drafts there are."""
    items = json.loads(_configuration("GET", address="/drafts?limit=100"))["items"]
    if as_json:
        print(json.dumps(items))
        return
    for item in items:
        outdated = ", another is in force since" if item["is_outdated"] else ""
        print(f"{item['name']}: from version {item['based_on']}{outdated}; saved by {item['saved_by']} at {item['saved_at']}")


@draft.command("show")
def show_draft(name: Name, diff: Annotated[bool, typer.Option("--diff", help="What it would change.")] = False) -> None:
    """Write a draft as YAML."""
    sys.stdout.write(_configuration("GET", address=f"/drafts/{name}/difference") if diff else _draft(name)["source"])


@draft.command("publish")
def publish_draft(name: Name) -> None:
    """Make a draft the current version; refused while it has problems, or when another version is in force than it was made from."""
    print(_configuration("POST", address=f"/drafts/{name}/publish"))


@draft.command("discard")
def discard_draft(name: Name) -> None:
    """Let a draft go."""
    _configuration("DELETE", address=f"/drafts/{name}")
    print(f"{name} is discarded")


def _draft(name: str) -> dict[str, Any]:
    return dict(json.loads(_configuration("GET", address=f"/drafts/{name}")))


def _show_draft(found: dict[str, Any]) -> None:
    print(f"{found['name']} is saved, from version {found['based_on']}{', which is in force no more' if found['is_outdated'] else ''}")
    for problem in found["problems"]:
        print(f"line {problem['line']}: {problem['key']}: {problem['message']}")


def _configuration(method: str, content: bytes | None = None, address: str = "") -> str:
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    url, token = f"{stack.url('desk')}/configuration{address}", stack.machine_token()
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml, application/json;q=0.5"}
    return client.request(method, url, token=token, content=content, headers=headers).text
