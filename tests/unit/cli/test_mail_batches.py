"""Raw mails in requests to ingest."""

import re

from services.cli.stack.mail_batches import MOST_BYTES, MOST_MAILS, as_request, batches


def test_one_mail_travels_as_it_is() -> None:
    assert as_request([b"Subject: x\n\ny"]) == ({"Content-Type": "message/rfc822"}, b"Subject: x\n\ny")


def test_the_bytes_of_several_mails_stay_as_they_are() -> None:
    mails = [b"Subject: a\n\nbare line ends\n", b"\x00\xff not a mail", b"", b"--\r\n--x--\r\n"]
    headers, body = as_request(mails)
    found = re.fullmatch(r'multipart/digest; boundary="([0-9a-f]+)"', headers["Content-Type"])
    assert found
    boundary = found[1].encode()
    assert body.endswith(b"--" + boundary + b"--\r\n")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]
    assert [part.partition(b"\r\n\r\n")[2] for part in parts] == mails


def test_batches_are_neither_too_many_nor_too_large() -> None:
    assert [len(batch) for batch in batches([b"x"] * (2 * MOST_MAILS + 1))] == [MOST_MAILS, MOST_MAILS, 1]
    large = b"x" * (MOST_BYTES - 1)
    assert [len(batch) for batch in batches([large, b"xy", large + b"xyz", b"z"])] == [1, 1, 1, 1]
    assert list(batches([])) == []
