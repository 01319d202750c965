"""The `casestream` command. Problems are one line on stderr and an exit code, never a traceback."""

import os
import sys
import traceback

import typer

from services.cli.commands import (
    addresses,
    audit,
    calendars,
    configuration,
    dead_letters,
    delegated,
    importing,
    leads,
    mail,
    previewing,
    running,
    sla,
    webhooks,
)
from services.cli.commands.settings import state_folder
from services.cli.stack.errors import StackError

app = typer.Typer(
    help="Turns every customer contact into cases, tasks, watched deadlines and the right message.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
running.register(app)
importing.register(mail.app)
addresses.register(mail.app)
previewing.register(mail.app)
app.add_typer(mail.app, name="mail")
app.add_typer(leads.app, name="leads")
app.add_typer(configuration.app, name="config")
app.add_typer(calendars.app, name="calendars")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(audit.app, name="audit")
app.add_typer(sla.app, name="sla")
app.add_typer(webhooks.app, name="webhooks")
delegated.register(app)

UNEXPECTED = 70


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="casestream")
    except StackError as error:
        more = f" (details: {_kept_traceback()})" if error.is_unexpected else ""
        _fail(f"{error}{more}", error.exit_code, "" if sys.stderr.isatty() else error.prefix)
    except BrokenPipeError:
        # The reader of our output has left, as `head` does; Python would complain once more at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename}" if error.filename else str(error), 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except Exception as error:  # noqa: BLE001 - the last edge: kept whole in a file, shown as one line
        _fail(f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:300]} (details: {_kept_traceback()})", UNEXPECTED)


def _kept_traceback() -> str:
    log = state_folder() / "logs" / "command-line.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc())
    except OSError as error:
        return f"none, {log} cannot be written: {type(error).__name__}"
    return str(log)


def _fail(message: str, code: int, prefix: str = "") -> None:
    sys.stderr.write(f"{prefix}casestream: {' '.join(message.split())}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
