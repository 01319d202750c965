"""An approver's link stands in the message to the approver, and in nobody else's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.notify.handlers.composing import Composer, LinkMaker, NotComposable
from services.notify.handlers.occasions import approval_occasion
from services.notify.storage.deliveries import Claimed
from shared.ids import derive
from shared.links import LinkKeyFile
from shared.messaging import StaticReference
from shared.schemas.events import ApprovalAsked, ApprovalDecided, ApprovalReminded
from tests.service.notify.harness import an_approval
from tests.support.configuration import TEMPLATES, a_configuration
from tests.support.feedback import a_key_file

NOW = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
APPROVAL = derive("approval", 1)
ASK = {"code": "ask", "name": "Approve?", "subject_line": "#approval", "text": "Please decide: #approval_link.\n"}
REFERENCE = StaticReference(a_configuration(templates=[*TEMPLATES, ASK], approvals={"links_valid_for": "2 days"}))
URL = "https://answer.example/decide"


def claimed(
    kind: type[Any] = ApprovalReminded, recipient: str = "lena@housing.example", audience: str = "staff", **changes: Any
) -> Claimed:
    """The delivery that an approval's event of a day later is queued as."""
    event = an_approval(1, kind, **changes)._replace(time=LATER)
    about = approval_occasion("approval.reminded", event, 1)
    facts = orjson.loads(orjson.dumps(about.facts))
    ids = (about.item_id, about.case_id, about.item_id)
    return Claimed(
        derive("delivery"),
        "ask",
        "ask",
        1,
        about.item_kind,
        *ids,
        recipient,
        "",
        audience,
        facts,
        "<a@b>",
        "",
        1,
        False,
        LATER,
        timedelta(),
    )


def text_of(composer: Composer, delivery: Claimed) -> str:
    return composer.compose(delivery).content.decode()


@pytest.fixture
def keys(tmp_path: Path) -> LinkKeyFile:
    return LinkKeyFile(a_key_file(tmp_path))


@pytest.mark.requirement("EDGE-14", "NOTE-1")
@pytest.mark.parametrize("kind", [ApprovalAsked, ApprovalReminded])
def test_an_approver_is_asked_with_a_link_of_their_own(keys: LinkKeyFile, kind: type[Any]) -> None:
    text = text_of(Composer(REFERENCE, "contact@housing.example", LinkMaker("", URL + "/", keys)), claimed(kind))
    found = re.search(rf"{re.escape(URL)}/([\w-]+)", text.replace("=\r\n", ""))
    assert found is not None
    read = keys.keys().read(found[1])
    assert read is not None
    link = read.link
    assert (link.purpose, link.record, link.user, link.issued_at) == ("approval", APPROVAL, "lena", LATER)
    assert link.expires_at == LATER + timedelta(days=2)


@pytest.mark.requirement("EDGE-14")
@pytest.mark.parametrize(
    "delivery",
    [
        claimed(recipient="rita@housing.example"),
        claimed(audience="unit"),
        claimed(audience="customer"),
        claimed(approver="nobody"),
        claimed(ApprovalDecided, state="approved"),
    ],
    ids=["asker", "unit", "customer", "unknown", "decided"],
)
def test_nobody_else_gets_it(keys: LinkKeyFile, delivery: Claimed) -> None:
    for links in (LinkMaker("", URL, keys), None):
        assert "Please decide" not in text_of(Composer(REFERENCE, "contact@housing.example", links), delivery)


@pytest.mark.requirement("EDGE-14")
def test_without_its_settings_the_message_fails_and_says_what_is_missing(keys: LinkKeyFile) -> None:
    for links in (None, LinkMaker("https://answer.example/answer", "", keys)):
        with pytest.raises(NotComposable, match="#approval_link needs the settings CASESTREAM_DECIDE_URL and CASESTREAM_LINK_KEYS"):
            Composer(REFERENCE, "contact@housing.example", links).compose(claimed())
