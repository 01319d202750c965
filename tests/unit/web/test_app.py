"""How every API behaves: errors, access, limits, pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from shared.settings import ProcessSettings
from shared.web import Conflict, NotFound, Page, PageRequest, Principal, create_app, page_of, page_request, requires
from shared.web.auth import KeysUnavailable, NotAuthentic, TokenVerifier
from shared.web.permissions import PERMISSIONS, STANDARD_ROLES, Grant, combined, grant_of
from shared.web.tokens import TokenSigner, new_signing_key
from tests.support.web import SIGNER, a_token, a_verifier, bearer, served

Reader = Annotated[Principal, Depends(requires("task:read"))]
Paging = Annotated[PageRequest, Depends(page_request)]


class Body(BaseModel):
    title: str


router = APIRouter()


@router.get("/things/{thing}")
def thing(thing: UUID, principal: Reader) -> dict[str, str]:
    return {"thing": str(thing), "user": principal.user}


@router.post("/things")
def make(body: Body, _principal: Reader) -> dict[str, str]:
    if body.title == "taken":
        raise Conflict("There is one of that title.", title_taken="taken")
    if body.title == "break":
        raise RuntimeError("secret of the house")
    return {"title": body.title}


@router.get("/gone")
def gone(_principal: Reader) -> None:
    raise NotFound


@router.get("/numbers")
def numbers(page: Paging, _principal: Reader) -> Page[int]:
    after = page.keys(1)
    start = after[0] + 1 if after else 0
    return page_of(list(range(start, min(start + page.limit + 1, 7))), page.limit, lambda n: (n,))


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    settings = ProcessSettings(kafka="", database="", port=1)
    app = create_app("things", settings, [router], verifier=a_verifier(), body_limits={"/large": 3_000_000})
    with served(app) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/gone", None, 404),
        ("DELETE", "/gone", None, 405),
        ("GET", "/things/seven", None, 422),
        ("POST", "/things", b"{", 422),
        ("POST", "/things", b"{}", 422),
        ("POST", "/things", json.dumps({"title": "taken"}).encode(), 409),
        ("POST", "/things", json.dumps({"title": "break"}).encode(), 500),
        ("POST", "/things", b"x" * 1_100_000, 413),
        ("GET", "/numbers?cursor=%00", None, 400),
        ("GET", "/numbers?cursor=nonsense", None, 400),
    ],
)
def test_every_error_is_a_problem_document_that_tells_nothing_of_the_inside(
    api: httpx.Client, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = api.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert (content["status"], bool(content["title"]), len(content["trace_id"])) == (status, True, 32)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_body_without_a_length_is_cut_off_too(api: httpx.Client) -> None:
    answer = api.post("/things", content=(b"x" * 100_000 for _ in range(20)))
    assert answer.status_code == 413


def test_the_trace_of_the_caller_goes_on(api: httpx.Client) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert api.get("/gone", headers={"traceparent": parent}).json()["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_only_health_and_metrics_are_public(api: httpx.Client) -> None:
    public = {"/health/live", "/health/ready", "/metrics"}
    for path in [*public, "/openapi.json", "/things/x", "/numbers"]:
        status = api.get(path, headers={"Authorization": ""}).status_code
        assert (status == 200) == (path in public), path
    assert "casestream_web_request_seconds" in api.get("/metrics").text


def test_pages_follow_each_other_to_the_end(api: httpx.Client) -> None:
    seen, cursor = [], None
    while True:
        page = api.get("/numbers", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [0, 1, 2, 3, 4, 5, 6]


def forged() -> list[str]:
    now = datetime.now(UTC)
    claims = {"iss": "casestream", "aud": "casestream", "sub": "rita", "iat": now, "exp": now + timedelta(hours=1), "scope": "task:read"}
    other = TokenSigner(new_signing_key())
    key, kid = SIGNER._key, {"kid": SIGNER.key_id}
    return [
        "x",
        "x.y.z",
        jwt.encode(claims, "", algorithm="none", headers=kid),
        jwt.encode(claims, SIGNER.jwks()["keys"][0]["x"].ljust(40, "x"), algorithm="HS256", headers=kid),
        other.machine_token("m", ["task:read"], now, timedelta(hours=1)),
        jwt.encode(claims, other._key, algorithm="EdDSA", headers=kid),
        jwt.encode(claims | {"exp": now - timedelta(minutes=2)}, key, algorithm="EdDSA", headers=kid),
        jwt.encode(claims | {"aud": "another"}, key, algorithm="EdDSA", headers=kid),
        jwt.encode(claims | {"iss": "another"}, key, algorithm="EdDSA", headers=kid),
        jwt.encode({k: v for k, v in claims.items() if k != "exp"}, key, algorithm="EdDSA", headers=kid),
        jwt.encode(claims | {"sub": 7}, key, algorithm="EdDSA", headers=kid),
        jwt.encode(claims | {"nbf": now + timedelta(hours=1)}, key, algorithm="EdDSA", headers=kid),
    ]


@pytest.mark.parametrize("token", forged())
def test_forged_foreign_and_old_tokens_are_refused(api: httpx.Client, token: str) -> None:
    answer = api.get("/numbers", headers=bearer(token))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert len(token) < 10 or token not in answer.text


def test_a_token_without_the_permission_is_refused_with_its_name(api: httpx.Client) -> None:
    answer = api.get("/numbers", headers=bearer(a_token("rita", "case:read")))
    assert (answer.status_code, "task:read" in answer.json()["detail"]) == (403, True)


def test_a_new_key_is_fetched_but_not_for_every_unknown_one() -> None:
    old, new = TokenSigner(new_signing_key()), TokenSigner(new_signing_key())
    published, fetches, clock = [old], [0], [100.0]

    def keys() -> dict[str, object]:
        fetches[0] += 1
        return {"keys": [key for signer in published for key in signer.jwks()["keys"]]}

    verifier = TokenVerifier(keys, "casestream", lambda: clock[0])
    now = datetime.now(UTC)
    assert verifier.principal(old.machine_token("m", [], now, timedelta(hours=1))).machine
    published.append(new)
    clock[0] += 11
    assert verifier.principal(new.machine_token("n", [], now, timedelta(hours=1))).user == "n"
    assert fetches[0] == 2
    for _ in range(20):
        with pytest.raises(NotAuthentic):
            verifier.principal(TokenSigner(new_signing_key()).machine_token("x", [], now, timedelta(hours=1)))
    assert fetches[0] == 2


def test_known_keys_outlast_an_absent_issuer_and_without_any_nobody_is_judged() -> None:
    signer, away, clock = TokenSigner(new_signing_key()), [True], [100.0]

    def keys() -> dict[str, object]:
        if away[0]:
            raise httpx.ConnectError("away")
        return signer.jwks()

    verifier = TokenVerifier(keys, "casestream", lambda: clock[0])
    token = signer.machine_token("m", [], datetime.now(UTC), timedelta(hours=1))
    with pytest.raises(KeysUnavailable):
        verifier.principal(token)
    away[0] = False
    clock[0] += 2
    verifier.principal(token)
    away[0] = True
    clock[0] += 7200
    other = signer.machine_token(str(uuid4()), [], datetime.now(UTC), timedelta(hours=1))
    assert verifier.principal(other).machine


def test_roles_together_grant_what_any_does_as_far_as_the_widest() -> None:
    both = combined([grant_of("field-worker"), grant_of("own", ["case:assign"], "unit")])
    assert both == Grant(STANDARD_ROLES["field-worker"].permissions | {"case:assign"}, "unit")
    assert combined([]) == Grant(frozenset(), "own")
    assert grant_of("nobody-knows") == Grant(frozenset(), "own")


def test_no_standard_role_can_issue_tokens_and_all_name_permissions_that_there_are() -> None:
    for role in STANDARD_ROLES.values():
        assert role.permissions <= PERMISSIONS.keys()
        assert "tokens:issue" not in role.permissions


def test_an_api_with_a_route_that_names_no_permission_does_not_start() -> None:
    forgotten = APIRouter()

    @forgotten.get("/all-of-it")
    def everything() -> None: ...

    settings = ProcessSettings(kafka="", database="", port=1)
    with pytest.raises(ValueError, match="/all-of-it names no permission"):
        create_app("things", settings, [forgotten], verifier=a_verifier())
