"""`mail parse` and `mail deliver`."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Read raw mails, or feed them through the platform.", no_args_is_help=True, rich_markup_mode=None)
Files = Annotated[list[str], typer.Argument(help="Raw RFC 5322 files; - reads standard input.", metavar="FILE...")]


def read_mail(file: str) -> bytes:
    """The bytes of a file, or of standard input for a dash."""
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


@app.command()
def parse(files: Files) -> None:
    """Print what each mail says, one JSON object a line."""
    from services.ingest.domain.mail import parse_mail, to_json

    for file in files:
        found = to_json(parse_mail(read_mail(file)))
        # Escaped, so that it can be written whatever the terminal's encoding is.
        sys.stdout.write(json.dumps(found) + "\n")


@app.command()
def deliver(
    files: Files,
    account: Annotated[str | None, typer.Option(help="The nominated account that received them.", show_default="from the mail")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a mail.")] = False,
) -> None:
    """Feed mails through ingest as if a mailbox had received them, and print each communication's id."""
    from services.cli.commands.settings import the_stack
    from services.cli.stack.mail_batches import batches

    stack = the_stack()
    done = 0
    for batch in batches(_contents(files)):
        for result in stack.deliver(batch, account):
            print(json.dumps(result) if as_json else result["id"])
        done += len(batch)
        if len(files) > len(batch):
            print(f"{done} of {len(files)} mails delivered", file=sys.stderr)


def _contents(files: Iterable[str]) -> Iterator[bytes]:
    for file in files:
        yield read_mail(file)
