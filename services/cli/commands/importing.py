"""`mail import`."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.stack.errors import StackError

if TYPE_CHECKING:
    from services.cli.imports.run import Look, Send
    from services.cli.imports.source import Item, Source

EVERY = 1000
"""After how many mails a line tells of the progress where there is no terminal."""


class IncompleteError(StackError):
    """Some mails were not imported."""

    exit_code = 9


def register(app: typer.Typer) -> None:
    """Add the command to those of `mail`."""
    app.command("import")(import_)


def import_(
    paths: Annotated[list[Path], typer.Argument(help="mbox files, Maildirs, folders of .eml files.", metavar="PATH...")],
    account: Annotated[str, typer.Option(help="The nominated account whose mails they were.")],
    before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only mails that were sent before (UTC).", show_default="all"),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=10_000, help="Most mails a second, so that live mail goes first.")] = 50,
    journal: Annotated[
        Path | None, typer.Option(help="File that keeps how far the import is.", show_default="PATH.casestream-import")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Import nothing; count, and show what cannot be read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    url: Annotated[str | None, typer.Option(help="Where ingest's API is.", show_default="the platform of this folder")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the access token for --url, read for each request.")] = None,
    patience: Annotated[float, typer.Option(min=0, max=86_400, help="Seconds to go on trying while ingest is away.")] = 300,
) -> None:
    """Import old mails as history: no case is opened, no clock starts, nobody is told.

    Done again after an interruption it goes on where it was; imported twice, a mail is one communication.
    """
    from services.cli.imports import run
    from services.cli.imports.journal import Journal

    until = before.replace(tzinfo=UTC) if before else None
    sources = [run.open_source(path) for path in dict.fromkeys(path.resolve() for path in paths)]
    if dry_run:
        with _progress(sources) as look:
            found = run.survey(sources, until, look)
        _tell_skipped(found.skipped)
        _print_survey(asdict(found), as_json)
        return
    target, send = _sender(url, token_file, account, patience)
    pace, result = run.Pace(rate), run.Result()
    try:
        with _progress(sources) as look:
            for source in sources:
                with Journal(journal or source.path.with_name(source.path.name + ".casestream-import")) as kept:
                    key = (str(source.path), account, target, until.isoformat() if until else "")
                    run.import_mails(source, key, kept, send, pace, until, look, result)
    finally:
        _tell_skipped(result.skipped)
    if as_json:
        print(json.dumps(asdict(result) | {"skipped": _as_objects(result.skipped)}))
    else:
        earlier = f", {result.earlier} before" if result.earlier else ""
        newer = f", {result.newer} too new" if result.newer else ""
        print(f"{result.imported} mails imported{earlier}{newer}, {len(result.skipped)} skipped")
    if result.skipped:
        raise IncompleteError(f"{len(result.skipped)} mails were not imported")


def _sender(url: str | None, token_file: Path | None, account: str, patience: float) -> "tuple[str, Send]":
    """A name of where mails go, and how."""
    from services.cli.stack.mail_batches import deliver

    if (url is None) != (token_file is None):
        raise typer.BadParameter("--url and --token-file go together")
    if url is None or token_file is None:
        from services.cli.commands.settings import the_stack

        stack = the_stack()
        address = stack.url("ingest")
        return str(stack.folder), lambda mails: deliver(address, stack.machine_token, mails, account, patience, old=True)
    from services.cli.stack.token_file import read_token

    file, given = token_file, url.rstrip("/")
    return given, lambda mails: deliver(given, lambda: read_token(file), mails, account, patience, old=True)


def _tell_skipped(skipped: Sequence[tuple[str, str]]) -> None:
    for place, problem in skipped:
        print(f"skipped: {place}: {problem}", file=sys.stderr)


def _as_objects(skipped: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"mail": place, "problem": problem} for place, problem in skipped]


def _print_survey(found: dict[str, Any], as_json: bool) -> None:
    for name in ("earliest", "latest"):
        found[name] = found[name].isoformat() if found[name] else None
    if as_json:
        print(json.dumps(found | {"skipped": _as_objects(found["skipped"])}))
        return
    span = f", from {found['earliest']} to {found['latest']}" if found["earliest"] else ""
    print(f"{found['mails']} mails, {found['bytes']} bytes{span}")
    print(f"{found['undated']} without a date, {found['newer']} too new, {len(found['skipped'])} that cannot be read")


@contextmanager
def _progress(sources: "Sequence[Source]") -> "Iterator[Look]":
    """Shows on stderr how far reading is: a bar for each mailbox, or a line now and then."""
    show = _bars if sys.stderr.isatty() else _lines
    with show(sources) as look:
        yield look


@contextmanager
def _lines(_: "Sequence[Source]") -> "Iterator[Look]":
    count = 0

    def look(source: "Source", item: "Item") -> None:
        nonlocal count
        count += 1
        if count % EVERY == 0:
            print(f"{count} mails, {item.done * 100 // source.total} % of {source.path}", file=sys.stderr, flush=True)

    yield look


@contextmanager
def _bars(sources: "Sequence[Source]") -> "Iterator[Look]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {source.path: progress.add_task(source.path.name, total=source.total, told="") for source in sources}
        counts = {path: [0, 0] for path in tasks}
        clock: Callable[[], float] = progress.get_time
        began = clock()

        def look(source: "Source", item: "Item") -> None:
            done, skipped = counts[source.path]
            counts[source.path] = [done + 1, skipped + (item.raw is None)]
            done, skipped = counts[source.path]
            rate = sum(each[0] for each in counts.values()) / max(clock() - began, 1e-3)
            progress.update(tasks[source.path], completed=item.done, told=f"{done} mails, {skipped} skipped, {rate:.0f}/s")

        yield look
