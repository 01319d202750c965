"""The HTTP API of ingest: raw mails, contact events and webhooks of telephone gateways in, counts, dead letters (role `api`)."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel

from services.ingest.domain.accounts import NoAccounts, UnknownAccount
from services.ingest.domain.digest import BadDigest, decode
from services.ingest.domain.phone import BadPhoneEvent
from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.phone import NotSigned, from_signed, from_twilio
from services.ingest.gateways.source import GatewayError
from services.ingest.handlers.contacts import ContactIntake, ContactRefused
from services.ingest.handlers.mails import MailIntake
from services.ingest.handlers.phone import PhoneIntake, PhoneRefused, Webhook
from services.ingest.settings import ApiSettings
from shared.clock import Clock, utc_now
from shared.messaging import Reference, ReferenceData
from shared.messaging.direct import DirectPublisher, NotAcknowledged
from shared.observability import configure_logging, get_logger
from shared.schemas.configuration.channels import PhoneLine
from shared.schemas.events import ContactEvent
from shared.storage import Database, dead_letters
from shared.storage.objects import ObjectStore, StoreUnavailable
from shared.web import NotFound, Principal, Problem, TokenVerifier, Unprocessable, create_app, dead_letters_router, requires, serve

log = get_logger(__name__)

MAIL_TYPE = "message/rfc822"
DIGEST_TYPE = "multipart/digest"
ACCEPT_MAIL = {
    "requestBody": {
        "required": True,
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in (MAIL_TYPE, DIGEST_TYPE)},
    }
}
FORM_TYPE = "application/x-www-form-urlencoded"
WEBHOOK_BYTES = 64 * 1024
_AGAIN = {"Retry-After": "2"}


class Taken(BaseModel):
    """A communication that was taken in, or had been before."""

    id: UUID


class TakenMails(BaseModel):
    """The communications of the mails, in their order."""

    communications: list[Taken]


class Counts(BaseModel):
    """How much there is."""

    dead_letters: int


async def raw_body(request: Request) -> bytes:
    """The request's body as it came."""
    return await request.body()


def intake_router(
    mails: MailIntake, contacts: ContactIntake, reference: ReferenceData, most_mails: int, clock: Clock = utc_now
) -> APIRouter:
    """`POST /mail` and `POST /contacts`."""

    router = APIRouter(tags=["intake"], dependencies=[Depends(_configured(reference))])

    @router.post(
        "/mail",
        status_code=202,
        response_model=TakenMails,
        openapi_extra=ACCEPT_MAIL,
        summary="Take raw emails: one, or several as a multipart/digest. All are taken, or none; repeating them is safe.",
    )
    def deliver(
        _principal: Annotated[Principal, Depends(requires("communication:deliver"))],
        request: Request,
        body: Annotated[bytes, Depends(raw_body)],
        account: Annotated[
            str | None, Query(max_length=998, description="The nominated account that received them; without it the mails themselves tell.")
        ] = None,
    ) -> Response:
        raws = _mails_in(request.headers.get("content-type", ""), body, most_mails)
        with _as_problems():
            taken = mails.deliver_mails(raws, account, clock())
        # `TakenMails` as it is: FastAPI would make and check a model for each of hundreds of ids.
        return Response(orjson.dumps({"communications": [{"id": id} for id in taken]}), 202, media_type="application/json")

    @router.post(
        "/contacts", status_code=202, summary="Take another system's word of a contact; one with the same external id is the same contact."
    )
    def report(contact: ContactEvent, _principal: Annotated[Principal, Depends(requires("contact-event:write"))]) -> Taken:
        with _as_problems():
            return Taken(id=contacts.take(contact, clock()))

    return router


def phone_router(phone: PhoneIntake, reference: ReferenceData, credentials: Credentials, public_url: str, clock: Clock) -> APIRouter:
    """Webhooks of telephone gateways (COM-5): their signature is what lets them in. `public_url`: where Twilio finds this API."""
    router = APIRouter(tags=["telephone"], dependencies=[Depends(_configured(reference))])

    def line_of(number: str, gateway: str) -> PhoneLine:
        for line in reference.configuration(reference.version).phone_lines:
            if (line.number, line.gateway) == (number, gateway):
                return line
        raise NotFound("The configuration has no such line (phone_lines) with such a gateway.")

    @router.post("/phone/{number}/twilio", openapi_extra=_body_of(FORM_TYPE), summary="Take a webhook of Twilio; repeating it is safe.")
    def twilio(number: str, request: Request, body: Annotated[bytes, Depends(raw_body)]) -> Response:
        line = line_of(number, "twilio")
        if not public_url:
            raise Problem(503, "CASESTREAM_PUBLIC_URL is not set, so that no signature of Twilio can be checked.", headers=_AGAIN)
        signature = request.headers.get("x-twilio-signature", "")
        with _as_problems():
            event = from_twilio(public_url.rstrip("/") + _asked_for(request), body, signature, credentials.read(line.secret), number)
            if event is not None:
                phone.take(event, line, Webhook(body, "twilio.txt", FORM_TYPE), clock())
        # TwiML that asks for nothing: Twilio would take any other answer for a mistake.
        return Response("<Response/>", media_type="text/xml")

    @router.post(
        "/phone/{number}/events",
        status_code=202,
        openapi_extra=_body_of("application/json"),
        summary="Take a signed webhook of a telephone gateway; repeating it is safe.",
    )
    def events(number: str, request: Request, body: Annotated[bytes, Depends(raw_body)]) -> Taken:
        line = line_of(number, "signed")
        now = clock()
        signed = (request.headers.get("casestream-timestamp", ""), body, request.headers.get("casestream-signature", ""))
        with _as_problems():
            event = from_signed(*signed, credentials.read(line.secret), now)
            return Taken(id=phone.take(event, line, Webhook(body, "call.json", "application/json"), now))

    return router


def operating_router(database: Database) -> APIRouter:
    """`GET /counts`."""
    router = APIRouter(tags=["operation"])

    @router.get("/counts", summary="How many dead letters there are.")
    def counts(_principal: Annotated[Principal, Depends(requires("status:read"))]) -> Counts:
        with database.read() as tx:
            return Counts(dead_letters=dead_letters.count_open(tx))

    return router


def build(
    settings: ApiSettings,
    database: Database,
    reference: ReferenceData,
    publisher: DirectPublisher,
    objects: ObjectStore,
    *,
    verifier: TokenVerifier | None = None,
    clock: Clock = utc_now,
) -> FastAPI:
    """The whole API."""
    mails = MailIntake(reference, objects, publisher)
    contacts = ContactIntake(reference, objects, publisher, settings.phone_region)
    phone = PhoneIntake(
        reference, objects, publisher, settings.phone_region, private_hosts=settings.private_hosts, ca_file=settings.phone_ca_file
    )
    return create_app(
        "ingest",
        settings,
        [
            intake_router(mails, contacts, reference, settings.mail_request_mails, clock),
            operating_router(database),
            dead_letters_router("ingest", database),
        ],
        ready=lambda: [] if reference.version else ["waiting for the configuration and directory topics"],
        facts=lambda: {"config_version": reference.version},
        # A contact's text may have a million characters, each of up to six bytes in JSON.
        body_limits={"/mail": settings.mail_request_bytes, "/contacts": 8 * 1024 * 1024, "/phone/": WEBHOOK_BYTES},
        public=[phone_router(phone, reference, Credentials(settings.credentials), settings.public_url, clock)],
        verifier=verifier,
    )


def run(settings: ApiSettings) -> None:
    """Serve until told to stop."""
    configure_logging("ingest", "api", settings.log_level)
    objects = ObjectStore(settings.objects)
    database = Database(settings.database, pool_size=2, service="ingest")
    reference = Reference(settings.kafka, settings.topic_prefix)
    publisher = DirectPublisher(settings.kafka, settings.topic_prefix, settings.acknowledge_seconds)
    stop = threading.Event()
    # Health has to answer while the configuration is still awaited.
    starting = threading.Thread(target=reference.start, args=(stop,), name="reference-start", daemon=True)
    try:
        starting.start()
        serve(build(settings, database, reference, publisher, objects), settings)
    finally:
        stop.set()
        starting.join()
        publisher.close()
        reference.close()
        database.close()


def _mails_in(content_type: str, body: bytes, most: int) -> list[bytes]:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MAIL_TYPE:
        return [body]
    if media_type != DIGEST_TYPE:
        raise Problem(
            415, f"Send one mail as {MAIL_TYPE}, or several as {DIGEST_TYPE}.", headers={"Accept-Post": f"{MAIL_TYPE}, {DIGEST_TYPE}"}
        )
    try:
        raws = decode(content_type, body, most)
    except BadDigest as error:
        raise Problem(400, f"This is no digest of mails: {error}.") from error
    if len(raws) > most:
        raise Problem(413, f"More than {most} mails in one delivery; send them in several.")
    return raws


def _configured(reference: ReferenceData) -> Callable[[], Awaitable[None]]:
    # A coroutine so that it runs at once: a change of thread costs more than it does.
    async def configured() -> None:
        if not reference.version:
            raise Problem(503, "There is no configuration yet; try again shortly.", headers=_AGAIN)

    return configured


def _body_of(media_type: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


def _asked_for(request: Request) -> str:
    """Path and query as they were sent: decoding would lose how a sign was spelled, and signatures cover that."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


@contextmanager
def _as_problems() -> Iterator[None]:
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
        wait = _AGAIN if error.retry_after is None else {"Retry-After": str(int(min(error.retry_after, 3600)))}
        raise Problem(503, "What is needed to take this is away just now; send it again.", headers=wait) from error
    except NotAcknowledged as error:
        raise Problem(503, "Kafka did not acknowledge in time, so nothing counts as taken; send it again.", headers=_AGAIN) from error
    except StoreUnavailable as error:
        raise Problem(503, "The object store is away, so nothing was taken; send it again.", headers=_AGAIN) from error
