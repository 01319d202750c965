"""The AsyncAPI document is valid for the official parser, and tells what the services really write and read."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import services.case.consumer
import services.ingest.consumer
import services.notify.consumer
import services.sla.stream.loop
import services.task.consumer
from shared.messaging import StaticReference
from shared.schemas import topics
from shared.schemas.asyncapi import READERS, asyncapi_document, message_name
from shared.schemas.events import PAYLOADS
from shared.schemas.export import ASYNCAPI, PUBLISHED
from shared.schemas.topics import TOPICS
from shared.storage.objects import ObjectStore
from tests.support.configuration import a_configuration
from tests.support.node import installed_packages, run_script

PROJECT = Path(__file__).parent / "asyncapi"


@pytest.fixture(scope="module")
def packages() -> Path:
    return installed_packages(PROJECT)


def the_document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((PUBLISHED / ASYNCAPI).read_text(encoding="utf-8"), yaml.CSafeLoader)
    return document


def judged(text: str, packages: Path) -> dict[str, Any]:
    return run_script(PROJECT / "validate.js", packages, text)


@pytest.mark.requirement("FACE-1")
def test_published_document_is_valid_for_the_official_parser(packages: Path) -> None:
    verdict = judged((PUBLISHED / ASYNCAPI).read_text(encoding="utf-8"), packages)
    assert [one for one in verdict["diagnostics"] if one["severity"] in ("error", "warning")] == []
    assert verdict["version"] == "3.1.0"
    assert sorted(verdict["channels"]) == sorted(TOPICS)
    assert sorted(verdict["messages"]) == sorted(PAYLOADS)
    assert len(verdict["operations"]) == len(asyncapi_document()["operations"])


def test_parser_tells_of_a_binding_that_is_wrong(packages: Path) -> None:
    document = the_document()
    document["channels"]["casestream.cases"]["bindings"]["kafka"]["partitions"] = "many"
    errors = [one for one in judged(json.dumps(document), packages)["diagnostics"] if one["severity"] == "error"]
    assert any("partitions" in one["path"] for one in errors), errors


def test_examples_fit_the_schemas_of_the_document() -> None:
    """The parser does not look at the examples of this version of AsyncAPI."""
    document = the_document()
    for message in document["components"]["messages"].values():
        for part in ("headers", "payload"):
            schema = {"components": document["components"], "allOf": [message[part]]}
            jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker()).validate(message["examples"][0][part])


def test_lock_file_pins_every_package_by_hash_and_names_no_registry() -> None:
    lock = json.loads((PROJECT / "package-lock.json").read_text())
    installed = {name: one for name, one in lock["packages"].items() if name}
    assert installed
    assert [name for name, one in installed.items() if "integrity" not in one] == []
    assert [name for name, one in installed.items() if "resolved" in one] == []


def test_document_says_what_each_topic_is_created_with() -> None:
    for name, channel in asyncapi_document()["channels"].items():
        topic, binding = TOPICS[name], channel["bindings"]["kafka"]
        assert (binding["topic"], binding["partitions"]) == (name, topic.partitions)
        assert binding["topicConfiguration"]["cleanup.policy"] == [topic.settings()["cleanup.policy"]]
        assert str(binding["topicConfiguration"].get("retention.ms", "none")) == topic.settings().get("retention.ms", "none")
        assert sorted(channel.get("messages", {})) == sorted(message_name(one) for one in PAYLOADS.values() if one.topic == name)


def test_document_tells_the_topics_that_services_really_handle(tmp_path: Path) -> None:
    reference = StaticReference(a_configuration())
    handled = {
        "ingest": services.ingest.consumer.handlers(reference, ObjectStore(tmp_path.as_uri()), "GB"),
        "case": services.case.consumer.handlers(reference),
        "task": services.task.consumer.handlers(reference),
        "sla": services.sla.stream.loop.INPUTS,
        "notify": services.notify.consumer.handlers(reference),
        "desk": (topics.CALLS,),
    }
    assert {service: set(names) for service, names in READERS.items()} == {service: set(names) for service, names in handled.items()}
