"""Access tokens that are given in a file, which whoever renews them writes anew."""

from pathlib import Path

from services.cli.stack.errors import StackError


class NoTokenError(StackError):
    """There is no access token in the file."""


def read_token(file: Path) -> str:
    """The token in `file`. Raises `NoTokenError`."""
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoTokenError(f"the access token cannot be read from {file}: {type(error).__name__}") from error
    if not token.isascii() or not token or any(letter.isspace() for letter in token):
        raise NoTokenError(f"there is no access token in {file}")
    return token
