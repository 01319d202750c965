"""What tests share: the platform's fixtures, waiting for an effect, and the record of shown requirements."""

from tests.support.waiting import eventually

__all__ = ["eventually"]
