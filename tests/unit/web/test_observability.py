"""Traces, logs and the health server."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
import structlog

from shared.observability import configure_logging, get_logger, metrics, serve_health
from shared.observability.tracing import (
    child_traceparent,
    current_traceparent,
    new_traceparent,
    parse_traceparent,
    use_traceparent,
)

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        GOOD.upper(),
        GOOD + "-more",
        "ff" + GOOD[2:],
        GOOD[:-1],
        GOOD + "\n",
    ],
)
def test_what_the_standard_says_to_ignore_begins_a_new_trace(text: str) -> None:
    assert parse_traceparent(text) is None
    with use_traceparent(text) as used:
        assert parse_traceparent(used)
        assert used != text


def test_a_trace_is_kept_and_given_back() -> None:
    assert current_traceparent() == ""
    with use_traceparent(GOOD):
        assert current_traceparent() == GOOD
        with use_traceparent(new_traceparent()) as inner:
            assert current_traceparent() == inner
        assert current_traceparent() == GOOD
    assert current_traceparent() == ""
    child = parse_traceparent(child_traceparent(GOOD))
    assert child is not None
    assert (child.trace_id, child.parent_id != "b7ad6b7169203331") == ("0af7651916cd43dd8448eb211c80319c", True)


def test_a_later_version_of_the_header_is_understood() -> None:
    assert parse_traceparent("01" + GOOD[2:] + "-what-comes") is not None


def test_logs_are_json_with_the_trace_and_without_the_values_of_variables(capsys: pytest.CaptureFixture[str]) -> None:
    root, level = list(logging.getLogger().handlers), logging.getLogger().level
    before = structlog.get_config()
    try:
        configure_logging("case", "consume", "INFO")
        with use_traceparent(GOOD):
            try:
                token = "very secret"  # noqa: F841 - it must not be logged
                raise ValueError(  # noqa: TRY301 - with a local variable beside it
                    "first line\nDETAIL: Key (email)=(jane@mail.example)"
                )
            except ValueError:
                get_logger("here").exception("it broke", case_id=7)
            logging.getLogger("library").warning("careful %s", "now")
            get_logger("here").debug("not shown")
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = root
        logging.getLogger().setLevel(level)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line["level"], line["component"]) for line in lines] == [
        ("it broke", "error", "here"),
        ("careful now", "warning", "library"),
    ]
    assert all((line["service"], line["role"], line["trace_id"]) == ("case", "consume", GOOD[3:35]) for line in lines)
    text = json.dumps(lines[0])
    assert lines[0]["exception"][0]["type"] == "ValueError"
    assert "very secret" not in text
    assert "jane@mail.example" not in text


def test_a_role_without_an_api_tells_its_health_and_metrics() -> None:
    reasons: list[str] = ["waiting for the configuration"]
    server = serve_health("127.0.0.1", 0, lambda: reasons, lambda: {"config_version": 4})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            assert client.get("/health/live").status_code == 200
            answer = client.get("/health/ready")
            assert (answer.status_code, answer.json()["reasons"]) == (503, reasons)
            reasons.clear()
            answer = client.get("/health/ready")
            assert (answer.status_code, answer.json()["config_version"]) == (200, 4)
            assert "python_info" in client.get("/metrics").text
            assert client.get("/else").status_code == 404
    finally:
        server.close()


def test_a_broken_check_is_not_ready() -> None:
    def broken() -> list[str]:
        raise KeyError("database")

    server = serve_health("127.0.0.1", 0, broken)
    try:
        answer = httpx.get(f"http://127.0.0.1:{server.port}/health/ready", trust_env=False)
        assert (answer.status_code, answer.json()["reasons"]) == (503, ["the readiness check failed: KeyError"])
    finally:
        server.close()


def test_a_metric_with_a_name_of_its_own_making_is_refused() -> None:
    with pytest.raises(ValueError, match="casestream_<service>"):
        metrics.counter("requests", "Requests.")
