"""Signing in, tokens and their limits, at a real desk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import jwt
import pytest

from services.desk.api import Desk, desk_app
from services.desk.handlers.configuration import apply_configuration
from services.desk.handlers.passwords import hash_password
from shared.web import TokenVerifier
from shared.web.auth import keys_at
from tests.service.desk.conftest import machine
from tests.support.configuration import USERS
from tests.support.desk import PASSWORD, a_configuration_text
from tests.support.web import served


def prepared(desk: Desk, text: str = "") -> Desk:
    apply_configuration(desk.publisher, text or a_configuration_text(), "test", uuid4(), datetime.now(UTC))
    return desk


def test_log_in_gives_a_token_that_other_services_accept(client: httpx.Client, desk: Desk) -> None:
    prepared(desk)
    answer = client.post("/login", json={"user": "Lena", "password": PASSWORD})
    assert answer.status_code == 200
    verifier = TokenVerifier(keys_at(f"{client.base_url}/.well-known/jwks.json"), "casestream")
    lena = verifier.principal(answer.json()["access_token"])
    assert (lena.user, lena.unit, lena.scope, lena.machine) == ("lena", "repairs", "unit", False)
    assert lena.may("task:assign")
    assert not lena.may("configuration:apply")


@pytest.mark.parametrize(("user", "password"), [("rita", "wrong"), ("nobody", PASSWORD), ("rita", ""), ("ríta", "x" * 200)])
def test_wrong_log_in_is_refused_alike(client: httpx.Client, desk: Desk, user: str, password: str) -> None:
    prepared(desk)
    answer = client.post("/login", json={"user": user, "password": password})
    assert (answer.status_code, answer.json()["detail"]) == (401, "User and password do not belong together.")


def test_guessing_is_slowed_down_for_right_and_wrong_passwords_alike(client: httpx.Client, desk: Desk) -> None:
    prepared(desk)
    for _ in range(5):
        assert client.post("/login", json={"user": "rita", "password": "wrong"}).status_code == 401
    answer = client.post("/login", json={"user": "rita", "password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 16
    assert client.post("/login", json={"user": "lena", "password": PASSWORD}).status_code == 200


def test_a_machine_gets_a_token_for_a_user_only_with_the_scope(client: httpx.Client, desk: Desk) -> None:
    prepared(desk)
    answer = client.post("/tokens", json={"user": "max"}, headers=machine(desk, "tokens:issue"))
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["rows"], "task:read" in claims["scope"].split()) == ("max", "all", True)
    assert client.post("/tokens", json={"user": "max"}, headers=machine(desk, "status:read")).status_code == 403
    assert client.post("/tokens", json={"user": "nobody"}, headers=machine(desk, "tokens:issue")).status_code == 422
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert client.post("/tokens", json={"user": "lena"}, headers=headers).status_code == 403


def test_a_changed_password_is_not_set_back_by_the_same_configuration(client: httpx.Client, desk: Desk) -> None:
    from services.desk.storage import directory

    hashed = hash_password(PASSWORD)
    users = [user | {"password_hash": hashed} for user in USERS]
    prepared(desk, a_configuration_text(users=users))
    with desk.database.transaction() as tx:
        directory.set_password_hash(tx, "rita", hash_password("my own now"))
    prepared(desk, "# again\n" + a_configuration_text(users=users))
    assert client.post("/login", json={"user": "rita", "password": "my own now"}).status_code == 200


def test_who_is_inactive_gets_no_token(client: httpx.Client, desk: Desk) -> None:
    prepared(desk)
    gone = [user | ({"active": False} if user["user"] == "rita" else {}) for user in USERS]
    prepared(desk, a_configuration_text(users=[user | {"password_hash": hash_password(PASSWORD)} for user in gone]))
    assert client.post("/login", json={"user": "rita", "password": PASSWORD}).status_code == 401
    assert client.post("/tokens", json={"user": "rita"}, headers=machine(desk, "tokens:issue")).status_code == 422


def test_a_token_ends(make_desk: Callable[..., Desk]) -> None:
    now = [datetime.now(UTC) - timedelta(hours=2)]
    desk = prepared(make_desk())
    desk.issuer._clock = lambda: now[0]
    token = desk.issuer.issue("rita").token
    with served(desk_app(desk), token="") as client:
        answer = client.get("/staff", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, "expired" in answer.json()["detail"]) == (401, True)
