"""The organisation's configuration: its models (`models`), and checking a YAML file as a whole (`check`)."""

from shared.schemas.configuration.models import Configuration

__all__ = ["Configuration", "NotConfigured"]


class NotConfigured(LookupError):
    """There is no configuration yet, or it has not been read yet: what needs it has to wait."""
