"""Writing the schemas of what is on the topics for other programs: `casestream schemas export DIR`, `make schemas` for those in git."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from shared.schemas.asyncapi import asyncapi_document
from shared.schemas.events import PAYLOADS
from shared.schemas.json_schemas import configuration_schema, payload_schema

PUBLISHED = Path(__file__).parent / "published"
"""The schemas as this release's readers know them, in git."""
ASYNCAPI = "asyncapi.yaml"


def export_schemas(folder: Path) -> list[Path]:
    """Write one JSON Schema for each type of event, the configuration's, and the AsyncAPI document; what was written, in a fixed order."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in sorted(documents().items()):
        file = folder / name
        file.write_text(content, encoding="utf-8")
        written.append(file)
    return written


def documents() -> dict[str, str]:
    """File name -> content. The same models give the same bytes."""
    schemas = {f"{name}.json": payload_schema(payload) for name, payload in PAYLOADS.items()}
    schemas["casestream.configuration.json"] = configuration_schema()
    return {name: _json(schema) for name, schema in schemas.items()} | {ASYNCAPI: _yaml(asyncapi_document())}


def published_types(folder: Path = PUBLISHED) -> dict[str, dict[str, Any]]:
    """Type of event -> its schema, as they lie in a folder."""
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.glob("*.json"))
        if file.stem != "casestream.configuration"
    }


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


class _Unshared(yaml.CSafeDumper):
    """YAML without anchors: what occurs twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _yaml(document: dict[str, Any]) -> str:
    text: str = yaml.dump(document, Dumper=_Unshared, sort_keys=False, allow_unicode=True, width=120)
    return f"# Made by `make schemas` from shared/schemas; change it there.\n{text}"
