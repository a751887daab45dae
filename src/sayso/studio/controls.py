"""Controls of the page: held keys and a gamepad's sticks, which viser does not report, sent by a script.

    browser:  controls.js ── GET /sayso/controls, in a header what is held ──> Controls ── Pressed ──> heard

viser tells of no key that is let go, and none of a gamepad; so its page, on its way to the browser, is given
one more script. A header that only a script of the same page may set keeps other sites from moving the robot.
"""

from __future__ import annotations

import http
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from sayso.spec.files import parsed

PATH, HEADER = "/sayso/controls", "X-Sayso-Controls"
SCRIPT = "controls.js"
TAPS = ("grip", "keep", "discard")
_PAGE = ("/", "/index.html")


@dataclass(frozen=True, kw_only=True)
class Pressed:
    """What somebody holds, each number from -1 to 1, and what was tapped since."""

    right: float = 0.0
    """Where the hand is to go, as one looks at it."""
    away: float = 0.0
    up: float = 0.0
    turn: float = 0.0
    lean: float = 0.0
    ahead: float = 0.0
    """Where the base is to drive, as it stands."""
    left: float = 0.0
    spin: float = 0.0
    taps: tuple[str, ...] = ()
    """``grip``, ``keep``, ``discard``."""


class Controls:
    """Controls of all browsers that look at one page."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self.heard: Callable[[Pressed], None] = lambda _: None
        """Who is told; in the server's thread, so it must not wait for anything."""

    def answer(self, request: Request) -> Response | None:
        """Answer a request that is ours; None for all others."""
        path = request.path.partition("?")[0]
        if path != PATH:
            if path in _PAGE and "Upgrade" not in request.headers and "Accept-Encoding" in request.headers:
                del request.headers["Accept-Encoding"]  # what is to be added to must not come compressed
            return None
        try:
            self.heard(pressed(parsed(request.headers[HEADER])))
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            said = f"these are no controls: {error}\n".encode(errors="replace")
            return _response(http.HTTPStatus.BAD_REQUEST, said)
        return _response(http.HTTPStatus.OK, b"")

    def added(self, request: Request, answer: Response | None) -> Response | None:
        """Return an answer with our script, if it is the page."""
        ours = request.path.partition("?")[0] in _PAGE
        if answer is None or not ours or answer.status_code != http.HTTPStatus.OK:
            return answer
        script = files("sayso.studio").joinpath(SCRIPT).read_text(encoding="utf-8")
        head, end, rest = answer.body.decode().rpartition("</body>")
        body = f"{head}<script>{script}</script>{end}{rest}".encode()
        del answer.headers["Content-Length"]
        answer.headers["Content-Length"] = str(len(body))
        return Response(answer.status_code, answer.reason_phrase, answer.headers, body)


def pressed(said: Mapping[str, Any]) -> Pressed:
    """Read what a browser sent.

    Raises:
        ValueError: if a number is none.
        TypeError: if it is nothing of the kind.
    """
    numbers = {
        field.name: float(said.get(field.name, 0.0)) for field in fields(Pressed) if field.name != "taps"
    }
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError("a number is not finite")
    taps = tuple(tap for tap in said.get("taps", ()) if tap in TAPS)
    return Pressed(**{name: min(1.0, max(-1.0, number)) for name, number in numbers.items()}, taps=taps)


def _response(status: http.HTTPStatus, body: bytes) -> Response:
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))})
    return Response(status, status.phrase, headers, body)
