"""`schemas export`, `token`, `machine-token` and `bench`: one call each to where the work is done."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.commands.calling import call
from services.cli.commands.machine_tokens import machine_token
from services.cli.commands.republishing import republish
from services.cli.commands.settings import CLONE, the_stack
from services.cli.stack.errors import StackError

schemas = typer.Typer(help="The events' and the configuration's schemas.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(schemas, name="schemas")
    app.command()(republish)
    app.command()(token)
    app.command()(machine_token)
    app.command()(call)
    app.command()(sweep)
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


def token(user: Annotated[str, typer.Argument(help="A local account, like amira.hassan.")]) -> None:
    """Print an access token of a local account, for calls to the APIs."""
    print(the_stack().token(user))


def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much it would be; nothing changes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what retention and the sweep of the object store would let go now. The sweeping itself is done by the role case-sweep."""
    if not dry_run:
        raise StackError("the process case-sweep-0 sweeps by itself, once a day; --dry-run says how much it would be now")
    found = json.loads(the_stack().ask("case-sweep-0", "sweep-dry-run").splitlines()[-1])
    if as_json:
        print(json.dumps(found))
        return
    for subject, count in sorted(found["forgotten"].items()):
        print(f"{count} cases of {subject} would lose their texts")
    for method, count in sorted(found["emptied"].items()):
        print(f"{count} communications of {method} would lose their files")
    print(f"{found['contents']} contents in the store: {found['condemned']} would be put aside ({found['condemned_bytes']} bytes)")
    print(f"of those aside {found['restored']} would be put back, {found['deleted']} deleted ({found['deleted_bytes']} bytes)")


def bench(context: typer.Context, name: Annotated[str, typer.Argument(help="A file of bench/, without .py.")]) -> None:
    """Run a benchmark of bench/; its own options follow the name."""
    module = name.replace("-", "_")
    script = CLONE / "bench" / f"{module}.py"
    if not module.isidentifier() or not script.is_file():
        files = [file for file in (CLONE / "bench").glob("[a-z]*.py") if "def main" in file.read_text()]
        known = ", ".join(sorted(file.stem.replace("_", "-") for file in files)) or "none"
        raise StackError(f"there is no benchmark {name}; there are: {known}")
    sys.exit(subprocess.run([sys.executable, "-m", f"bench.{module}", *context.args], cwd=CLONE, check=False).returncode)
