"""Senders and recipients."""

from __future__ import annotations

from tests.support.mails import raw_mail
from tests.support.nasty.case import Case, case, headed

SENDERS: list[tuple[str | bytes, str, str | None]] = [
    ("ann@x.example", "", "ann@x.example"),
    ("<ann@x.example>", "", "ann@x.example"),
    ("Ann<ann@x.example>", "Ann", "ann@x.example"),
    ('"Lee, Ann" <ann@x.example>', "Lee, Ann", "ann@x.example"),
    ("Lee, Ann <ann@x.example>", "Lee, Ann", "ann@x.example"),
    ("ann@x.example (Ann Lee)", "Ann Lee", "ann@x.example"),
    ("Ann (née (Lee)) <ann@x.example>", "Ann", "ann@x.example"),
    (r"Pete(A nice \) chap) <pete(his account)@silly.test(his host)>", "Pete", "pete@silly.test"),
    (r'"Giant; \"Big\" Box" <box@x.example>', 'Giant; "Big" Box', "box@x.example"),
    ("A. Lee <ann@x.example>", "A. Lee", "ann@x.example"),
    ("Ann Lee <@relay.example,@b.example:ann@x.example>", "Ann Lee", "ann@x.example"),
    ('"ann lee"@x.example', "", '"ann lee"@x.example'),
    ('Ann <"ann lee"@x.example>', "Ann", '"ann lee"@x.example'),
    ('<"a@b"@x.example>', "", '"a@b"@x.example'),
    ('Ann <"ann"@x.example>', "Ann", "ann@x.example"),
    ("ann . lee @ x . example", "", "ann.lee@x.example"),
    ("Ann Lee < ann@x.example >", "Ann Lee", "ann@x.example"),
    ("Ann Lee <<ann@x.example>>", "Ann Lee", "ann@x.example"),
    ("Ann Lee <mailto:ann@x.example>", "Ann Lee", "ann@x.example"),
    ("Ann Lee <ann@x.example", "Ann Lee", "ann@x.example"),
    ('"Ann Lee <ann@x.example>', "Ann Lee", "ann@x.example"),
    ("'Ann Lee' <ann@x.example>", "Ann Lee", "ann@x.example"),
    ("\"'Ann Lee'\" <ann@x.example>", "Ann Lee", "ann@x.example"),
    ("'ann@x.example'", "", "ann@x.example"),
    ('"ann@x.example" <ann@x.example>', "ann@x.example", "ann@x.example"),
    ("ann@x.example <ann@x.example>", "ann@x.example", "ann@x.example"),
    ("Ann Lee <ann@x.example>,", "Ann Lee", "ann@x.example"),
    ("Ann Lee\n <ann@x.example>", "Ann Lee", "ann@x.example"),
    ("Ann\tLee  <ann@x.example>", "Ann Lee", "ann@x.example"),
    ("=?utf-8?q?Lee=2C_Ann?= <ann@x.example>", "Lee, Ann", "ann@x.example"),
    ('"=?utf-8?q?J=C3=B6rg?=" <ann@x.example>', "Jörg", "ann@x.example"),
    ("=?utf-8?b?SsO2cmc=?=<ann@x.example>", "Jörg", "ann@x.example"),
    ("=?utf-8?q?J=C3?= =?utf-8?q?=B6rg?= Lee <ann@x.example>", "Jörg Lee", "ann@x.example"),
    ("ann@x.example (=?utf-8?q?J=C3=B6rg?=)", "Jörg", "ann@x.example"),
    ("=?utf-8?q?Ann_=3Cann=40x=2Eexample=3E?=", "Ann", "ann@x.example"),
    ("=?iso-2022-jp?B?GyRCOzNFRBsoQg==?= <ann@x.example>", "山田", "ann@x.example"),
    (b"\x1b$B;3ED\x1b(B <ann@x.example>", "山田", "ann@x.example"),
    ("Jörg <ann@x.example>", "Jörg", "ann@x.example"),
    ("Jörg <ann@x.example>".encode("latin-1"), "Jörg", "ann@x.example"),
    ("Jörg <jörg@müller.example>", "Jörg", "jörg@müller.example"),
    ("用户@例え.jp", "", "用户@例え.jp"),
    ("Ann <ann@xn--mller-kva.example>", "Ann", "ann@xn--mller-kva.example"),
    ("ann@[192.0.2.1]", "", "ann@[192.0.2.1]"),
    ("ann+flat.4_a'b@x.example", "", "ann+flat.4_a'b@x.example"),
    ("Ann <ann@x.example>, Bob <bob@x.example>", "Ann", "ann@x.example"),
    ("Team:Ann <ann@x.example>;", "Ann", "ann@x.example"),
    ("MAILER-DAEMON (Mail Delivery System)", "Mail Delivery System", "MAILER-DAEMON"),
    ("MAILER DAEMON <>", "MAILER DAEMON", None),
    ("Ann Lee", "Ann Lee", None),
    ("<>", "", None),
    ("", "", None),
    ("Ann Lee ann@x.example", "Ann Lee", "ann@x.example"),
    ("Ann \x00Lee <ann@x.example>", "Ann Lee", "ann@x.example"),
    ('"" <ann@x.example>', "", "ann@x.example"),
    ("Ann @ Home <ann@x.example>", "Ann @ Home", "ann@x.example"),
    ("Ann: Flat 4 <ann@x.example>", "Flat 4", "ann@x.example"),
    ('"Ann\n Lee" <ann@x.example>', "Ann Lee", "ann@x.example"),
]

RECIPIENTS: list[tuple[str, list[str]]] = [
    ("undisclosed-recipients:;", []),
    ("Undisclosed recipients:", []),
    ("Team: a@x.example, B <b@x.example>;, c@x.example", ["a@x.example", "b@x.example", "c@x.example"]),
    ("Empty:;, a@x.example", ["a@x.example"]),
    ("a@x.example; b@x.example;", ["a@x.example", "b@x.example"]),
    ("a@x.example,\n\tb@x.example", ["a@x.example", "b@x.example"]),
    (", ,a@x.example,,", ["a@x.example"]),
    ("a@x.example\nTo: b@x.example", ["a@x.example", "b@x.example"]),
    ("a@x.example, a@x.example", ["a@x.example"]),
    ("A <a@x.example> B <b@x.example>", ["a@x.example", "b@x.example"]),
    ('"A, B" <a@x.example>, "C; D" <c@x.example>', ["a@x.example", "c@x.example"]),
    ("=?utf-8?q?a=2C_b?= <a@x.example>, b@x.example", ["a@x.example", "b@x.example"]),
    ("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", ["mary@example.net", "jdoe@test.example"]),
    ("a@x.example (one, two), b@x.example (three;)", ["a@x.example", "b@x.example"]),
    ("Doe, Jane <a@x.example>, Roe, Rick <b@x.example>", ["a@x.example", "b@x.example"]),
    ("a@x.example b@x.example", ["a@x.example", "b@x.example"]),
    ('"A" <a@x.example> (work), b@x.example', ["a@x.example", "b@x.example"]),
    ("root", ["root"]),
    ("(nobody)", []),
]


def cases() -> list[Case]:
    """All of them."""
    senders = [
        headed(
            f"from: {written!r}", b"From: " + (written if isinstance(written, bytes) else written.encode()), {"name": name, "from": sender}
        )
        for written, name, sender in SENDERS
    ]
    recipients = [headed(f"to: {written}", f"To: {written}", {"to": read}) for written, read in RECIPIENTS]
    copies = [headed(f"cc: {written}", f"Cc: {written}", {"cc": read}) for written, read in RECIPIENTS[:6]]
    stands_in = case("sender for from", raw_mail().replace(b"From: Ann", b"Sender: Ann"))
    return [*senders, *recipients, *copies, stands_in]
