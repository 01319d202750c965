"""Speaking with Microsoft Graph as an application: HTTPS that can be broken off, tokens by client credentials, errors by reason.

Owns the connection, the token and what an answer means in general. Does not own what is asked: mail is read in
`services.ingest.gateways.graph` and sent in `services.notify.gateways.graph`.
"""

from shared.graph.client import Application, GraphClient
from shared.graph.credential import AppCredential, KeptCredential
from shared.graph.errors import GraphError, error_of
from shared.graph.wire import Reply, Wire

__all__ = ["AppCredential", "Application", "GraphClient", "GraphError", "KeptCredential", "Reply", "Wire", "error_of"]
