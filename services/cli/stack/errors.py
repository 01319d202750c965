"""What the platform says when it cannot go on: one line for a person, one exit code for a program."""


class StackError(Exception):
    """The local platform cannot do what was asked. The message is one line that says what to do about it."""

    exit_code = 3
    is_unexpected = False
    """Whether the traceback is worth keeping."""
    prefix = ""
    """Goes before everything else on the line, for a program that reads it."""


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


class UndeliveredError(StackError):
    """A mail was not taken, said as mail servers expect of a command (sysexits.h).

    Postfix lets an enhanced status code (RFC 3463) at the beginning of the output decide, where there is one: whatever can be mended here
    begins with a 4, so that the mail is kept, also where the exit code alone would have it returned to its sender.
    """

    def __init__(self, message: str, exit_code: int, status: str, *, is_unexpected: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.prefix = f"{status} "
        self.is_unexpected = is_unexpected
