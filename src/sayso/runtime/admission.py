"""Admission of clients: who shows the token and finds a place, and what plain HTTP is told."""

from __future__ import annotations

import hmac
import ipaddress
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from sayso.runtime.metrics import Metrics
from sayso.runtime.wire import authorization
from sayso.spec import SaysoError

NO_TEXT = "the headers that open a websocket are no text\n"
RETRY_S = 1
"""When a client that found no place may try again."""


class Admission:
    """Door of a server: it lets in who may ask, while there are places."""

    def __init__(self, host: str, token: str, places: int, metrics: Metrics) -> None:
        """Open a door.

        Args:
            host: where the server listens.
            token: what clients must show as ``Authorization: Api-Key <token>``; empty lets everybody in.
            places: clients at a time.
            metrics: where those are counted that come, go and are turned away.

        Raises:
            SaysoError: if others could reach the server and there is no token, or it cannot be shown.
        """
        if not token and not _is_own_address(host):
            raise SaysoError(
                f"whoever reaches {host} could drive this policy: set SAYSO_TOKEN to a secret that "
                "clients must show, or listen on 127.0.0.1"
            )
        self._wanted = authorization(token).encode() if token else b""
        self._places, self._metrics = places, metrics
        self.inside = 0
        """Clients that are served now."""

    def count(self, more: int) -> None:
        """Let so many more, or fewer, be inside."""
        self.inside += more
        self._metrics.connections.set(self.inside)

    def receive(
        self, connection: ServerConnection, request: Request, busy_s: float, hung_s: float
    ) -> Response | None:
        """Answer what is not the protocol, and turn away whom it is not for; None lets a client in.

        Args:
            connection: of who asks.
            request: what is asked.
            busy_s: for how long the policy has been at one answer.
            hung_s: from when on it counts as one that hangs.
        """
        if not is_text(request):
            return connection.respond(HTTPStatus.BAD_REQUEST, NO_TEXT)
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return _health(connection, busy_s, hung_s)
        if not self._is_allowed(request):
            self._metrics.turned_away.labels("token").inc()
            return connection.respond(HTTPStatus.UNAUTHORIZED, "show the token: Authorization: Api-Key ...\n")
        if path == "/metrics":
            return self._metrics.response(connection)
        if self.inside >= self._places:
            self._metrics.turned_away.labels("full").inc()
            hint = f"all {self.inside} places are taken; come back later\n"
            response = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, hint)
            response.headers["Retry-After"] = str(RETRY_S)
            return response
        return None

    def _is_allowed(self, request: Request) -> bool:
        shown = [value.encode(errors="surrogateescape") for value in request.headers.get_all("Authorization")]
        return not self._wanted or (len(shown) == 1 and hmac.compare_digest(shown[0], self._wanted))


def is_text(request: Request) -> bool:
    """Tell whether the headers that open a websocket are text: websockets' reader breaks over others."""
    opening = ("upgrade", "connection", "sec-websocket-")
    said = (value for name, value in request.headers.raw_items() if name.lower().startswith(opening))
    return all(value.isascii() for value in said)


def _health(connection: ServerConnection, busy_s: float, hung_s: float) -> Response:
    if busy_s <= hung_s:
        return connection.respond(HTTPStatus.OK, "OK\n")
    hint = f"the policy has been at one answer for {busy_s:.0f} s\n"
    return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, hint)


def _is_own_address(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False
