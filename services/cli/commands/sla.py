"""`sla explain`, `list`, `report` and `simulate`: clocks, as sla's API tells of them."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Clocks: why they stand as they do, what is due, reports, simulations.", no_args_is_help=True, rich_markup_mode=None)
PAGE = 100

Url = Annotated[str | None, typer.Option(help="Where sla's API is.", show_default="the platform of this folder")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the access token for --url.")]
Json = Annotated[bool, typer.Option("--json", help="Print what the API answered, as JSON.")]
From = Annotated[
    str | None, typer.Option("--from", help="The first moment or date, like 2026-03-01.", show_default="30 days before --until")
]
Until = Annotated[str | None, typer.Option(help="The first moment or date after the period.", show_default="now")]


class Which(StrEnum):
    """The lists."""

    UPCOMING = "upcoming"
    AT_RISK = "at-risk"
    BREACHED = "breached"


class What(StrEnum):
    """The reports."""

    COMPLIANCE = "compliance"
    TIMES = "times"


class By(StrEnum):
    """What a report groups by."""

    METHOD = "method"
    SUBJECT = "subject"
    UNIT = "unit"
    KIND = "kind"
    MONTH = "month"
    WEEK = "week"
    DAY = "day"


@app.command()
def explain(
    what: Annotated[
        str, typer.Argument(metavar="NUMBER|ID", help="A case's or a lead's number, or the id of a case, task, lead or clock.")
    ],
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Tell why the clocks of an item stand as they do: each with its ledger as a timeline."""
    from urllib.parse import quote

    found = _asking(url, token_file)("GET", f"/clocks/{quote(what, safe='')}").json()
    if as_json:
        print(json.dumps(found))
        return
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(found["zone"])
    print(" ".join(_plain(part) for part in (found["item_kind"], found["number"], found["title"]) if part))
    for clock in found["clocks"]:
        print(f"\n{clock['kind']}: {clock['summary']}")
        for entry in clock["timeline"]:
            print(f"  {datetime.fromisoformat(entry['at']).astimezone(zone):%Y-%m-%d %H:%M}  {entry['words']}")
    if not found["clocks"]:
        print("it has no clocks")


@app.command("list")
def list_(
    which: Annotated[Which, typer.Argument(help="Due later; due soon; or past due and open.")] = Which.BREACHED,
    kind: Annotated[str | None, typer.Option(help="Only clocks of this kind, like response.")] = None,
    unit: Annotated[str | None, typer.Option(help="Only those of this unit.")] = None,
    assignee: Annotated[str | None, typer.Option(help="Only those of this user.")] = None,
    within: Annotated[str | None, typer.Option(help="Upcoming only: due within this time, like '4 working hours'.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most that are listed.")] = PAGE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a clock.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """List running clocks, the soonest due first."""
    if within is not None and which is not Which.UPCOMING:
        raise typer.BadParameter("only for upcoming clocks", param_hint="--within")
    ask = _asking(url, token_file)
    given = {"kind": kind, "unit": unit, "assignee": assignee, "within": within}
    params = {name: value for name, value in given.items() if value is not None}
    clocks: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None and len(clocks) < limit:
        page = params | {"limit": str(min(PAGE, limit - len(clocks)))} | ({"after": after} if after else {})
        answer = ask("GET", f"/clocks/{which.value}", params=page).json()
        clocks += answer["items"]
        after = answer["next"]
    if as_json:
        for clock in clocks:
            print(json.dumps(clock))
        return
    rows = [
        (_moment(one["due_at"]), one["kind"], one["item_kind"], one["number"], one["unit"], one["assignee"] or "", one["title"])
        for one in clocks
    ]
    _table(("due (here)", "clock", "on", "number", "unit", "assignee", "title"), rows)
    if after is not None:
        print(f"... and more: --limit lists more than {limit}", file=sys.stderr)


@app.command()
def report(
    what: Annotated[What, typer.Argument(help="The share that was met, or how long clocks took.")] = What.COMPLIANCE,
    by: Annotated[By, typer.Option(help="What clocks are grouped by.")] = By.KIND,
    begin: From = None,
    until: Until = None,
    kind: Annotated[str | None, typer.Option(help="Only clocks of this kind.")] = None,
    unit: Annotated[str | None, typer.Option(help="Only those of this unit.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Report on the clocks that ended in a period."""
    given = {"by": by.value, "from": _instant(begin, "--from"), "until": _instant(until, "--until"), "kind": kind, "unit": unit}
    params = {name: value for name, value in given.items() if value is not None}
    ask = _asking(url, token_file)
    if csv:
        sys.stdout.buffer.write(ask("GET", f"/reports/{what.value}", params=params | {"format": "csv"}).content)
        return
    found = ask("GET", f"/reports/{what.value}", params=params).json()
    if as_json:
        print(json.dumps(found))
        return
    if what is What.TIMES:
        lines = [
            (row["group"], row["kind"], str(row["count"]), *(_span(row[span][name]) for span in ("used", "elapsed") for name in _SPREAD))
            for row in found["rows"]
        ]
        _table((by.value, "clock", "count", "used p50", "p95", "longest", "elapsed p50", "p95", "longest"), lines)
        return
    rows = [*found["rows"], found["total"] | {"group": "total"}]
    lines = [(row["group"] or "(none)", *(str(row[name]) for name in _COUNTS), _share(row["share"])) for row in rows]
    _table((by.value, "met", "missed", "cancelled", "open late", "share met"), lines)


@app.command()
def simulate(
    file: Annotated[Path, typer.Argument(help="A whole configuration as YAML; it is not applied.", exists=True, dir_okay=False)],
    begin: From = None,
    until: Until = None,
    as_json: Json = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Try another configuration on the cases of a period: which clocks would have been missed."""
    given = {"from": _instant(begin, "--from"), "until": _instant(until, "--until")}
    body = {name: value for name, value in given.items() if value is not None} | {
        "configuration": file.read_bytes().decode("utf-8", "replace")
    }
    headers = {"Content-Type": "application/json"}
    found = _asking(url, token_file)("POST", "/simulations", content=json.dumps(body).encode(), headers=headers).json()
    if as_json:
        print(json.dumps(found))
        return
    names = ("clocks", "missed_before", "missed_after", "newly_missed", "newly_met")
    _table(
        ("clock", "clocks", "missed now", "missed then", "newly missed", "newly met"),
        [(row["kind"], *(str(row[name]) for name in names)) for row in found["kinds"]],
    )
    for one in found["items"]:
        print(f"{_plain(one['number']) or one['item_id']} {one['kind']}: {one['before'] or 'no clock'} -> {one['after'] or 'no clock'}")
    print(f"{found['cases']} cases looked at")
    if found["uncounted"]:
        print(f"{found['uncounted']} cases cannot be counted by these calendars", file=sys.stderr)
    if not found["is_complete"]:
        print("it took too long: these are only the first cases; choose a shorter period", file=sys.stderr)


_COUNTS = ("met", "missed", "cancelled", "open_overdue")
_SPREAD = ("p50_seconds", "p95_seconds", "longest_seconds")


def _asking(url: str | None, token_file: Path | None) -> Callable[..., Any]:
    """Asks sla's API for a path."""
    from services.cli.stack import client

    if (url is None) != (token_file is None):
        raise typer.BadParameter("--url and --token-file go together")
    if url is None or token_file is None:
        from services.cli.commands.settings import the_stack

        stack = the_stack()
        base, token = stack.url("sla"), stack.machine_token()
    else:
        from services.cli.stack.token_file import read_token

        base, token = url.rstrip("/"), read_token(token_file)
    return lambda method, path, **more: client.request(method, base + path, token=token, **more)


def _instant(text: str | None, option: str) -> str | None:
    """A moment with its zone: one without is this machine's."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no date or moment, like 2026-03-01 or 2026-03-01T09:00+00:00", param_hint=option) from error


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02} h"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what is in them."""
    lines = [[_plain(cell) for cell in row] for row in rows]
    widths = [max(len(line[place]) for line in (list(header), *lines)) for place in range(len(header))]
    for line in (list(header), *lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _plain(text: str) -> str:
    """Whatever others wrote stays on its line, and commands the terminal nothing."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
