"""`calendars show`, `feeds` and `refresh`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.commands.configuration import InvalidConfigurationError
from services.cli.stack.errors import StackError

if TYPE_CHECKING:
    from shared.schemas.configuration import Configuration

app = typer.Typer(help="Business calendars, and the feeds of their closed days.", no_args_is_help=True, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


class FeedsFailedError(StackError):
    """Some feeds could not be read; they keep the days they had."""

    exit_code = 9


@app.command()
def refresh(
    check: Annotated[bool, typer.Option("--check", help="Only say what would change.")] = False,
    file: Annotated[Path | None, typer.Option(help="An .ics file to read in place of the feed.", exists=True, dir_okay=False)] = None,
    calendar: Annotated[str, typer.Option(help="With --file: the code of the calendar.")] = "",
    url: Annotated[str, typer.Option(help="With --file: the feed's address, where the calendar has several.")] = "",
    as_json: Json = False,
) -> None:
    """Read the feeds of closed days; when days changed, the configuration has a new version with them.

    A feed that cannot be read keeps its days, and the command ends with code 9.
    """
    if (file is None) != (not calendar) or (url and file is None):
        raise typer.BadParameter("--file and --calendar go together, --url with them")
    params = {"check": str(check).lower()} | ({"calendar": calendar, "url": url} if calendar else {})
    found = _ask("POST", "feeds/refresh", params, b"" if file is None else file.read_bytes())
    failed = sum(1 for feed in found["feeds"] if feed["problem"])
    if as_json:
        print(json.dumps(found))
    else:
        for feed in found["feeds"]:
            _print_read(feed)
        print(_outcome(found, check))
    if failed:
        raise FeedsFailedError(f"{failed} of {len(found['feeds'])} feeds not read")


@app.command()
def feeds(as_json: Json = False) -> None:
    """The feeds of closed days, and when each was read."""
    items = _ask("GET", "feeds")["items"]
    if as_json:
        print(json.dumps(items))
        return
    for feed in items:
        read = f"read at {feed['read_at']}" if feed["read_at"] else "never read"
        print(f"{feed['calendar']}: {feed['url']}: {_count(feed['days'])}, {read}")
        for line in ([f"not read at {feed['tried_at']}: {feed['problem']}"] if feed["problem"] else []) + feed["notes"]:
            print(f"    {line}")
    if not items:
        print("no calendar has feeds")


@app.command()
def show(
    code: Annotated[str, typer.Argument(help="The calendar.")],
    year: Annotated[int | None, typer.Option(min=1970, max=2190, help="Which year.", show_default="this year")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A configuration (YAML) to look into.", show_default="the one in force", exists=True, dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """When a calendar is open: its hours, the days of a year on which it is closed and why, and when its clocks change."""
    from services.cli.calendar_year import year_of

    sections = {section.code: section for section in _configuration(file).calendars}
    if code not in sections:
        raise StackError(f"there is no calendar {code}; there are {', '.join(sections)}")
    found = year_of(sections[code], year or datetime.now(UTC).year)
    print(json.dumps(found.as_data()) if as_json else "\n".join(found.lines()))


def _configuration(file: Path | None) -> "Configuration":
    from shared.schemas.configuration import Configuration
    from shared.schemas.configuration.check import check_configuration

    if file is None:
        return Configuration.model_validate(_ask("GET", "")["configuration"])
    found = check_configuration(file.read_bytes().decode("utf-8", "replace")).configuration
    if found is None:
        raise InvalidConfigurationError(f"{file} has problems; `casestream config check` names them")
    return found


def _print_read(feed: dict[str, Any]) -> None:
    state = f"not read, it keeps its days: {feed['problem']}" if feed["problem"] else _count(feed["days"])
    print(f"{feed['calendar']}: {feed['url']}: {state}")
    for what in ("added", "removed"):
        if feed[what]:
            print(f"    {what}: {', '.join(feed[what])}")
    for note in feed["notes"]:
        print(f"    {note}")


def _outcome(found: dict[str, Any], check: bool) -> str:
    if not found["feeds"]:
        return "no calendar has feeds"
    if check:
        changes = any(feed["added"] or feed["removed"] for feed in found["feeds"])
        return "a new version would be made" if changes else "nothing would change"
    return f"version {found['version']} has the new days" if found["changed"] else f"nothing changed; version {found['version']} stays"


def _count(days: list[str]) -> str:
    return f"{len(days)} closed {'day' if len(days) == 1 else 'days'}"


def _ask(method: str, path: str, params: dict[str, str] | None = None, content: bytes = b"") -> Any:
    from services.cli.commands.settings import the_stack
    from services.cli.stack import client

    stack = the_stack()
    url = f"{stack.url('desk')}/configuration" + (f"/{path}" if path else "")
    headers = {"Accept": "application/json", "Content-Type": "text/calendar"}
    return client.request(method, url, token=stack.machine_token(), content=content or None, headers=headers, params=params).json()
