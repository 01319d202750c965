"""`config check`, `apply` and `export`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.stack.errors import StackError

app = typer.Typer(help="The organisation's configuration as a file.", no_args_is_help=True, rich_markup_mode=None)
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


def _configuration(method: str, content: bytes | None = None) -> str:
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    url, token = f"{stack.url('desk')}/configuration", stack.machine_token()
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml, application/json;q=0.5"}
    return client.request(method, url, token=token, content=content, headers=headers).text
