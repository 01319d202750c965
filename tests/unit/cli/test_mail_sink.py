"""Caught mail: whole files with names of their own."""

import smtplib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.stack.mail_sink import Folder
from services.cli.stack.ports import LOOPBACK, Ports, is_listening
from tests.support import eventually


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[tuple[int, int, Path]]:
    ports = Ports(tmp_path / "ports.json").claim(["smtp", "health"])
    folder = tmp_path / "mail"
    arguments = [str(folder), str(ports["smtp"]), str(ports["health"])]
    process = subprocess.Popen([sys.executable, "-m", "services.cli.stack.mail_sink", *arguments])
    eventually(lambda: is_listening(ports["health"]))
    yield ports["smtp"], ports["health"], folder
    process.terminate()
    assert process.wait(10) == 0


def test_each_message_becomes_one_file_with_its_recipients(sink: tuple[int, int, Path]) -> None:
    smtp_port, health_port, folder = sink
    with smtplib.SMTP(LOOPBACK, smtp_port) as client:
        for number in range(3):
            message = f"Subject: {number}\r\nMessage-ID: <{number}@x>\r\n\r\n.dots\r\n\xe9".encode("latin-1")
            client.sendmail("a@housing.example", ["b@housing.example", "c@housing.example"], message)
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".eml"] * 3
    assert [file.read_bytes().split(b"\r\n")[1] for file in files] == [b"Subject: 0", b"Subject: 1", b"Subject: 2"]
    assert files[0].read_bytes().startswith(b"X-Envelope-To: b@housing.example, c@housing.example\r\n")
    assert b"\r\n.dots\r\n\xe9" in files[0].read_bytes()
    with urllib.request.urlopen(f"http://{LOOPBACK}:{health_port}/health/ready") as answer:
        assert answer.status == 200


def test_names_are_unique_and_in_the_order_of_arrival(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    paths = [folder.keep(b"x") for _ in range(200)]
    assert paths == sorted(set(paths))
