"""Webhooks of telephone gateways (COM-5): their signature is what lets them in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.ingest.api.answers import AGAIN, Taken, as_problems, configured, raw_body
from services.ingest.gateways.credentials import Credentials
from services.ingest.gateways.phone import from_signed, from_twilio
from services.ingest.handlers.phone import PhoneIntake, Webhook
from shared.clock import Clock
from shared.messaging import ReferenceData
from shared.schemas.configuration.channels import PhoneLine
from shared.web import NotFound, Problem

FORM_TYPE = "application/x-www-form-urlencoded"
WEBHOOK_BYTES = 64 * 1024


def phone_router(phone: PhoneIntake, reference: ReferenceData, credentials: Credentials, public_url: str, clock: Clock) -> APIRouter:
    """`POST /phone/{number}/twilio` and `/events`. `public_url`: where Twilio finds this API."""
    router = APIRouter(tags=["telephone"], dependencies=[Depends(configured(reference))])

    def line_of(number: str, gateway: str) -> PhoneLine:
        for line in reference.configuration(reference.version).phone_lines:
            if (line.number, line.gateway) == (number, gateway):
                return line
        raise NotFound("The configuration has no such line (phone_lines) with such a gateway.")

    @router.post("/phone/{number}/twilio", openapi_extra=_body_of(FORM_TYPE), summary="Take a webhook of Twilio; repeating it is safe.")
    def twilio(number: str, request: Request, body: Annotated[bytes, Depends(raw_body)]) -> Response:
        line = line_of(number, "twilio")
        if not public_url:
            raise Problem(503, "CASESTREAM_PUBLIC_URL is not set, so that no signature of Twilio can be checked.", headers=AGAIN)
        signature = request.headers.get("x-twilio-signature", "")
        with as_problems():
            key = credentials.read(line.secret)
            event = from_twilio(public_url.rstrip("/") + _asked_for(request), body, signature, key, number)
            if event is not None:
                phone.take(event, line, Webhook(body, "twilio.txt", FORM_TYPE, key), clock())
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
        with as_problems():
            event = from_signed(*signed, credentials.read(line.secret), now)
            return Taken(id=phone.take(event, line, Webhook(body, "call.json", "application/json"), now))

    return router


def _body_of(media_type: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


def _asked_for(request: Request) -> str:
    """Path and query as they were sent: decoding would lose how a sign was spelled, and signatures cover that."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")
