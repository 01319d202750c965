"""What a reply quotes is told from what its sender wrote, and in doubt all of it is the sender's."""

from __future__ import annotations

import time

import pytest

from services.ingest.domain.mail import own_text_length, parse_mail
from tests.support.mails import raw_mail

QUOTED = "> The plumber comes on Tuesday.\n>\n> Your housing\n> > It leaks"
OUTLOOK = "From: Housing <contact@housing.example>\nSent: Monday, March 2, 2026 9:30 AM\nTo: Ann Lee\nSubject: Leak\n\nThe plumber comes."


def own(text: str) -> str | None:
    length = own_text_length(text)
    return None if length is None else text[:length]


@pytest.mark.parametrize(
    "said",
    [
        "On Mon, Mar 2, 2026 at 9:30 AM Housing <contact@housing.example> wrote:",
        "On Mon, Mar 2, 2026 at 9:30 AM Housing Contact Centre <contact@housing.example>\nwrote:",
        "On 02/03/2026 09:30, Housing wrote:",
        "Am Mo., 2. März 2026 um 09:30 Uhr schrieb Housing <\ncontact@housing.example>:",
        "Am 02.03.2026 um 09:30 schrieb Housing:",
        "Le lun. 2 mars 2026 à 09:30, Housing <contact@housing.example> a écrit\u00a0:",
        "El lun, 2 mar 2026 a las 9:30, Housing (<contact@housing.example>) escribió:",
        "Op ma 2 mrt 2026 om 09:30 schreef Housing <contact@housing.example>:",
        "Il giorno lun 2 mar 2026 alle ore 09:30 Housing <contact@housing.example> ha scritto:",
    ],
)
@pytest.mark.parametrize("below", [QUOTED, "The plumber comes on Tuesday.\n\nYour housing", "    The plumber comes.\n\n    Your housing\n"])
def test_what_somebody_wrote_on_a_day_is_history(said: str, below: str) -> None:
    assert own(f"Tuesday suits me.\n\n-- \nAnn Lee\n\n{said}\n\n{below}\n") == "Tuesday suits me.\n\n-- \nAnn Lee"


@pytest.mark.parametrize(
    "rule", ["", "________________________________\n", "-----Original Message-----\n", "  -------- Ursprüngliche Nachricht --------\n"]
)
@pytest.mark.parametrize(
    "head",
    [
        OUTLOOK,
        "*From:* Housing\n*Date:* Monday, 2 March 2026\n*To:* Ann\n*Cc:* Bob\n*Subject:* Leak\n\nThe plumber comes.",
        "Von: Housing\nGesendet: Montag, 2. März 2026 09:30\nAn: Ann\nBetreff: Leck\n\nDer Klempner kommt.\n> Es tropft",
        "De : Housing\nEnvoyé : lundi 2 mars 2026 09:30\nÀ : Ann\nObjet : Fuite\n\nLe plombier vient.",
        "De: Housing\nEnviado: lunes, 2 de marzo de 2026\nPara: Ann\nAsunto: Fuga\n\nViene el fontanero.",
        "Van: Housing\nVerzonden: maandag 2 maart 2026\nAan: Ann\nOnderwerp: Lek\n\nDe loodgieter komt.",
        "Da: Housing\nInviato: lunedì 2 marzo 2026\nA: Ann\nOggetto: Perdita\n\nViene l'idraulico.",
    ],
)
def test_what_stands_below_the_head_that_outlook_puts_is_history(rule: str, head: str) -> None:
    assert own(f"Tuesday suits me.\nAnn\n\n{rule}{head}\n") == "Tuesday suits me.\nAnn"


@pytest.mark.parametrize("said", ["", "Housing <contact@housing.example>:\n", "2026-03-02 9:30 Housing wrote:\n"])
def test_quoted_lines_that_a_mail_ends_with_are_history(said: str) -> None:
    assert own(f"Yes:\ncome.\n\n{said}{QUOTED}\n\n") == "Yes:\ncome."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello, the tap leaks.\n\n-- \nAnn",
        f"{QUOTED}\n\nTuesday suits me.",
        f"On 02/03/2026 09:30, Housing wrote:\n{QUOTED}\n\nTuesday suits me.",
        "Hello\n\n> Does Tuesday suit?\n\nYes.\n\n> At nine?\n\nNo, at ten.",
        "Hello\n\n> Does Tuesday suit?\n\nYes.\n\n> At nine?\n",
        "Hello\n\nOn 02/03/2026 09:30, Housing wrote:\n> Does Tuesday suit?\n\nYes.",
        "Hello\n\nOn 02/03/2026 09:30, Housing wrote:\n\n    Does Tuesday suit?\n\nYes.",
        QUOTED,
        OUTLOOK,
        f"________________________________\n{OUTLOOK}",
        f"{OUTLOOK}\n\n{OUTLOOK}",
        f"-----Original Message-----\n{OUTLOOK}",
        "I met her.\nOn Monday she wrote:\nThe plumber comes.",
        "I met her.\nOn Monday at 10:30 she wrote:\nThe plumber comes.",
        "The letter:\nFrom: Ann\nIt leaks.",
        "Prices:\n-----\nTo: 3\nFrom: 2\n",
        "On the wall.\nOn 02/03/2026 it began:\nwater everywhere",
        "Hello\n\nOn 02/03/2026 09:30, Housing wrote:\n",
    ],
)
def test_what_may_be_the_senders_own_is_kept(text: str) -> None:
    assert own(text) is None


def test_a_reply_that_is_html_alone_is_told_apart_as_well() -> None:
    html = (
        "<div>Tuesday suits me.</div><div class='gmail_quote'><div>On Mon, 2 Mar 2026 at 09:30, Housing "
        "&lt;<a href='mailto:contact@housing.example'>contact@housing.example</a>&gt; wrote:</div>"
        "<blockquote><div>When?</div></blockquote></div>"
    )
    assert own(parse_mail(raw_mail("Content-Type: text/html", html)).text) == "Tuesday suits me."
    assert own(parse_mail(raw_mail("Content-Type: text/html", html + "<p>Or Friday.</p>")).text) is None


@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        "\n>",
        "\nFrom:",
        "\nDe:\nDate",
        "\nOn 1@ wrote:\n>",
        "\n    On 1@ wrote:\n    a",
        "\nOn a\nOn b",
        " ",
        "\nAm schrieb ",
        "\n__________",
        "x\n> ",
    ],
)
def test_hostile_texts_take_no_time(piece: str) -> None:
    text = "x:" + piece * (260_000 // len(piece)) + "\nx"
    before = time.process_time()
    assert own_text_length(text) is None or piece == "\n__________"
    assert time.process_time() - before < 5
