"""`mail parse` and `mail deliver`."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException

from services.cli.stack.errors import NotRunningError, RefusedError, StackError, UndeliveredError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Deliver = Callable[[Sequence[bytes]], list[dict[str, Any]]]

BAD_REQUEST, TOO_LARGE, WRONG_TYPE, UNPROCESSABLE = 400, 413, 415, 422
MOST_SECONDS = 600

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


class _ForMailServers(TyperCommand):
    """A command whose wrong use is told as sysexits.h says, on one line."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        try:
            return super().make_context(*args, **options)
        except TyperException as error:
            raise UndeliveredError(error.format_message(), os.EX_USAGE, "4.3.5") from error


@app.command(cls=_ForMailServers)
def deliver(
    files: Files,
    account: Annotated[
        str | None, typer.Option(help="The nominated account that received them, or a subaddress of it.", show_default="from the mail")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a mail.")] = False,
    url: Annotated[str | None, typer.Option(help="Where ingest's API is.", show_default="the platform of this folder")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the access token for --url, read for each request.")] = None,
    patience: Annotated[float, typer.Option(min=0, max=MOST_SECONDS, help="Seconds to go on trying while ingest is away.")] = 30,
) -> None:
    """Feed mails through ingest as if a mailbox had received them, and print each communication's id.

    Made for a mail server's pipe as well: it ends with 0 only when all were taken, else as sysexits.h says.
    """
    with _as_sysexits(account):
        from services.cli.stack.mail_batches import batches

        send = _sender(url, token_file, account, patience)
        done = 0
        for batch in batches(_contents(files)):
            for result in send(batch):
                print(json.dumps(result) if as_json else result["id"])
            done += len(batch)
            if len(files) > len(batch):
                print(f"{done} of {len(files)} mails delivered", file=sys.stderr)


def _sender(url: str | None, token_file: Path | None, account: str | None, patience: float) -> "Deliver":
    if (url is None) != (token_file is None):
        raise UndeliveredError("--url and --token-file go together", os.EX_USAGE, "4.3.5")
    if url is None or token_file is None:
        from services.cli.commands.settings import the_stack

        stack = the_stack()
        return lambda mails: stack.deliver(mails, account, patience)
    from services.cli.stack import mail_batches

    address = url.rstrip("/")
    return lambda mails: mail_batches.deliver(address, lambda: _token(token_file), mails, account, patience)


def _token(file: Path) -> str:
    from services.cli.stack.token_file import NoTokenError, read_token

    try:
        return read_token(file)
    except NoTokenError as error:
        raise UndeliveredError(str(error), os.EX_CONFIG, "4.3.5") from error


@contextmanager
def _as_sysexits(account: str | None) -> Iterator[None]:
    """Whatever goes wrong as a mail server understands it: for good only where the mail or its account is at fault."""
    try:
        yield
    except UndeliveredError:
        raise
    except RefusedError as error:
        raise _refusal(error, account) from error
    except NotRunningError as error:
        raise UndeliveredError(str(error), os.EX_TEMPFAIL, "4.3.0") from error
    except BrokenPipeError:
        raise
    except StackError as error:
        raise UndeliveredError(str(error), os.EX_TEMPFAIL, "4.3.0") from error
    except Exception as error:
        text = f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise UndeliveredError(text, os.EX_TEMPFAIL, "4.3.0", is_unexpected=True) from error


def _refusal(error: RefusedError, account: str | None) -> UndeliveredError:
    if error.status == UNPROCESSABLE and account:
        return UndeliveredError(str(error), os.EX_NOUSER, "5.1.1")
    if error.status == UNPROCESSABLE:
        return UndeliveredError(str(error), os.EX_CONFIG, "4.3.5")
    if error.status == TOO_LARGE:
        return UndeliveredError(str(error), os.EX_DATAERR, "5.3.4")
    if error.status in (BAD_REQUEST, WRONG_TYPE):
        return UndeliveredError(str(error), os.EX_DATAERR, "5.6.0")
    # Among these a token that is refused (401, 403): whoever runs this can mend it, and the mail is to wait for that.
    return UndeliveredError(str(error), os.EX_TEMPFAIL, "4.3.0")


def _contents(files: Iterable[str]) -> Iterator[bytes]:
    for file in files:
        try:
            yield read_mail(file)
        except OSError as error:
            if file == "-":
                raise UndeliveredError(f"the mail cannot be read: {error.strerror}", os.EX_IOERR, "4.3.0") from error
            raise UndeliveredError(f"{error.strerror or error}: {file}", os.EX_NOINPUT, "4.3.0") from error
