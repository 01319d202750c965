"""Where contacts come in: the accounts that are polled for mail and posts, the telephone lines, and the forms on web pages.

A credential is never part of the configuration: `secret` names a file in the folder of credentials (`CASESTREAM_CREDENTIALS`).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.schemas.events.texts import Code

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=998)]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://[^\s?#]+$", max_length=998)]
MailSender = Annotated[str, StringConstraints(pattern=r"^[^\s@]*@[^\s@]+$", max_length=320)]
"""An address, or `@example.org` for all addresses of that domain."""
Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OAuthClient(_Section):
    """How an access token is had by client credentials (RFC 6749, 4.4). The client's secret is in the account's credential."""

    token_url: HttpsUrl
    client_id: ShortText
    scope: ShortText


class ImapFetch(_Section):
    """A mailbox that is read by IMAP."""

    by: Literal["imap"]
    host: ShortText
    port: Port = 993
    security: Literal["tls", "starttls", "none"] = "tls"
    user: ShortText
    login: Literal["password", "oauth2"] = "password"
    oauth: OAuthClient | None = None
    """Needed for `oauth2`."""
    secret: Code
    folder: ShortText = "INBOX"
    moved_to: ShortText | None = None
    """Folder that mail goes to once it is taken; none: it stays, marked as seen."""


class ExchangeFetch(_Section):
    """A mailbox on Exchange that is read by Exchange web services (on premises; Exchange Online has closed them)."""

    by: Literal["exchange"]
    url: HttpsUrl
    """Of the service, like `https://mail.housing.example/EWS/Exchange.asmx`."""
    user: ShortText
    login: Literal["basic", "ntlm", "oauth2"] = "ntlm"
    oauth: OAuthClient | None = None
    """Needed for `oauth2`."""
    secret: Code
    access: Literal["own", "delegate", "impersonation"] = "own"
    folder: ShortText = "inbox"
    """`inbox`, or the path of a folder from the mailbox's root of messages, with `/` between names."""
    moved_to: ShortText | None = None
    """Folder that mail goes to once it is taken; none: it stays, marked as read."""


class GraphFetch(_Section):
    """A mailbox of Microsoft 365 that is read by Microsoft Graph."""

    by: Literal["graph"]
    tenant: ShortText
    client_id: ShortText
    credential: Literal["secret", "certificate"] = "secret"
    secret: Code
    """Its file holds the client's secret, or the certificate with its key (PEM)."""
    secret_ends: date | None = None
    """When the client's secret ends, for the alarm before; a certificate tells by itself."""
    folder: ShortText = "inbox"
    """A well-known name (`inbox`), or the folder's id."""
    moved_to: ShortText | None = None
    """Folder (well-known name or id) that mail goes to once it is taken; none: it stays, marked as read."""
    endpoint: HttpsUrl = "https://graph.microsoft.com/v1.0"
    authority: HttpsUrl = "https://login.microsoftonline.com"


class MaildirFetch(_Section):
    """A Maildir that programs of the same machine deliver into."""

    by: Literal["maildir"]
    folder: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$", max_length=100)]
    """Its name within the folder of Maildirs (`CASESTREAM_MAILDIRS`)."""


MailFetch = Annotated[ImapFetch | ExchangeFetch | GraphFetch | MaildirFetch, Field(discriminator="by")]


class XAccount(_Section):
    """A handle on X whose mentions are contacts (COM-4)."""

    handle: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,15}$")]
    user_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]
    """X's number of the handle's user."""
    method: Code
    unit: Code | None = None
    secret: Code
    """Its file holds the application's bearer token."""
    reads_per_day: Annotated[int, Field(ge=1)] = 500
    """Most posts that are read, and paid for, in a day (UTC); the rest is read the next day."""
    endpoint: HttpsUrl = "https://api.x.com"


class PhoneLine(_Section):
    """A telephone number whose gateway reports calls and messages by signed webhooks (COM-5)."""

    number: Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{4,14}$")]
    """E.164."""
    gateway: Literal["twilio", "signed"]
    """`twilio`: Twilio's form and signature. `signed`: JSON with an HMAC."""
    calls: Code
    """Communication method of calls and voicemail."""
    messages: Code | None = None
    """Communication method of text messages; none: they are refused."""
    unit: Code | None = None
    secret: Code
    """Its file holds the key that webhooks are signed with."""
    recording_hosts: tuple[ShortText, ...] = ()
    """Hosts that recordings may be fetched from; none: none is fetched."""


class WebForm(_Section):
    """A form that customers write with on the organisation's own web pages (COM-2)."""

    code: Code
    """Its address is `/forms/CODE` at ingest's API."""
    title: ShortText
    intro: Annotated[str, StringConstraints(max_length=2000)] = ""
    """What is said above the fields, as plain text."""
    method: Code
    subjects: tuple[Code, ...] = ()
    """Subjects that are offered to choose from; none: the customer writes a subject line, and routing decides."""
    files: bool = True
    """Whether files may be sent with it."""
    privacy_url: HttpsUrl | None = None
    may_embed: tuple[Annotated[str, StringConstraints(pattern=r"^https://[A-Za-z0-9*.-]+(:[0-9]{1,5})?$", max_length=300)], ...] = ()
    """Origins whose pages may show it in a frame, like `https://www.housing.example`; none: it stands by itself."""
    secret: Code
    """Its file holds the key that the form's tickets are signed with: any long random text."""


class LoopCaps(_Section):
    """How many mails within so many minutes are a loop (EDGE-2); what is above them is kept without effect."""

    minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    openings: Annotated[int, Field(ge=1, le=10_000)] = 100
    """The most mails of one sender that open cases."""
    trusted_openings: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """The same of a trusted robot."""
    joins: Annotated[int, Field(ge=1, le=10_000)] = 60
    """The most mails of one sender, or of robots together, that join one case."""


class Robots(_Section):
    """Which machines' mail opens cases (COM-7), and what is too much of it."""

    trusted: tuple[MailSender, ...] = ()
    """Contractors' portals, alarms: their mail opens cases though it says that no person wrote it. A bounce never does."""
    caps: LoopCaps = LoopCaps()
