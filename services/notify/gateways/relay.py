"""Which way mail goes out, by the settings."""

from __future__ import annotations

from collections.abc import Callable

from services.notify.gateways.graph import GraphRelay
from services.notify.gateways.login import Login, PasswordLogin, TokenLogin
from services.notify.gateways.smtp import Relay, RelayAddress
from services.notify.gateways.tokens import AccessTokens
from services.notify.settings import SendSettings
from shared.graph import Application, GraphError, KeptCredential

AnyRelay = Relay | GraphRelay


def connector(settings: SendSettings) -> Callable[[], AnyRelay]:
    """Makes connections to what the settings name."""
    if settings.mail_by == "graph":
        application = Application(settings.graph_tenant, settings.graph_client_id, settings.graph_endpoint, settings.graph_authority)
        ca_file = str(settings.graph_ca_file or "")
        return lambda: GraphRelay(application, _credential(settings), settings.graph_timeout_seconds, ca_file)
    address = RelayAddress(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        login=_login(settings),
        greeting=settings.mail_domain,
        timeout=settings.smtp_timeout_seconds,
        accepting=max(settings.smtp_accept_seconds, settings.smtp_timeout_seconds),
        ca_file=settings.smtp_ca_file,
    )
    return lambda: Relay(address)


def _login(settings: SendSettings) -> Login | None:
    """One for all connections: they share its token."""
    if settings.smtp_login == "password":
        return PasswordLogin(settings.smtp_user, settings.password()) if settings.smtp_user else None
    file = settings.smtp_oauth_secret_file
    tokens = AccessTokens(
        settings.smtp_oauth_endpoint,
        settings.smtp_oauth_client_id,
        settings.smtp_oauth_scope,
        lambda: file.read_text().strip() if file is not None else "",
        settings.smtp_timeout_seconds,
        str(settings.smtp_oauth_ca_file or ""),
    )
    return TokenLogin(settings.smtp_user, tokens)


def _credential(settings: SendSettings) -> KeptCredential:
    file = settings.graph_secret_file

    def read() -> str:
        try:
            text = file.read_text().strip() if file is not None else ""
        except (OSError, UnicodeDecodeError) as error:
            raise GraphError("credentials", f"the credential cannot be read: {type(error).__name__}") from error
        if not text:
            raise GraphError("credentials", "the credential is empty")
        return text

    return KeptCredential(settings.graph_credential, read)
