"""Every setting of ingest, from `CASESTREAM_*` environment variables."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from shared.settings import ObjectSettings

CONTACT_JSON_BYTES = 8 * 1024 * 1024
"""Longest JSON of a contact: its text may have a million characters, each of up to six bytes in JSON."""
_FORM_BYTES = 1024 * 1024
"""What a form adds to its contents: boundaries, and the header fields of its parts."""


class Settings(ObjectSettings):
    """Settings of every role."""

    phone_region: str = Field(
        default="GB", pattern="^[A-Z]{2}$", description="Country (ISO 3166) of phone numbers that come without an international prefix."
    )
    mail_request_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, description="Longest body of one delivery over HTTP.")
    mail_request_mails: int = Field(default=500, ge=1, description="Most mails in one delivery over HTTP.")
    contact_files: int = Field(default=20, ge=1, le=30, description="Most files of one contact.")
    contact_file_bytes: int = Field(default=25 * 1024 * 1024, ge=1, description="Longest file of a contact.")
    contact_files_bytes: int = Field(default=60 * 1024 * 1024, ge=1, description="Longest the files of a contact may be together.")
    contact_held_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1,
        validate_default=True,
        description="Most bytes of contacts that are held in memory at once; beyond, their senders are asked (503) to come back.",
    )
    acknowledge_seconds: float = Field(
        default=10.0,
        gt=0,
        description="How long Kafka may take to acknowledge before a delivery is refused (503) for its sender to repeat.",
    )
    credentials: str = Field(default="", description="Folder with a file for each credential that the configuration names (`secret`).")

    @field_validator("contact_held_bytes")
    @classmethod
    def _holds_the_longest_contact(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("contact_files_bytes", 0) + CONTACT_JSON_BYTES + _FORM_BYTES:
            raise ValueError("less than the longest contact with its files, which could then never be taken")
        return value

    @property
    def contact_bytes(self) -> int:
        """Longest body of a contact, with its files."""
        return self.contact_files_bytes + CONTACT_JSON_BYTES + _FORM_BYTES


class ApiSettings(Settings):
    """Settings of the role `api`."""

    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="Where Twilio finds this API, as in the addresses that it is given; its signatures cover them.",
    )
    form_per_hour: int = Field(default=20, ge=1, description="Most web forms that are taken from one address in an hour, by each replica.")
    phone_private_hosts: str = Field(
        default="", description="Hosts of `recording_hosts` that may be in our own network, with commas between; others must not."
    )
    phone_ca_file: str = Field(default="", description="Certificates (PEM) of private authorities that those hosts may have theirs from.")

    @property
    def private_hosts(self) -> frozenset[str]:
        """Hosts that recordings may be fetched from although they are in our own network."""
        return frozenset(part.strip() for part in self.phone_private_hosts.split(",") if part.strip())


class PollSettings(Settings):
    """Settings of the role `poll`."""

    maildirs: str = Field(default="", description="Folder of the Maildirs that the configuration names (`fetch: {by: maildir}`).")
    poll_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="How long a channel that tells nothing by itself is left alone when it has been read."
    )
    poll_lease_seconds: float = Field(
        default=10.0, ge=2, le=300, description="How long after a poller has died another takes its channels over."
    )
    poll_timeout_seconds: float = Field(default=30.0, gt=0, le=300, description="Longest wait for an answer of a channel.")
    poll_ca_file: str = Field(default="", description="Certificates (PEM) of private authorities that channels may have theirs from.")


class ReceiveSettings(Settings):
    """Settings of the role `receive`."""

    receive_protocol: Literal["lmtp", "smtp"] = Field(default="lmtp", description="What the organisation's mail server speaks to us.")
    receive_host: str = Field(default="127.0.0.1", description="Address that mail is received on; empty: all of this machine's.")
    receive_port: int = Field(default=2524, ge=0, le=65535, description="Port that mail is received on.")
    receive_name: str = Field(default="localhost", pattern=r"^[!-~]{1,255}$", description="Name by which mail servers are greeted.")
    receive_from: str = Field(
        default="127.0.0.0/8,::1/128", description="Networks that mail is taken from, in CIDR notation with commas between."
    )
    receive_mail_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, description="Longest mail that is received (announced as SIZE).")
    receive_held_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=1024,
        validate_default=True,
        description="Most bytes of mails that are held in memory at once; beyond, mail servers are asked to send again later.",
    )
    receive_recipients: int = Field(default=100, ge=1, description="Most recipients of one mail.")
    receive_connections: int = Field(default=64, ge=1, description="Most connections of mail servers at once.")
    receive_threads: int = Field(default=2, ge=1, le=32, description="Deliveries that are worked on side by side.")
    receive_timeout_seconds: float = Field(default=300.0, gt=0, description="How long a mail server may keep silent.")
    receive_tls_cert_file: Path | None = Field(
        default=None, description="Certificate chain (PEM) for STARTTLS, read again when it changes; none: STARTTLS is not offered."
    )
    receive_tls_key_file: Path | None = Field(default=None, validate_default=True, description="The certificate's private key (PEM).")

    @field_validator("receive_from")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        _networks(value)
        return value

    @field_validator("receive_held_bytes")
    @classmethod
    def _holds_the_longest(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("receive_mail_bytes", 0):
            raise ValueError("less than the longest mail, which could then never be received")
        return value

    @field_validator("receive_tls_key_file")
    @classmethod
    def _goes_with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) != (info.data.get("receive_tls_cert_file") is None):
            raise ValueError("a certificate and its key go together")
        return value

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks that mail is taken from."""
        return _networks(self.receive_from)

    @property
    def tls_files(self) -> tuple[Path, Path] | None:
        """Certificate and key for STARTTLS."""
        if self.receive_tls_cert_file is None or self.receive_tls_key_file is None:
            return None
        return self.receive_tls_cert_file, self.receive_tls_key_file


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Raises ValueError."""
    networks = tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    if not networks:
        raise ValueError("no network: no mail could be received")
    return networks
