"""Ports that are remembered, and move when taken."""

import socket
from pathlib import Path

from services.cli.stack.ports import LOOPBACK, Ports, is_free, is_listening


def test_a_port_is_remembered_while_it_is_free(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json").claim(["kafka", "postgres"])
    assert Ports(tmp_path / "ports.json").claim(["postgres", "kafka"]) == first
    assert first["kafka"] != first["postgres"]


def test_a_port_moves_when_somebody_else_has_taken_it(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    before = ports.claim(["desk"])["desk"]
    with socket.socket() as stranger:
        stranger.bind((LOOPBACK, before))
        stranger.listen()
        assert not is_free(before)
        assert is_listening(before)
        after = ports.claim(["desk"])["desk"]
    assert after != before
    assert ports.known() == {"desk": after}


def test_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    assert set(Ports(tmp_path / "ports.json").claim(["desk"])) == {"desk"}
