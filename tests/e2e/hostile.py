"""What nobody should send: values, envelopes, bodies, addresses, tokens and mails that are wrong in one way each."""

from __future__ import annotations

import json
import random
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tests.support.mails import multipart, ordinary_mails, raw_mail

DEEP = b"[" * 100_000
BILLION = b"x0: &x0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + b"".join(
    f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}, *x{n - 1}, *x{n - 1}]\n".encode() for n in range(1, 30)
)
"""A short document that is long once its aliases are followed."""
ODD_TEXTS: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    1e308,
    "",
    "\x00",
    "a\x00b",
    "x" * 70_000,
    "\ud800",
    "normal",
    "high",
    "2026-12-31T23:59:59Z",
    "repairs",
    "\u202e\ufeff\U0001f4a9",
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-13-45T99:99:99Z",
    "P1000000000Y",
    "not-a-uuid",
    str(uuid.UUID(int=0)),
    [],
    [[[]]],
    {},
    {"a": {"b": None}},
    "'; drop table cases; --",
    "../../etc/passwd",
]
BODIES: list[tuple[str, bytes]] = [
    ("application/json", b""),
    ("application/json", b"{"),
    ("application/json", b"null"),
    ("application/json", b"[]"),
    ("application/json", b'"text"'),
    ("application/json", b"NaN"),
    ("application/json", b"\xff\xfe\x00"),
    ("application/json", b'{"a": "\\ud800"}'),
    ("application/json", b'{"subject_line": "\\ud800", "status": "\\udfff", "user": "\\ud800", "value": "\\ud800", "text": "\\ud800"}'),
    ("application/json", b'{"a": 1' + b"0" * 5000 + b"}"),
    ("application/json", DEEP),
    ("application/json", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    ("application/json", b'{"a": "' + b"x" * 2_000_000 + b'"}'),
    ("application/yaml", b"a: &a [*a, *a]"),
    ("application/yaml", b"a: [" * 5000),
    ("application/yaml", b"!!python/object/apply:os.system ['true']"),
    ("application/yaml", b"\xff\xfe"),
    ("application/yaml", b"a: 1\na: 2\n"),
    ("application/yaml", BILLION),
    ("application/x-www-form-urlencoded", b"user=%00&password=%ff&a=" + b"x" * 10_000),
    ("application/x-www-form-urlencoded", b"%" * 1000),
    ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=user\r\n\r\nx"),
    ("multipart/form-data", b"--b--"),
    ("text/plain", b"hello"),
    ("", b"\x00" * 100),
    ("message/rfc822", b"x" * 2_000_000),
    ("\xe9/\xe9; charset=\xff", b"x"),
]
GOOD: dict[str, dict[str, Any]] = {
    "/tasks": {
        "subject_line": "Call back",
        "description": "",
        "due_at": "2040-01-01T09:00:00Z",
        "priority": "high",
        "customer_name": "Ann",
        "assignee": "dan.evans",
    },
    "/contacts": {
        "source_system": "upstream",
        "external_id": "1",
        "method": "web-form",
        "direction": "inbound",
        "sender": {"kind": "email", "value": "ann@mail.example", "name": "Ann"},
        "subject_line": "A tap",
        "text": "It drips.",
        "occurred_at": "2026-01-01T09:00:00Z",
        "conversation": "1",
        "subjects": [],
        "location": "At the door",
        "scripts": [],
    },
    "/cases/{case_id}/status": {"status": "being-looked-at", "reason": "looked at"},
    "/cases/{case_id}/assign": {"unit": "repairs", "owner": "dan.evans", "reason": ""},
    "/cases/{case_id}/answers": {"stage": "response", "category": "answered", "text": "We come on Tuesday.", "status": "being-looked-at"},
    "/cases/{case_id}/acceptance": {"stage": "response", "accepted": True, "comment": "Fine."},
    "/cases/{case_id}/category": {"category": "plumbing"},
    "/cases/{case_id}/estimate": {"estimated_completion_at": "2040-01-01T09:00:00Z", "reason": ""},
    "/cases/{case_id}/delete": {"reason": "by mistake"},
    "/tasks/{task_id}/due": {"due_at": "2040-01-01T09:00:00Z"},
    "/dead-letters/{letter}/replay": {"value": "x"},
}
"""Bodies that are right, to be spoilt in one member."""
TOKENS = [
    "",
    "x",
    "a.b.c",
    "....",
    "\xe9",
    "x" * 7000,
    # Unsigned, signed with a shared secret, and with header and claims of the wrong shape.
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtYXgifQ.",
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJtYXgifQ.c2lnbmF0dXJl",
    "W10.W10.W10",
    "eyJhbGciOiJFZERTQSIsImtpZCI6MX0.eyJzdWIiOjF9.AAAA",
    "eyJhbGciOiJFZERTQSIsImtpZCI6WzFdfQ.bnVsbA.AAAA",
]


_CURSORS: list[Any] = [
    [],
    [1],
    ["\x00"],
    [None, None],
    ["9999-12-31T23:59:59-23:59", str(uuid.UUID(int=0))],
    ["2026-01-01T00:00:00Z", "x"],
    ["2026-01-01T00:00:00", str(uuid.UUID(int=0))],
    [10**30],
    [1e308, 1],
    [-5],
    ["normal", "0001-01-01T00:00:00+23:59", str(uuid.UUID(int=0))],
    {"a": 1},
]
ODD_CURSORS = [urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=") for value in _CURSORS]


def odd_headers(name: str) -> dict[str, bytes | None]:
    """The headers of a good envelope."""
    return {
        "ce_specversion": b"1.0",
        "ce_id": str(uuid.uuid4()).encode(),
        "ce_type": name.encode(),
        "ce_source": b"/somebody/else",
        "ce_subject": str(uuid.uuid4()).encode(),
        "ce_time": datetime.now(UTC).isoformat().encode(),
        "ce_revision": b"1",
        "ce_configversion": b"1",
        "content-type": b"application/json",
    }


def odd_values(name: str, pick: random.Random) -> Iterator[bytes | None]:
    """Values that are no data of the type `name`, though some look like it."""
    yield None
    yield b""
    yield pick.randbytes(300)
    yield b"\x00" * 50
    yield b"{"
    yield b"null"
    yield b"[1, 2]"
    yield b'"' + name.encode() + b'"'
    yield b"{}"
    yield b'{"text": "\\ud800"}'
    yield DEEP[:50_000]
    yield b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    yield b'{"filler": "' + b"x" * 900_000 + b'"}'
    yield json.dumps({"case_id": "\x00", "task_id": -1, "version": 10**20, "document": {}, "user": "\x00"}).encode()
    unreadable = {"version": 7, "digest": "", "applied_by": "x", "applied_at": "2026-01-01T00:00:00Z", "document": {"units": 1}}
    yield json.dumps(unreadable).encode()
    yield json.dumps(unreadable | {"version": 10**12}).encode()


def paths_with_values(template: str, operation: dict[str, Any], real: dict[str, str], pick: random.Random) -> list[str]:
    """Addresses of the operation, the first with an id that is one (of a thing that exists, where `real` has it); ids that are none, and
    query parameters that do not belong there.
    """
    name = template.partition("{")[2].partition("}")[0]
    ids = [
        real.get(name, str(uuid.uuid4())),
        str(uuid.uuid4()),
        "not-an-id",
        "%00",
        "%ff",
        "0",
        "-1",
        "a" * 3000,
        "..%2f..%2f",
        "1e9",
        "%F0%9F%92%A9",
    ]
    paths = []
    for value in ids if "{" in template else ids[:1]:
        path = template
        while "{" in path:
            path = path[: path.index("{")] + value + path[path.index("}") + 1 :]
        paths.append(path)
    names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    odd = ["", "%00", "%ff", "-1", "9" * 30, "x" * 3000, "null", "%5B%5D", "nan", str(uuid.uuid4())]
    odd += [quote("\U0001f4a9"), quote("9999-12-31T23:59:59-23:59"), *ODD_CURSORS]
    first = paths[0]
    paths += [f"{first}?{name}={value}" for name in names for value in odd]
    paths += [f"{first}?" + "&".join(f"{name}={pick.choice(odd)}" for name in names) for _ in range(3 if names else 0)]
    return paths


def hostile_mails(pick: random.Random) -> Iterator[bytes]:
    """Mails that are none, or once were: random bytes, ordinary mails cut off or with bytes changed, and odd structures."""
    yield b""
    yield b"\x00"
    yield b"\r\n\r\n"
    yield pick.randbytes(2000)
    yield b"From: " * 20_000
    yield b"Subject: x\r\n" * 20_000
    yield raw_mail("Subject: =?utf-8?b?AA==?= =?x-nothing?q?=FF?=", b"\x00\xff" * 500)
    yield raw_mail("From: \n\tbroken\nTo: <<<>>>, @@\nDate: Mon, 99 Foo 99999 99:99:99 +9999\nMessage-ID: <\nReferences: <a> <b <c>> \xff")
    yield raw_mail("Date: Fri, 31 Dec 9999 23:59:59 -1200")
    yield raw_mail("Date: Mon, 01 Jan 0001 00:00:00 +1400")
    yield raw_mail("Content-Type: text/plain; charset=utf-7", b"+AAA- +2AA-")
    yield raw_mail("Content-Type: text/html", b"<div>" * 50_000)
    yield raw_mail("Content-Type: text/html", b"<!--" * 5000 + b"<style>" * 5000)
    yield multipart("Content-Type: text/plain\n\nx", ending="")
    yield multipart(*["Content-Type: multipart/mixed; boundary=b1\n\n--b1\n\nx"] * 50)
    nested = raw_mail(body="inner")
    for depth in range(60):
        nested = multipart(b"Content-Type: message/rfc822\r\n\r\n" + nested, boundary=f"d{depth}")
    yield nested
    yield multipart(*[f'Content-Disposition: attachment; filename="{"../" * 20}{n}\x01.exe"\n\nx' for n in range(300)])
    for raw in ordinary_mails(12, seed=pick.randrange(1000)):
        yield raw[: pick.randrange(1, len(raw))]
        changed = bytearray(raw)
        for _ in range(40):
            changed[pick.randrange(len(changed))] = pick.randrange(256)
        yield bytes(changed)
