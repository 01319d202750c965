"""Speaking with Microsoft Graph as an application: HTTPS that can be broken off, tokens by client credentials, errors by reason.

Owns the connection, the token and what an answer means in general. Does not own what is asked: mail is read in
`services.ingest.gateways.graph` and sent in `services.notify.gateways.graph`.
"""

from shared.graph.client import Application, GraphClient
from shared.graph.credential import AppCredential, certificate, client_secret
from shared.graph.errors import GraphError, Reason, code_of, error_of, retry_after
from shared.graph.wire import Reply

__all__ = [
    "AppCredential",
    "Application",
    "GraphClient",
    "GraphError",
    "Reason",
    "Reply",
    "certificate",
    "client_secret",
    "code_of",
    "error_of",
    "retry_after",
]
