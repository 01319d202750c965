"""The HTTP API of ingest: raw mails, contact events, web forms and webhooks of telephone gateways in, counts, dead letters (role `api`)."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel

from services.ingest.api.answers import Taken, as_problems, configured, raw_body
from services.ingest.api.contacts import contacts_router
from services.ingest.api.mail_html import mail_html_router
from services.ingest.api.phone import WEBHOOK_BYTES, phone_router
from services.ingest.api.web_forms import web_forms_router
from services.ingest.domain.digest import BadDigest, decode
from services.ingest.gateways.credentials import Credentials
from services.ingest.handlers.contacts import ContactIntake
from services.ingest.handlers.mails import MailIntake
from services.ingest.handlers.phone import PhoneIntake
from services.ingest.settings import ApiSettings, Settings
from shared.clock import Clock, utc_now
from shared.messaging import ReferenceData
from shared.messaging.direct import DirectPublisher
from shared.observability import configure_logging
from shared.processes import following
from shared.storage import Database, dead_letters
from shared.storage.objects import ObjectStore, open_store
from shared.web import Principal, Problem, TokenVerifier, create_app, dead_letters_router, requires, serve

MAIL_TYPE = "message/rfc822"
DIGEST_TYPE = "multipart/digest"
ACCEPT_MAIL = {
    "requestBody": {
        "required": True,
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in (MAIL_TYPE, DIGEST_TYPE)},
    }
}


class TakenMails(BaseModel):
    """The communications of the mails, in their order."""

    communications: list[Taken]


class Counts(BaseModel):
    """How much there is."""

    dead_letters: int


def intake_router(
    mails: MailIntake, contacts: ContactIntake, reference: ReferenceData, settings: Settings, clock: Clock = utc_now
) -> APIRouter:
    """`POST /mail`, `POST /contacts` and `POST /contacts/by-hand`."""

    router = APIRouter(tags=["intake"], dependencies=[Depends(configured(reference))])

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
        old: Annotated[
            bool, Query(description="They are from before our time: they become history, open no case, and nobody is told.")
        ] = False,
    ) -> Response:
        raws = _mails_in(request.headers.get("content-type", ""), body, settings.mail_request_mails)
        with as_problems():
            taken = mails.deliver_mails(raws, account, clock(), old=old)
        # `TakenMails` as it is: FastAPI would make and check a model for each of hundreds of ids.
        return Response(orjson.dumps({"communications": [{"id": id} for id in taken]}), 202, media_type="application/json")

    router.include_router(contacts_router(contacts, settings, clock))
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
    credentials = Credentials(settings.credentials)
    return create_app(
        "ingest",
        settings,
        [
            intake_router(mails, contacts, reference, settings, clock),
            mail_html_router(objects, settings.mail_request_bytes),
            operating_router(database),
            dead_letters_router("ingest", database),
        ],
        ready=lambda: objects.problems() + ([] if reference.version else ["waiting for the configuration and directory topics"]),
        facts=lambda: {"config_version": reference.version},
        body_limits={
            "/mail": settings.mail_request_bytes,
            "/contacts": settings.contact_bytes,
            "/contacts/by-hand": settings.contact_bytes,
            "/phone/": WEBHOOK_BYTES,
            "/forms/": settings.contact_bytes,
        },
        public=[
            phone_router(phone, reference, credentials, settings.public_url, clock),
            web_forms_router(contacts, reference, credentials, settings, clock),
        ],
        verifier=verifier,
    )


def run(settings: ApiSettings) -> None:
    """Serve until told to stop."""
    configure_logging("ingest", "api", settings.log_level)
    objects = open_store(settings)
    database = Database(settings.database, pool_size=2, service="ingest")
    publisher = DirectPublisher(settings.kafka, settings.topic_prefix, settings.acknowledge_seconds)
    try:
        with following(settings) as reference:
            serve(build(settings, database, reference, publisher, objects), settings)
    finally:
        publisher.close()
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
