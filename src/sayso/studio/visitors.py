"""Visitors of the live page: viser's server asks our door about each, and a port is found for it."""

from __future__ import annotations

import contextlib
import errno
import http
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import websockets.asyncio.server as websocket_server
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from sayso.runtime.admission import NO_TEXT, is_text
from sayso.spec import SaysoError
from sayso.studio.controls import Controls
from sayso.studio.door import Door

Answer = Response | None
MAX_PORT, PORTS = 65535, 1000
"""The last port there is, and how many to try from the one that was asked for."""


@contextlib.contextmanager
def strangers_turned_away(door: Door, controls: Controls | None = None) -> Iterator[None]:
    """Let a door ask everybody who comes to the websocket server that is opened within.

    viser opens its server itself and hands nothing on to it, so what it calls is replaced for that moment.

    Args:
        door: of the page.
        controls: who answers what its script sends.

    Raises:
        SaysoError: if no server was opened this way: then nobody would be asked.
    """
    opens, asked = websocket_server.serve, []

    def serve(*given: Any, process_request: Callable[..., Any] | None = None, **more: Any) -> Any:
        asked.append(given)
        return opens(*given, process_request=partial(_ask, process_request, door, controls), **more)

    websocket_server.serve = serve  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        websocket_server.serve = opens  # type: ignore[misc]
    if not asked:
        raise SaysoError("this viser opens its server in a way that sayso cannot guard: install viser 1.1")


async def _ask(
    then: Callable[..., Any] | None,
    door: Door,
    controls: Controls | None,
    connection: ServerConnection,
    request: Request,
) -> Answer:
    headers = request.headers
    asked = [headers.get_all(name) for name in ("Host", "Origin", "Cookie")]
    if refusal := door.refusal(request.path, *asked):
        status, why = refusal
        said = why.encode(errors="replace").decode()  # what is quoted need not be text
        return connection.respond(status, f"{said}\n")
    if not is_text(request):
        return connection.respond(http.HTTPStatus.BAD_REQUEST, NO_TEXT)
    if controls and (ours := controls.answer(request)):
        return ours
    try:
        answer: Answer | Awaitable[Answer] = then(connection, request) if then else None
        found = await answer if isinstance(answer, Awaitable) else answer
    except OSError:  # no file can be called what was asked for
        return connection.respond(http.HTTPStatus.NOT_FOUND, "there is nothing at this address\n")
    if found and found.status_code == http.HTTPStatus.OK and door.in_address(request.path):
        found.headers["Set-Cookie"] = door.cookie
        found.headers["Referrer-Policy"] = "no-referrer"
    return controls.added(request, found) if controls else found


def free_port(host: str, port: int) -> int:
    """Return a port to listen on: the one asked for, or the next that is free; 0 is any.

    Raises:
        SaysoError: if there is no such address here, or no port may be had.
    """
    if port > MAX_PORT:
        raise SaysoError(f"a port is at most {MAX_PORT}, but got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise SaysoError(f"there is no address {host!r} to listen on: {error}") from error
    for one in range(port, min(port + PORTS, MAX_PORT + 1)):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address[0], one, *address[2:]))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise SaysoError(f"cannot listen on {host}:{one}: {error.strerror}") from error
                continue
            return one
    raise SaysoError(f"no port from {port} on is free; --port 0 takes any")
