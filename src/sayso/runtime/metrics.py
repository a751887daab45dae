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

from sayso.runtime.batching import Answered

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Bounds of the histogram of times in the policy."""


LOOKS = (1, 2, 4, 8, 16, 32)
"""Bounds of the histogram of looks that were computed at once."""


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
        self.queue_s = Histogram(
            "sayso_queue_seconds", "Wait for the policy", buckets=SECONDS, registry=self._registry
        )
        self.batch = Histogram(
            "sayso_batch_size", "Looks computed at once", buckets=LOOKS, registry=self._registry
        )
        self.connections = Gauge("sayso_connections", "Clients connected now", registry=self._registry)
        self.waiting = Gauge("sayso_waiting", "Looks that wait for the policy now", registry=self._registry)
        self.turned_away = Counter(
            "sayso_turned_away", "Clients that were not let in", ["reason"], registry=self._registry
        )

    def count(self, found: Answered) -> None:
        """Count an answer."""
        self.requests.labels("answered").inc()
        self.inference_s.observe(found.act_s)
        self.queue_s.observe(found.waited_s)
        self.batch.observe(found.together)

    def response(self, connection: ServerConnection) -> Response:
        """Return all of it as an answer."""
        response = connection.respond(HTTPStatus.OK, generate_latest(self._registry).decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE_LATEST
        return response
