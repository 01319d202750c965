"""Mail of a Microsoft 365 mailbox, by Microsoft Graph."""

from services.ingest.gateways.graph.source import GraphSource

__all__ = ["GraphSource"]
