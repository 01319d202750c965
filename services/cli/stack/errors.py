"""What the platform says when it cannot go on: one line for a person, one exit code for a program."""


class StackError(Exception):
    """The local platform cannot do what was asked. The message is one line that says what to do about it."""

    exit_code = 3


class MissingComponentError(StackError):
    """Something has to be installed first."""

    exit_code = 4


class NotRunningError(StackError):
    """The platform is not up."""

    exit_code = 5


class RefusedError(StackError):
    """A service answered a request with a refusal."""

    exit_code = 6

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
