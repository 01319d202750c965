"""Fuzzing a served API by what its OpenAPI document promises, with Schemathesis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"


def fuzzed(
    folder: Path,
    document: dict[str, Any],
    url: str,
    token: str,
    there: Mapping[str, Mapping[str, object]],
    *,
    examples: int,
    boundaries: bool,
) -> tuple[bool, str]:
    """Whether every answer of the API at `url` was as `document` declares it and none was a 5xx; and what Schemathesis says.

    `there`: values for path parameters by name, so that what is asked for is there; for paths that begin like that, the longest
    beginning first. `examples`: requests for each operation.
    `boundaries`: also try each boundary of each value.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "schemathesis.toml").write_text("".join(_told_of(path, there) for path in document["paths"]))
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", "schemathesis.toml", "run", "openapi.json", "--url", url, "--checks", CHECKS, "--max-examples", str(examples)),
        *(
            "--generation-deterministic",
            "--phases",
            "examples,coverage,fuzzing" if boundaries else "examples,fuzzing",
            "--request-timeout",
            "30",
        ),
        *("--header", f"Authorization: Bearer {token}", "--no-color", "--workers", "1"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900)
    (folder / "told.txt").write_text(done.stdout + done.stderr)
    return done.returncode == 0, done.stdout + done.stderr


def _told_of(path: str, there: Mapping[str, Mapping[str, object]]) -> str:
    values: dict[str, object] = {}
    for beginning in sorted(there, key=len):
        if path.startswith(beginning):
            values |= there[beginning]
    lines = [f'"path.{name}" = {json.dumps(value)}' for name, value in values.items() if f"{{{name}}}" in path]
    return "\n".join(["[[operations]]", f"include-path = {json.dumps(path)}", "[operations.parameters]", *lines, ""]) if lines else ""
