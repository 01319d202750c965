"""Tokens for other programs: what they allow, how long, and that nothing else can be asked for."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner, Result

from services.cli.__main__ import app
from shared.web.auth import TokenVerifier
from shared.web.tokens import TokenSigner, new_signing_key

pytestmark = pytest.mark.requirement("COM-6")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "key.pem").write_bytes(new_signing_key())
    return tmp_path / "key.pem"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["machine-token", *arguments])


def test_a_token_lets_its_program_do_what_it_says_and_nothing_else(key: Path) -> None:
    out = key.with_name("token")
    result = run("mx1", "--permission", "communication:deliver", "--days", "7", "--key", str(key), "--out", str(out))
    assert result.exit_code == 0, result.output
    assert out.stat().st_mode & 0o777 == 0o600
    token = out.read_text().strip()
    assert token not in result.output
    principal = TokenVerifier(TokenSigner(key.read_bytes()).jwks, "casestream").principal(token)
    assert (principal.user, principal.permissions) == ("mx1", {"communication:deliver"})
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 7 * 24 * 3600


def test_without_a_file_it_is_the_only_thing_on_standard_output(key: Path) -> None:
    result = run("crm", "--permission", "contact-event:write", "--permission", "status:read", "--key", str(key))
    assert result.stdout.count(".") == 2
    assert result.stdout.count("\n") == 1
    assert jwt.decode(result.stdout.strip(), options={"verify_signature": False})["scope"] == "contact-event:write status:read"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["mx 1", "--permission", "status:read"], 2),
        (["mx1"], 2),
        (["mx1", "--permission", "tokens:issue"], 2),
        (["mx1", "--permission", "configuration:apply"], 2),
        (["mx1", "--permission", "status:read", "--days", "367"], 2),
    ],
)
def test_what_is_not_for_other_programs_is_refused(key: Path, arguments: list[str], code: int) -> None:
    result = run(*arguments, "--key", str(key))
    assert (result.exit_code, result.stdout) == (code, "")


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PRIVATE KEY-----\nno\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "none.pem"
    if content is not None:
        path.write_bytes(content)
    result = run("mx1", "--permission", "status:read", "--key", str(path))
    assert str(path) in str(result.exception)
    assert result.stdout == ""
