"""`up`, `down` and `status`."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from services.cli.commands.settings import the_stack
from services.cli.stack.errors import NotRunningError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(
    replicas: Annotated[int | None, typer.Option(min=1, max=16, help="Processes of each consumer.", show_default="1, or as before")] = None,
    as_json: Json = False,
) -> None:
    """Start Kafka, PostgreSQL and every service in the background; return once all is ready."""
    began = time.monotonic()
    with _progress() as say:
        stack = the_stack(replicas=replicas, progress=say)
        has_started = stack.up()
    if as_json:
        print(json.dumps({"started": has_started, **_report()}))
        return
    seconds = time.monotonic() - began
    print(f"casestream is up ({seconds:.0f} s)." if has_started else "casestream is already up; nothing changed.")
    _print_where_to_look()


def down() -> None:
    """Stop everything; the data stays."""
    with _progress() as say:
        say("stopping")
        the_stack(progress=say).down()
    print("casestream is down; its data stays in the state folder.")


def status(as_json: Json = False) -> None:
    """Show what runs, where, and what has been recorded so far."""
    report = _report()
    if as_json:
        print(json.dumps(report))
    else:
        _print_report(report)
    if not report["up"]:
        raise NotRunningError("the platform is not up (casestream up)")


def _report() -> dict[str, Any]:
    """What `status --json` prints; counts that a service cannot give just now are null."""
    from services.cli.stack import client
    from services.cli.stack.errors import StackError

    stack = the_stack()
    is_up = stack.is_up()
    services = {}
    for process in stack.processes() if is_up else []:
        state = process.state
        if state == "running" and client.is_ready(process.url):
            state = "ready"
        services[process.name] = {
            "url": process.url,
            "state": state,
            "pid": process.pid,
            "restarts": process.restarts,
        }
    counts: dict[str, int] | None = None
    if is_up:
        try:
            counts = stack.counts()
        except StackError as error:
            sys.stderr.write(f"casestream: no counts: {error}\n")
    return {
        "up": is_up,
        "services": services,
        "kafka": stack.kafka_address if is_up else None,
        "database": stack.database_url if is_up else None,
        "receives_mail_on": stack.mail_address if is_up else None,
        "mail_folder": str(stack.mail_folder),
        "log_folder": str(stack.folder / "logs"),
        "counts": counts,
    }


def _print_report(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if report["services"]:
        table = Table("process", "state", "url", "restarts")
        for name, service in report["services"].items():
            colour = "green" if service["state"] == "ready" else "red"
            table.add_row(name, f"[{colour}]{service['state']}[/]", service["url"], str(service["restarts"]))
        console.print(table)
    if report["counts"]:
        console.print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report["counts"].items()))
    for name in ("kafka", "receives_mail_on", "mail_folder", "log_folder"):
        if report[name]:
            console.print(f"{name.replace('_', ' ')}: {report[name]}", soft_wrap=True, highlight=False)


def _print_where_to_look() -> None:
    stack = the_stack()
    print(f"  desk         {stack.url('desk')}")
    for service in ("ingest", "case", "task", "sla", "notify"):
        print(f"  {service:<12} {stack.url(service)}/openapi.json")
    print(f"  caught mail  {stack.mail_folder}")
    print(f"  logs         {stack.folder / 'logs'}")
    print("  next         casestream status; casestream mail deliver FILE; make down")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Says what is being done on stderr: a moving line with the finished steps above it, or plain lines."""
    if not sys.stderr.isatty():

        def say(message: str) -> None:
            print(message, file=sys.stderr, flush=True)

        yield say
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("starting") as moving:

        def show(message: str) -> None:
            console.print(f"  {message}", highlight=False)
            moving.update(message)

        yield show
