"""A mailbox on Exchange as a channel: what is read, in which order, and what becomes of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.ingest.domain.mail import parse_mail
from services.ingest.gateways import exchange
from services.ingest.gateways.source import GatewayError
from tests.support.exchange import ExchangeServer
from tests.support.exchange_sources import Open, exchange_sources


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange")


@pytest.fixture
def server(folder: Path) -> Iterator[ExchangeServer]:
    server = ExchangeServer(folder)
    yield server
    server.close()


@pytest.fixture
def open_source(server: ExchangeServer, tmp_path: Path) -> Iterator[Open]:
    with exchange_sources(server, tmp_path) as opened:
        yield opened


def mail(subject: str, text: str = "Hello") -> bytes:
    return f"From: ann@example.com\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode()


@pytest.mark.requirement("COM-3", "EDGE-19")
def test_new_mails_are_given_as_they_are_oldest_first_and_then_marked_as_read(server: ExchangeServer, open_source: Open) -> None:
    raw = mail("with files").replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n") + bytes(range(256)) * 100
    server.deliver(raw, received=datetime(2026, 3, 1, tzinfo=UTC))
    server.deliver(mail("before"), received=datetime(2026, 2, 1, tzinfo=UTC))
    source = open_source()
    batch = source.fetch({}, 10)
    assert (list(batch.items), batch.is_more) == ([mail("before"), raw], False)
    assert not any(item.is_read for item in server.items.values())
    source.acknowledge(batch)
    assert all(item.is_read for item in server.items.values())
    server.deliver(mail("next"))
    assert list(source.fetch(batch.cursor, 10).items) == [mail("next")]


@pytest.mark.requirement("COM-3")
def test_no_read_receipt_is_sent_to_who_asked_for_one(server: ExchangeServer, open_source: Open) -> None:
    server.deliver(mail("x"))
    source = open_source()
    source.acknowledge(source.fetch({}, 10))
    (update,) = server.requests[-1].iterfind(".//{*}UpdateItem")
    assert (update.get("SuppressReadReceipts"), update.get("ConflictResolution")) == ("true", "AlwaysOverwrite")


@pytest.mark.requirement("COM-3", "EDGE-3")
def test_mails_move_to_a_folder_that_is_made_when_it_is_missing(server: ExchangeServer, open_source: Open) -> None:
    server.deliver(mail("one"))
    server.deliver(mail("two"))
    source = open_source(moved_to="Taken/casestream")
    batch = source.fetch({}, 10)
    source.acknowledge(batch)
    source.acknowledge(batch)
    open_source(moved_to="taken/CaseStream").acknowledge(batch)
    assert sorted(name for _, name in server.folders.values()) == ["Inbox", "Taken", "Top of Information Store", "casestream"]
    assert server.in_folder(server.folder_named("casestream")) == [mail("one"), mail("two")]
    assert server.in_folder("in") == []
    assert source.fetch(batch.cursor, 10).items == []


@pytest.mark.requirement("COM-3")
def test_another_folder_than_the_inbox_is_named_by_its_path(server: ExchangeServer, open_source: Open) -> None:
    server.folders |= {f"other{number}": ("in", f"Other {number}") for number in range(120)} | {"deep": ("in", "Réparations & co")}
    server.deliver(mail("deep"), "deep")
    server.deliver(mail("shallow"))
    assert list(open_source(folder="Inbox/réparations & Co").fetch({}, 10).items) == [mail("deep")]
    with pytest.raises(GatewayError) as caught:
        open_source(folder="Inbox/Missing").fetch({}, 10)
    assert caught.value.reason == "refused"
    with pytest.raises(GatewayError, match="folder that they are in"):
        open_source(moved_to="Inbox").fetch({}, 10)


@pytest.mark.requirement("EDGE-3")
def test_what_is_not_acknowledged_is_given_again_also_to_another_process(server: ExchangeServer, open_source: Open) -> None:
    server.deliver(mail("first"))
    source = open_source(moved_to="Taken")
    before = source.fetch({}, 10)
    source.acknowledge(before)
    server.deliver(mail("one"))
    server.deliver(mail("two"))
    batch = source.fetch(before.cursor, 10)
    assert list(batch.items) == [mail("one"), mail("two")]
    assert source.fetch(before.cursor, 10) == batch
    source.close()
    follower = open_source(moved_to="Taken")
    assert follower.fetch(before.cursor, 10) == batch
    follower.acknowledge(batch)
    # Killed before the cursor was saved: what was moved does not come again.
    assert open_source(moved_to="Taken").fetch(before.cursor, 10).items == []


@pytest.mark.requirement("EDGE-3")
def test_what_was_acknowledged_before_the_cursor_was_saved_comes_again_and_no_more_after(server: ExchangeServer, open_source: Open) -> None:
    server.deliver(mail("one"))
    source = open_source()
    batch = source.fetch({}, 10)
    source.acknowledge(batch)
    source.acknowledge(batch)
    assert open_source().fetch({}, 10).items == batch.items
    assert source.fetch(batch.cursor, 10).items == []


@pytest.mark.requirement("COM-3")
def test_more_than_one_fetch_takes_comes_in_several(server: ExchangeServer, open_source: Open) -> None:
    for number in range(7):
        server.deliver(mail(str(number)))
    source = open_source(moved_to="Taken")
    cursor: Any = {}
    seen: list[list[bytes]] = []
    is_more = True
    while is_more:
        batch = source.fetch(cursor, 3)
        source.acknowledge(batch)
        seen.append(list(batch.items))
        cursor, is_more = batch.cursor, batch.is_more
    assert [one for batch in seen for one in batch] == [mail(str(number)) for number in range(7)]
    assert max(map(len, seen)) == 3


@pytest.mark.requirement("COM-3")
def test_a_fetch_takes_no_more_than_fits_but_always_something(
    server: ExchangeServer, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BATCH_BYTES", 1000)
    for size in (400, 400, 400, 5000, 10):
        server.deliver(mail("x", "x" * size))
    source = open_source()
    cursor: Any = {}
    counts = []
    is_more = True
    while is_more:
        batch = source.fetch(cursor, 10)
        counts.append(len(batch.items))
        cursor, is_more = batch.cursor, batch.is_more
    assert counts == [2, 1, 1, 1]


@pytest.mark.requirement("EDGE-3")
@pytest.mark.parametrize("spoil", ["expired", "nonsense", "number", "other folder"])
def test_with_a_sync_state_that_is_of_no_use_the_folder_is_read_from_its_beginning(
    server: ExchangeServer, open_source: Open, spoil: str
) -> None:
    server.deliver(mail("one"))
    server.folders["other"] = ("in", "Other")
    server.deliver(mail("three"), "other")
    source = open_source()
    cursor = dict(source.fetch({}, 10).cursor)
    server.deliver(mail("two"))
    if spoil == "expired":
        server.epoch += 1
    elif spoil == "nonsense":
        cursor["state"] = "nonsense"
    elif spoil == "number":
        cursor["state"] = 7
    else:
        source = open_source(folder="Inbox/Other")
    batch = source.fetch(cursor, 10)
    assert list(batch.items) == ([mail("three")] if spoil == "other folder" else [mail("one"), mail("two")])
    assert source.fetch(batch.cursor, 10).items == []


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("kind", ["MeetingRequest", "PostItem", "Item", "SharingMessage"])
def test_every_kind_of_item_is_given(server: ExchangeServer, open_source: Open, kind: str) -> None:
    server.deliver(mail("odd"), kind=kind)
    server.deliver(mail("mail"))
    assert list(open_source().fetch({}, 10).items) == [mail("odd"), mail("mail")]


@pytest.mark.requirement("COM-3")
def test_an_item_that_vanishes_before_it_is_read_is_no_error(server: ExchangeServer, open_source: Open) -> None:
    item = server.deliver(mail("gone"))
    server.deliver(mail("here"))
    server.on_get = lambda: server.remove(item)
    source = open_source(moved_to="Taken")
    batch = source.fetch({}, 10)
    assert (list(batch.items), len(batch.marks)) == ([mail("here")], 1)
    source.acknowledge(batch)
    assert source.fetch(batch.cursor, 10).items == []


PROPERTIES = """
<t:Subject>Tür &amp; Fenster</t:Subject><t:Body BodyType="{kind}">Die T&#xFC;r klemmt&#x1;&#13;&#10;&amp;amp;</t:Body>
<t:Attachments>
<t:FileAttachment><t:AttachmentId Id="a1"/><t:Name>tür.jpg</t:Name><t:Size>4</t:Size></t:FileAttachment>
<t:ItemAttachment><t:AttachmentId Id="a2"/><t:Name>Der Brief</t:Name><t:Size>9</t:Size></t:ItemAttachment>
<t:FileAttachment><t:AttachmentId Id="a3"/><t:Name>leer.txt</t:Name><t:Size>0</t:Size></t:FileAttachment>
<t:FileAttachment><t:AttachmentId Id="a4"/><t:Name>kaputt &lt;b&gt;.pdf</t:Name><t:Size>10</t:Size></t:FileAttachment>
</t:Attachments>
<t:DateTimeSent>2026-01-05T08:00:00Z</t:DateTimeSent>
<t:ToRecipients><t:Mailbox><t:Name>Contact</t:Name><t:EmailAddress>contact@housing.example</t:EmailAddress></t:Mailbox></t:ToRecipients>
<t:From><t:Mailbox><t:Name>Ann "A"
 Ö</t:Name><t:EmailAddress>ann@example.com</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType></t:Mailbox></t:From>
<t:InternetMessageId>&lt;one@example.com&gt;</t:InternetMessageId>
"""
FILES = {
    "a1": '<t:FileAttachment><t:AttachmentId Id="a1"/><t:Name>tür.jpg</t:Name><t:ContentType>image/jpeg</t:ContentType>'
    f"<t:Content>{base64.b64encode(b'jpeg').decode()}</t:Content></t:FileAttachment>",
    "a2": '<t:ItemAttachment><t:AttachmentId Id="a2"/><t:Name>Der Brief</t:Name><t:Message>'
    f"<t:MimeContent>{base64.b64encode(b'Subject: inner').decode()}</t:MimeContent></t:Message></t:ItemAttachment>",
    "a3": '<t:FileAttachment><t:AttachmentId Id="a3"/><t:Name>leer.txt</t:Name><t:Content/></t:FileAttachment>',
    "a4": "ErrorCannotOpenFileAttachment",
}


@pytest.mark.requirement("COM-3")
@pytest.mark.parametrize("kind", ["Text", "HTML"])
@pytest.mark.parametrize("code", ["ErrorMimeContentConversionFailed", "ErrorContentConversionFailed", "ErrorInternalServerError"])
def test_a_mail_whose_mime_cannot_be_had_is_built_from_its_properties_and_does_not_block(
    server: ExchangeServer, open_source: Open, kind: str, code: str
) -> None:
    server.deliver(b"", code=code, properties=PROPERTIES.replace("{kind}", kind), files=FILES)
    server.deliver(mail("next"))
    source = open_source()
    built, following = source.fetch({}, 10).items
    assert following == mail("next")
    found = parse_mail(built)
    assert (found.subject, found.from_address, found.from_name) == ("Tür & Fenster", "ann@example.com", 'Ann "A" Ö')
    assert (found.to, found.message_id, found.date) == (
        ("contact@housing.example",),
        "<one@example.com>",
        datetime(2026, 1, 5, 8, tzinfo=UTC),
    )
    assert "Die Tür klemmt" in found.text
    assert "kaputt <b>.pdf" in found.text
    given = sorted((file.filename, file.content) for file in found.attachments)
    assert given == [("Der Brief.eml", b"Subject: inner"), ("leer.txt", b""), ("tür.jpg", b"jpeg")]
    # The ids of what is taken come from its bytes.
    assert list(open_source().fetch({}, 10).items) == [built, following]


@pytest.mark.requirement("COM-3")
def test_what_cannot_be_marked_as_read_does_not_block(server: ExchangeServer, open_source: Open) -> None:
    server.deliver(mail("odd"), hidden="ErrorInvalidPropertyUpdateSentMessage")
    other = server.deliver(mail("other"))
    source = open_source()
    batch = source.fetch({}, 10)
    source.acknowledge(batch)
    assert other.is_read
    other.hidden = "ErrorAccessDenied"
    with pytest.raises(GatewayError) as caught:
        source.acknowledge(batch)
    assert caught.value.reason == "refused"


@pytest.mark.requirement("COM-3")
def test_of_a_mail_that_nothing_is_told_of_a_note_is_given(server: ExchangeServer, open_source: Open) -> None:
    server.deliver(b"", code="ErrorItemCorrupt", hidden="ErrorItemCorrupt")
    server.deliver(mail("next"))
    source = open_source(moved_to="Taken")
    batch = source.fetch({}, 10)
    assert "in the mailbox" in parse_mail(batch.items[0]).text
    assert batch.items[1] == mail("next")
    source.acknowledge(batch)
    assert server.in_folder("in") == [b""]
    assert server.in_folder(server.folder_named("Taken")) == [mail("next")]


@pytest.mark.requirement("COM-3")
def test_a_mail_without_content_is_built_too(server: ExchangeServer, open_source: Open) -> None:
    server.deliver(b"", properties="<t:Subject>empty</t:Subject>")
    (built,) = open_source().fetch({}, 10).items
    assert parse_mail(built).subject == "empty"


HEADERS = """<t:InternetMessageHeaders>
<t:InternetMessageHeader HeaderName="Received">from a by b; Mon, 5 Jan 2026 08:00:00 +0000</t:InternetMessageHeader>
<t:InternetMessageHeader HeaderName="From">Ann &lt;ann@example.com&gt;</t:InternetMessageHeader>
<t:InternetMessageHeader HeaderName="Subject">=?utf-8?q?T=C3=BCr?=</t:InternetMessageHeader>
<t:InternetMessageHeader HeaderName="Content-Type">multipart/mixed; boundary=x</t:InternetMessageHeader>
<t:InternetMessageHeader HeaderName="X-Odd">one
two: three</t:InternetMessageHeader>
</t:InternetMessageHeaders>"""


@pytest.mark.requirement("COM-3")
def test_of_a_mail_that_is_too_large_the_header_is_given(
    server: ExchangeServer, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LARGEST_BYTES", 20_000)
    server.deliver(b"", size=20_001, properties=HEADERS)
    # As stored it is small enough, as MIME it is not.
    server.deliver(mail("=?utf-8?q?T=C3=BCr?=", "x" * 21_000), size=15_000)
    # And here already the answer is too long, and would be with the others too.
    server.deliver(mail("ignored", "x" * 40_000), size=15_000, properties=HEADERS)
    server.deliver(mail("small"))
    one, two, three, small = open_source().fetch({}, 10).items
    assert small == mail("small")
    for cut in (one, two, three):
        found = parse_mail(cut)
        assert (found.from_address, found.subject) == ("ann@example.com", "Tür")
        assert "too large" in found.text
        assert cut.count(b"Content-Type:") == 1
        assert len(cut) < 1000


@pytest.mark.requirement("COM-3")
def test_a_mail_of_many_megabytes_is_given_whole(server: ExchangeServer, open_source: Open) -> None:
    raw = mail("large", "x" * 20_000_000)
    server.deliver(raw)
    assert list(open_source().fetch({}, 10).items) == [raw]
