"""The command line as it is called: names, output, errors on one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.__main__ import app


def casestream(*arguments: str, home: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")}
    command = [sys.executable, "-m", "services.cli", *arguments]
    environment = {**kept, "CASESTREAM_HOME": str(home)}
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ["up"],
        ["down"],
        ["status"],
        ["mail", "parse"],
        ["mail", "deliver"],
        ["mail", "addresses"],
        ["mail", "suppressed"],
        ["mail", "suppress"],
        ["mail", "unsuppress"],
        ["mail", "import"],
        ["config", "check"],
        ["config", "apply"],
        ["config", "export"],
        ["calendars", "refresh"],
        ["calendars", "feeds"],
        ["calendars", "show"],
        ["schemas", "export"],
        ["dead-letters", "list"],
        ["dead-letters", "show"],
        ["dead-letters", "replay"],
        ["mail", "preview"],
        ["republish"],
        ["token"],
        ["machine-token"],
        ["call"],
        ["sla", "explain"],
        ["sla", "list"],
        ["sla", "report"],
        ["sla", "simulate"],
        ["bench"],
    ],
    ids=" ".join,
)
def test_the_command_is_there(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"], prog_name="casestream")
    assert done.exit_code == 0
    assert done.output.startswith("Usage: casestream " + " ".join(command))


@pytest.mark.requirement("SLA-1")
def test_a_calendar_of_a_file_is_shown_for_a_year(tmp_path: Path) -> None:
    def shown(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["calendars", "show", *arguments], prog_name="casestream")

    sample = ("--year", "2026", "--file", str(Path(__file__).parents[3] / "config" / "housing.yaml"))
    assert "  Fri 2026-04-03 closed: Good Friday" in shown("office", *sample).output.splitlines()
    found = json.loads(shown("office", *sample, "--json").output)
    assert {"day": "2026-12-29", "why": "closed day", "otherwise_open": True} in found["closed"]
    assert "there is no calendar shop; there are office" in str(shown("shop", *sample).exception)
    (tmp_path / "bad.yaml").write_text("x: 1")
    assert "has problems" in str(shown("office", "--file", str(tmp_path / "bad.yaml")).exception)


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom services.cli.__main__ import app\n"
        "print([name for name in ('pydantic', 'httpx', 'psycopg', 'fastapi', 'rich.table') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "[]\n"


def test_mail_parse_prints_one_object_a_line_for_any_bytes(tmp_path: Path) -> None:
    good = tmp_path / "good.eml"
    good.write_bytes(b"From: Ann <ann@x.example>\nSubject: =?utf-8?q?caf=C3=A9?=\n\nhello\n")
    bad = tmp_path / "bad.eml"
    bad.write_bytes(bytes(range(256)) * 4)
    done = casestream("mail", "parse", str(good), str(bad), "-", home=tmp_path, stdin=b"")
    assert done.returncode == 0
    assert done.stderr == b""
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["from"], first["from_name"], first["subject"]) == ("ann@x.example", "Ann", "café")
    assert {"text", "attachments", "auto_submitted"} <= second.keys()
    assert third["error"]


def test_config_check_names_file_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("organisation:\n  name: X\nsubjects: 7\n")
    done = casestream("config", "check", str(file), home=tmp_path)
    assert done.returncode == 8
    assert f"{file}:3:" in done.stdout.decode()
    assert b"subjects" in done.stdout
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["status"], 5),
        (["token", "amira.hassan"], 5),
        (["republish", "case"], 5),
        (["republish", "accounts"], 5),
        (["republish", "accounts", "--url", "http://localhost:9", "--token-file", "/nonexistent"], 3),
        (["dead-letters", "list"], 5),
        (["config", "export"], 5),
        (["sla", "list"], 5),
        (["sla", "report", "--url", "http://localhost:9", "--token-file", "/nonexistent"], 3),
        (["mail", "parse", "/nonexistent.eml"], 1),
        (["config", "check", "/"], 1),
        (["bench", "nothing-like-it"], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_problem_is_one_line_and_a_code(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = casestream(*arguments, home=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(b"casestream: ")
    assert done.stderr.count(b"\n") == 1


def test_status_says_as_json_that_nothing_runs(tmp_path: Path) -> None:
    report = json.loads(casestream("status", "--json", home=tmp_path).stdout)
    assert report["up"] is False
    assert report["services"] == {}
    assert {"kafka", "database", "mail_folder", "counts"} <= report.keys()


def test_down_without_up_is_no_error(tmp_path: Path) -> None:
    assert casestream("down", home=tmp_path).returncode == 0


def test_a_reader_that_leaves_is_no_error_message(tmp_path: Path) -> None:
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"Subject: x\n\n" + b"words and more words\n" * 20_000)
    command = f"{sys.executable} -m services.cli mail parse {f'{mail} ' * 3} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
