"""`casestream mail deliver -` as a mail server's pipe: the exit code and the one line decide what becomes of the mail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.mails import raw_mail


class Ingest(ThreadingHTTPServer):
    """Answers deliveries as ingest's API does: `answers` one after another, the last for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, object]]] = [(202, {"communications": [{"id": "c1"}]})]
        self.received: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Ingest

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Authorization"], body))
        status, content = self.server.answers[0] if len(self.server.answers) == 1 else self.server.answers.pop(0)
        answer = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    with Ingest() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("a.b.c\n")
    return file


def pipe(home: Path, *arguments: str, mail: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CASESTREAM_")}
    command = [sys.executable, "-m", "services.cli", "mail", "deliver", *arguments]
    return subprocess.run(command, input=mail, capture_output=True, env={**kept, "CASESTREAM_HOME": str(home)}, check=False)


def told(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    """Exit code, and the enhanced status code that Postfix goes by; there is one line, and nothing before it."""
    assert done.stdout == b""
    line = done.stderr.decode()
    assert line.count("\n") == 1
    status, _, rest = line.partition(" ")
    assert rest.startswith("casestream: ")
    return done.returncode, status


@pytest.mark.requirement("COM-3")
def test_a_mail_from_standard_input_is_taken(ingest: Ingest, token: Path, tmp_path: Path) -> None:
    raw = raw_mail(body=bytes(range(256)))
    done = pipe(tmp_path, "-", "--url", ingest.url + "/", "--token-file", str(token), "--account", "contact+a@housing.example", mail=raw)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"c1\n", b"")
    assert ingest.received == [("/mail?account=contact%2Ba%40housing.example", "Bearer a.b.c", raw)]


@pytest.mark.requirement("COM-3", "EDGE-3")
def test_an_ingest_that_is_away_for_a_moment_is_waited_for(ingest: Ingest, token: Path, tmp_path: Path) -> None:
    ingest.answers.insert(0, (503, {"title": "Service Unavailable"}))
    done = pipe(tmp_path, "-", "--url", ingest.url, "--token-file", str(token), mail=raw_mail())
    assert done.returncode == 0, done.stderr
    assert len(ingest.received) == 2


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize(
    ("status", "account", "code", "enhanced"),
    [
        (503, "", os.EX_TEMPFAIL, "4.3.0"),
        (500, "", os.EX_TEMPFAIL, "4.3.0"),
        (429, "", os.EX_TEMPFAIL, "4.3.0"),
        (401, "", os.EX_TEMPFAIL, "4.3.0"),
        (403, "", os.EX_TEMPFAIL, "4.3.0"),
        (404, "", os.EX_TEMPFAIL, "4.3.0"),
        (422, "nobody@housing.example", os.EX_NOUSER, "5.1.1"),
        (422, "", os.EX_CONFIG, "4.3.5"),
        (413, "", os.EX_DATAERR, "5.3.4"),
        (400, "", os.EX_DATAERR, "5.6.0"),
    ],
)
def test_a_refusal_says_whether_the_mail_is_to_be_kept(
    ingest: Ingest, token: Path, tmp_path: Path, status: int, account: str, code: int, enhanced: str
) -> None:
    ingest.answers = [(status, {"title": "No", "detail": "because\nof this"})]
    more = ["--account", account] if account else []
    done = pipe(tmp_path, "-", "--url", ingest.url, "--token-file", str(token), "--patience", "0", *more, mail=raw_mail())
    assert told(done) == (code, enhanced)
    assert b"because of this" in done.stderr


@pytest.mark.parametrize("content", [{"no": "communications"}, {"communications": [{}]}])
def test_an_answer_that_makes_no_sense_keeps_the_mail(ingest: Ingest, token: Path, tmp_path: Path, content: dict[str, object]) -> None:
    ingest.answers = [(202, content)]
    assert told(pipe(tmp_path, "-", "--url", ingest.url, "--token-file", str(token), mail=raw_mail())) == (os.EX_TEMPFAIL, "4.3.0")
    assert (tmp_path / "logs" / "command-line.log").exists()


def test_while_nothing_runs_the_mail_is_kept(token: Path, tmp_path: Path) -> None:
    assert told(pipe(tmp_path, "-", mail=raw_mail())) == (os.EX_TEMPFAIL, "4.3.0")
    away = ("--url", "http://127.0.0.1:9", "--token-file", str(token), "--patience", "0")
    assert told(pipe(tmp_path, "-", *away, mail=raw_mail())) == (os.EX_TEMPFAIL, "4.3.0")


def test_a_wrong_set_up_is_told_as_such_and_keeps_the_mail(ingest: Ingest, token: Path, tmp_path: Path) -> None:
    assert told(pipe(tmp_path)) == (os.EX_USAGE, "4.3.5")
    assert told(pipe(tmp_path, "-", "--no-such-option")) == (os.EX_USAGE, "4.3.5")
    assert told(pipe(tmp_path, "-", "--patience", "long")) == (os.EX_USAGE, "4.3.5")
    assert told(pipe(tmp_path, "-", "--url", ingest.url)) == (os.EX_USAGE, "4.3.5")
    assert told(pipe(tmp_path, "-", "--url", ingest.url, "--token-file", "/nonexistent")) == (os.EX_CONFIG, "4.3.5")
    for text in ("", "two words", "n\u00f6"):
        token.write_text(text)
        assert told(pipe(tmp_path, "-", "--url", ingest.url, "--token-file", str(token))) == (os.EX_CONFIG, "4.3.5")
    assert told(pipe(tmp_path, "/nonexistent.eml", "--url", ingest.url, "--token-file", str(token))) == (os.EX_NOINPUT, "4.3.0")
    assert ingest.received == []
