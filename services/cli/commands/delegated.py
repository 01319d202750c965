"""`schemas export`, `republish`, `token` and `bench`: one call each to where the work is done."""

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.commands.settings import CLONE, the_stack
from services.cli.stack.errors import StackError


class Republished(StrEnum):
    """The services whose aggregates can be sent again."""

    CASE = "case"
    TASK = "task"


schemas = typer.Typer(help="The events' and the configuration's schemas.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(schemas, name="schemas")
    app.command()(republish)
    app.command()(token)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(bench)


@schemas.callback()
def _group() -> None:
    """A group with one command stays a group."""


@schemas.command("export")
def export(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to.")]) -> None:
    """Write the JSON Schemas and the AsyncAPI document."""
    from shared.schemas.export import export_schemas

    for file in export_schemas(folder):
        print(file)


def republish(what: Annotated[Republished, typer.Argument(help="Whose aggregates.")]) -> None:
    """Have a service publish the current state of all its aggregates again."""
    from services.cli.stack import client

    stack = the_stack()
    answer = client.request("POST", f"{stack.url(what.value)}/republish", token=stack.machine_token())
    print(answer.text)


def token(user: Annotated[str, typer.Argument(help="A local account, like amira.hassan.")]) -> None:
    """Print an access token of a local account, for calls to the APIs."""
    print(the_stack().token(user))


def bench(context: typer.Context, name: Annotated[str, typer.Argument(help="A file of bench/, without .py.")]) -> None:
    """Run a benchmark of bench/; its own options follow the name."""
    script = CLONE / "bench" / f"{name}.py"
    if not name.isidentifier() or not script.is_file():
        known = ", ".join(sorted(file.stem for file in (CLONE / "bench").glob("[a-z]*.py") if "def main" in file.read_text())) or "none"
        raise StackError(f"there is no benchmark {name}; there are: {known}")
    sys.exit(subprocess.run([sys.executable, "-m", f"bench.{name}", *context.args], cwd=CLONE, check=False).returncode)
