"""Prometheus metrics of a server."""

from __future__ import annotations

from http import HTTPStatus

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Bounds of the histogram of times in the policy."""


class Metrics:
    """Metrics of one server, for Prometheus."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "sayso_requests", "Messages, by what became of them", ["outcome"], registry=self._registry
        )
        self.inference_s = Histogram(
            "sayso_inference_seconds", "Time in the policy", buckets=SECONDS, registry=self._registry
        )
        self.connections = Gauge("sayso_connections", "Clients connected now", registry=self._registry)
        self.turned_away = Counter(
            "sayso_turned_away", "Clients that were not let in", ["reason"], registry=self._registry
        )

    def response(self, connection: ServerConnection) -> Response:
        """Return all of it as an answer."""
        response = connection.respond(HTTPStatus.OK, generate_latest(self._registry).decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE_LATEST
        return response
