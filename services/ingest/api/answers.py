"""What the routes that take something in answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from pydantic import BaseModel

from services.ingest.domain.accounts import NoAccounts, UnknownAccount
from services.ingest.handlers.contacts import ContactRefused
from shared.messaging.direct import NotAcknowledged
from shared.storage.objects import StoreUnavailable
from shared.web import Problem, Unprocessable

AGAIN = {"Retry-After": "2"}


class Taken(BaseModel):
    """A communication that was taken in, or had been before."""

    id: UUID


@contextmanager
def as_problems() -> Iterator[None]:
    """Turns the intakes' refusals into problems."""
    try:
        yield
    except UnknownAccount as error:
        raise Unprocessable("The account is not nominated in the configuration (mail_accounts).", account=str(error)) from error
    except NoAccounts as error:
        raise Unprocessable("The configuration nominates no mail account (mail_accounts), so mail cannot arrive.") from error
    except ContactRefused as error:
        raise Unprocessable(f"The contact is refused: {error}.") from error
    except NotAcknowledged as error:
        raise Problem(503, "Kafka did not acknowledge in time, so nothing counts as taken; send it again.", headers=AGAIN) from error
    except StoreUnavailable as error:
        raise Problem(503, "The object store is away, so nothing was taken; send it again.", headers=AGAIN) from error
