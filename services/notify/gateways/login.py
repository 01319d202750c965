"""Logging in at the relay: with a password, or with an access token (OAuth 2.0)."""

from __future__ import annotations

import smtplib
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Protocol

from services.notify.gateways.tokens import AccessTokens


class Login(Protocol):
    """Makes us known on a connection that has been greeted."""

    def log_in(self, smtp: smtplib.SMTP) -> None:
        """Log in. Raises `smtplib.SMTPException` and `OSError`: without it nothing is sent."""


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """By the first of CRAM-MD5, PLAIN and LOGIN that the server has."""

    user: str
    password: str = field(repr=False)

    def log_in(self, smtp: smtplib.SMTP) -> None:
        """Log in."""
        smtp.login(self.user, self.password)


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """By XOAUTH2, as Google and Microsoft have it, or by OAUTHBEARER (RFC 7628) where the server has only that."""

    user: str
    tokens: AccessTokens

    def log_in(self, smtp: smtplib.SMTP) -> None:
        """Log in; a token that is refused is asked for anew, once: it may have been withdrawn before its time."""
        offered = smtp.esmtp_features.get("auth", "").upper().split()
        mechanism = next((one for one in ("XOAUTH2", "OAUTHBEARER") if one in offered), None)
        if mechanism is None:
            raise smtplib.SMTPNotSupportedError("the mail relay takes no access tokens (neither XOAUTH2 nor OAUTHBEARER)")
        token = self.tokens.get()
        code, text = self._shown(smtp, mechanism, token)
        if code != 235:
            self.tokens.forget(token)
            code, text = self._shown(smtp, mechanism, self.tokens.get())
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, text)

    def _shown(self, smtp: smtplib.SMTP, mechanism: str, token: str) -> tuple[int, bytes]:
        """The server's answer to the token."""
        if mechanism == "XOAUTH2":
            response, acknowledgement = f"user={self.user}\x01auth=Bearer {token}\x01\x01", ""
        else:
            name = self.user.replace("=", "=3D").replace(",", "=2C")
            response, acknowledgement = f"n,a={name},\x01auth=Bearer {token}\x01\x01", "AQ=="
        code, text = smtp.docmd("AUTH", f"{mechanism} {b64encode(response.encode()).decode()}")
        if code == 334:
            # Why it was refused, in JSON; the refusal itself comes when we have taken note.
            code, text = smtp.docmd(acknowledgement)
        return code, text
