"""The organisation's configuration: its models (`models`), and checking a YAML file as a whole (`check`)."""

from shared.schemas.configuration.models import Configuration

__all__ = ["Configuration"]
