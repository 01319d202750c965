"""What the routes that take something in answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel

from services.ingest.domain.accounts import NoAccounts, UnknownAccount
from services.ingest.domain.phone import BadPhoneEvent
from services.ingest.gateways.phone import NotSigned
from services.ingest.gateways.source import GatewayError
from services.ingest.handlers.contacts import ContactRefused
from services.ingest.handlers.phone import PhoneRefused
from shared.messaging import ReferenceData
from shared.messaging.direct import NotAcknowledged
from shared.observability import get_logger
from shared.storage.objects import StoreUnavailable
from shared.web import Problem, Unprocessable

log = get_logger(__name__)

AGAIN = {"Retry-After": "2"}


class Taken(BaseModel):
    """A communication that was taken in, or had been before."""

    id: UUID


async def raw_body(request: Request) -> bytes:
    """The request's body as it came."""
    return await request.body()


def configured(reference: ReferenceData) -> Callable[[], Awaitable[None]]:
    """A dependency of routes that need a configuration."""

    # A coroutine so that it runs at once: a change of thread costs more than it does.
    async def check() -> None:
        if not reference.version:
            raise Problem(503, "There is no configuration yet; try again shortly.", headers=AGAIN)

    return check


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
    except NotSigned as error:
        raise Problem(401, f"The webhook is not signed as it must be: {error}.", headers={"WWW-Authenticate": "Signature"}) from error
    except (BadPhoneEvent, PhoneRefused) as error:
        raise Unprocessable(f"The event is refused: {error}.") from error
    except GatewayError as error:
        log.warning("webhook put off", reason=error.reason, error=str(error))
        wait = AGAIN if error.retry_after is None else {"Retry-After": str(int(min(error.retry_after, 3600)))}
        raise Problem(503, "What is needed to take this is away just now; send it again.", headers=wait) from error
    except NotAcknowledged as error:
        raise Problem(503, "Kafka did not acknowledge in time, so nothing counts as taken; send it again.", headers=AGAIN) from error
    except StoreUnavailable as error:
        raise Problem(503, "The object store is away, so nothing was taken; send it again.", headers=AGAIN) from error
