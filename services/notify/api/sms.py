"""What Twilio tells of text messages that it took: its signature is what lets it in (NOTE-2)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from services.notify.gateways.sms import NoSecret, NotSigned, secret_in, twilio_report
from services.notify.handlers.text_reports import Report, take_report
from services.notify.settings import SmsSettings
from shared.messaging import EventPublisher
from shared.web import Problem

PATH = "/sms/twilio"
REPORT_BYTES = 16 * 1024


async def raw_body(request: Request) -> bytes:
    """The request's body as it came."""
    return await request.body()


def sms_router(publisher: EventPublisher, settings: SmsSettings) -> APIRouter:
    """`POST /sms/twilio`."""
    router = APIRouter(tags=["text messages"])

    @router.post(
        PATH,
        status_code=204,
        summary="Take what became of a text message, from Twilio; repeating it is safe.",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/x-www-form-urlencoded": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    def twilio(delivery: UUID, request: Request, body: Annotated[bytes, Depends(raw_body)]) -> Response:
        if not settings.sms_status_url:
            raise Problem(503, "CASESTREAM_SMS_STATUS_URL is not set, so that no signature of Twilio can be checked.")
        query: bytes = request.scope["query_string"]
        url = f"{settings.sms_status_url}?{query.decode('latin-1')}"
        try:
            key = secret_in(settings.sms_secret_file)
            reported = twilio_report(url, body, request.headers.get("x-twilio-signature", ""), key)
        except NoSecret as error:
            raise Problem(503, "The secret of Twilio's account cannot be read here.") from error
        except NotSigned as error:
            raise Problem(403, f"{error}.") from error
        if reported.is_lost:
            take_report(publisher, Report(delivery, reported.status, reported.is_dead))
        return Response(status_code=204)

    return router
