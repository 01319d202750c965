"""HTTPS by requests, so that an exchange always ends: within its time, at its size, or when another thread says so."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from shared.fetching.errors import GatewayError

PIECE = 64 * 1024
MayReach = Callable[[str, str], bool]
"""Whether the host of this name may be spoken with at this IP address."""


class PlainSession(requests.Session):
    """Leaves redirects alone. By itself requests looks where one leads though it is not to follow it: it would read the whole body of the
    answer, however long, and break on an address that is none.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - requests' own name
        """None is followed."""
        return


def is_public(address: str) -> bool:
    """Whether the IP address is somebody's on the internet: not private, not this machine's, not a group's."""
    ip = ip_address(address)
    # Not every Python looks for the address within.
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_global and not ip.is_multicast


class NotReachable(Exception):
    """The host has no address that may be spoken with."""


class GuardedHttps:
    """HTTPS over `session`, one exchange at a time, each on a connection of its own, or the next one on the same where that is kept.

    The library's time-out is for each read alone, and its `close` leaves a thread that waits for an answer waiting. Therefore each
    connection's socket is known here, and shut down when the time is over or `close` is called.
    """

    def __init__(
        self, session: requests.Session, ca_file: str, may_reach: MayReach = lambda _host, _address: True, keep: bool = False
    ) -> None:
        """`ca_file`: the authorities (PEM) to trust; empty: the usual ones. `session` speaks only HTTPS from here on. `keep`: a connection
        stays open for the next exchange, which has to be with the same host.
        """
        # The surroundings' .netrc would replace the bearer token, and a proxy would choose addresses unseen.
        session.trust_env = False
        session.verify = ca_file or True
        if not keep:
            session.headers["Connection"] = "close"
        session.adapters.clear()
        self.session = session
        self._may_reach = may_reach
        self._lock = threading.Lock()
        self._wire: _Wire | None = None
        self._keep = keep
        self._kept: list[socket.socket] = []
        self._closed = threading.Event()

    def speak(self, prefix: str, most: int | None) -> None:
        """Speak with URLs that begin with `prefix`. `most`: longest body in bytes, read at once; None: whoever asks streams it."""
        self.session.mount(prefix, _Adapter(self, most))

    @contextlib.contextmanager
    def within(self, seconds: float, whom: str) -> Iterator[None]:
        """One exchange with `whom` (as an operator calls it). What the network does to it is raised as `GatewayError`."""
        with self._lock:
            if self._closed.is_set():
                raise GatewayError("unreachable", f"{whom}: closed by ourselves")
            self._wire = wire = _Wire(self._kept)
            self._kept = []
        timer = threading.Timer(seconds, wire.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (requests.RequestException, HTTPError, OSError, NotReachable) as error:
            why = type(error).__name__
            if wire.is_cut:
                why = "closed by ourselves" if self._closed.is_set() else f"no whole answer within {seconds:g} s"
            raise GatewayError("unreachable", f"{whom}: {why}") from error
        finally:
            timer.cancel()
            with self._lock:
                if self._keep and not wire.is_cut and not self._closed.is_set():
                    self._kept = wire.left()
                else:
                    wire.close()

    def check(self) -> None:
        """Raise if the exchange under way was cut: a body without a length would look whole."""
        if self._wire is not None and self._wire.is_cut:
            raise requests.ConnectionError("cut")

    @property
    def closed(self) -> threading.Event:
        """Set by `close`."""
        return self._closed

    def close(self) -> None:
        """End what is under way, and let nothing begin. From any thread."""
        with self._lock:
            self._closed.set()
            wire = self._wire
            kept, self._kept = _Wire(self._kept), []
        kept.close()
        if wire is not None:
            wire.cut()
        self.session.close()

    def connect(self, connection: HTTPSConnection) -> socket.socket:
        """A socket for `connection`, to an address that was looked at: no name is resolved a second time after that."""
        try:
            found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(connection.host, connection, error) from error
        addresses = [address for *_, (address, *_) in found if isinstance(address, str) and self._may_reach(connection.host, address)]
        if not addresses:
            raise NotReachable
        failure = OSError()
        for address in dict.fromkeys(addresses):
            try:
                self.check()
                place = (address, connection.port or 443)
                connected = create_connection(place, connection.timeout, socket_options=connection.socket_options)
            except OSError as error:
                failure = error
                continue
            if self._wire is not None:
                if self._keep:
                    self._wire.close()  # of the connection before: it is no longer used
                self._wire.take(connected)
            return connected
        raise NewConnectionError(connection, type(failure).__name__) from failure


class _Wire:
    """The sockets of one exchange. `kept`: those of the connection that the exchange before left open."""

    def __init__(self, kept: Iterable[socket.socket] = ()) -> None:
        self._lock = threading.Lock()
        self._sockets = list(kept)
        self.is_cut = False

    def take(self, connected: socket.socket) -> None:
        """Know a socket. A duplicate of it: TLS takes the socket itself out of our hands, and shutting down is for all duplicates."""
        with self._lock:
            self._sockets.append(connected.dup())
            if self.is_cut:
                self._shut_down()

    def cut(self) -> None:
        """End what any thread does with the sockets."""
        with self._lock:
            self.is_cut = True
            self._shut_down()

    def left(self) -> list[socket.socket]:
        """The sockets, for the next exchange; this one knows them no more."""
        with self._lock:
            found, self._sockets = self._sockets, []
            return found

    def close(self) -> None:
        """Forget the sockets."""
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    def _shut_down(self) -> None:
        for each in self._sockets:
            # The other side may have ended it before us.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Speaks on the connections of `https`."""

    def __init__(self, https: GuardedHttps, most: int | None) -> None:
        self._https = https
        self._most = most
        super().__init__(pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        https = self._https

        class Connection(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return https.connect(self)

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": Pool}

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - the library's arguments
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Send `request`; with a bound, the body is read here, and `response.raw` is what was read."""
        answer = super().send(request, stream=True, timeout=timeout, verify=verify, cert=cert, proxies=None)
        if self._most is None:
            return answer
        body = bytearray()
        try:
            for piece in answer.raw.stream(PIECE, decode_content=True):
                self._https.check()
                body += piece
                if len(body) > self._most:
                    raise GatewayError("malformed", f"an answer of over {self._most} bytes")
            self._https.check()
        finally:
            answer.raw.close()
        answer.raw = io.BytesIO(body)
        return answer
