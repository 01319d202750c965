"""Which nominated account a mail reached (COM-3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.ingest.domain.mail import ParsedMail


class UnknownAccount(Exception):
    """The account is not nominated in the configuration; the text is its address."""


class NoAccounts(Exception):
    """The configuration nominates no account, so mail has nowhere to arrive."""


@dataclass(frozen=True, slots=True)
class Account:
    """A nominated account: its address and the code of its communication method. An empty address: which one is not known."""

    address: str
    method: str


class Accounts:
    """The nominated accounts of one configuration."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._by_address = {account.address.strip().casefold(): account for account in reversed(accounts)}
        self._place = {account.address: place for place, account in reversed(list(enumerate(accounts)))}
        self._fallback = _fallback(accounts)

    def named(self, address: str) -> Account:
        """The account with this address, however its letters are cased, or of which it is a subaddress (RFC 5233): `contact+tag@...`.

        Raises `UnknownAccount`.
        """
        wanted = address.strip().casefold()
        found = self._by_address.get(wanted) or self._by_address.get(_without_detail(wanted))
        if found is None:
            raise UnknownAccount(address)
        return found

    def is_one(self, address: str) -> bool:
        """Whether this is the address of a nominated account, or a subaddress of one."""
        wanted = address.strip().casefold()
        return wanted in self._by_address or _without_detail(wanted) in self._by_address

    def first_named(self, addresses: Iterable[str]) -> Account:
        """Of the accounts with these addresses the one that the configuration lists first: it gets a mail that was sent to several.

        Addresses that are not nominated are passed over. Raises `UnknownAccount` when none is.
        """
        unknown = ""
        found: list[Account] = []
        for address in addresses:
            try:
                found.append(self.named(address))
            except UnknownAccount:
                unknown = address
        if not found:
            raise UnknownAccount(unknown)
        return min(found, key=lambda account: self._place[account.address])

    def first_reached(self, named: Account, mail: ParsedMail) -> Account:
        """Of `named`, which received `mail`, and the accounts that `mail` itself names, the one that the configuration lists first.

        A mail to several accounts lies in the mailbox of each; so it is the same account's, whichever of them is read first.
        """
        found = [self._by_address.get(address.casefold()) for address in _addresses(mail)] if len(self._place) > 1 else []
        return min([named, *(account for account in found if account is not None)], key=lambda account: self._place[account.address])

    def reached(self, mail: ParsedMail) -> Account:
        """The account that `mail` reached, when whoever delivers it does not say. Raises `NoAccounts`.

        The first nominated one among the addresses of the envelope, To and Cc. Where none of these is nominated (a blind copy, a list)
        it is the only account when there is only one. With several it stays unknown (an empty address): no routing rule for an account
        applies, and the method is the one that most accounts share, as the mail came by one of them. It is never refused for that.
        """
        for address in _addresses(mail):
            found = self._by_address.get(address.casefold())
            if found is not None:
                return found
        if self._fallback is None:
            raise NoAccounts
        return self._fallback


def _without_detail(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _addresses(mail: ParsedMail) -> Iterator[str]:
    yield from mail.delivered_to
    yield from mail.to
    yield from mail.cc


def _fallback(accounts: Sequence[Account]) -> Account | None:
    if len(accounts) < 2:
        return accounts[0] if accounts else None
    # Among equals the one that the configuration names first: Counter keeps that order.
    method, _ = Counter(account.method for account in accounts).most_common(1)[0]
    return Account("", method)
