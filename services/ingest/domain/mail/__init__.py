"""Reading raw mail (RFC 5322, MIME): `parse_mail` takes any bytes and never raises.

Owns what a mail says: addresses, subject, ids, date, readable text, files, whether a machine sent it, and the digest
by which two deliveries of it are recognised. Does not own where a mail came from, where its files are stored, to whom
it belongs or what it leads to. No input, output, clock or log: what is read holds personal data.
"""

from services.ingest.domain.mail.charsets import clean_text
from services.ingest.domain.mail.filenames import clean_filename
from services.ingest.domain.mail.identity import content_digest
from services.ingest.domain.mail.model import Attachment, Bounce, ParsedMail, Robot, Undelivered
from services.ingest.domain.mail.parse import parse_mail, passed_on, to_json
from services.ingest.domain.mail.quoting import own_text_length
from services.ingest.domain.mail.sanitise import SafeHtml, safe_html

__all__ = [
    "Attachment",
    "Bounce",
    "ParsedMail",
    "Robot",
    "SafeHtml",
    "Undelivered",
    "clean_filename",
    "clean_text",
    "content_digest",
    "own_text_length",
    "parse_mail",
    "passed_on",
    "safe_html",
    "to_json",
]
