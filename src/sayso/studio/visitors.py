"""Origin check: pages of other web sites may not open ours, whatever browser they are open in.

    a browser:  GET /  Host: localhost:8080   Origin: http://localhost:8080       the page itself: let in
                       Host: localhost:8080   Origin: https://elsewhere.example   another site: turned away
                       Host: elsewhere.example:8080   whose name now means this computer: turned away
    a program:         Host: localhost:8080   no Origin, as browsers always have one: let in

The host must be one that this page was given, or a site could lend its own name to this computer (DNS
rebinding) and be at home here.
"""

from __future__ import annotations

import contextlib
import errno
import http
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import websockets.asyncio.server as websocket_server
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from sayso.spec import SaysoError
from sayso.studio.controls import Controls

Answer = Response | None
MAX_PORT, PORTS = 65535, 1000
"""The last port there is, and how many to try from the one that was asked for."""


def turned_away(hosts: list[str], origins: list[str], listens_on: str) -> str:
    """Return why a request is turned away; empty if it is let in.

    Args:
        hosts: what its headers give as Host.
        origins: what they give as Origin.
        listens_on: the address that the page was given.
    """
    if len(hosts) != 1 or not _is_ours(hosts[0], listens_on):
        named = ", ".join(hosts) or "no host"
        return f"this page does not go by {named}: open it by the address that `sayso studio` printed"
    if origins and (len(origins) > 1 or urlsplit(origins[0]).netloc.lower() != hosts[0].lower()):
        return f"a page of {', '.join(origins)} may not drive this robot"
    return ""


def _is_ours(host: str, listens_on: str) -> bool:
    """Tell whether a Host header names this computer by what nobody else can lend their name to."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in ("localhost", listens_on.lower()) or _is_loopback(name):
        return True
    if _is_loopback(listens_on) or listens_on == "localhost":
        return False
    own = socket.gethostname().lower()
    return _is_number(name) or name in (own, f"{own}.local")  # a number is no name that can be moved


def _is_number(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    return _is_number(host) and ipaddress.ip_address(host).is_loopback


@contextlib.contextmanager
def strangers_turned_away(listens_on: str, controls: Controls | None = None) -> Iterator[None]:
    """Let the websocket server that is opened within ask everybody where they come from.

    viser opens its server itself and hands nothing on to it, so what it calls is replaced for that moment.

    Args:
        listens_on: the address that the page was given.
        controls: who answers what its script sends.

    Raises:
        SaysoError: if no server was opened this way: then nobody would be asked.
    """
    opens, asked = websocket_server.serve, []

    def serve(*given: Any, process_request: Callable[..., Any] | None = None, **more: Any) -> Any:
        asked.append(given)
        return opens(*given, process_request=partial(_ask, process_request, listens_on, controls), **more)

    websocket_server.serve = serve  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        websocket_server.serve = opens  # type: ignore[misc]
    if not asked:
        raise SaysoError("this viser opens its server in a way that sayso cannot guard: install viser 1.1")


async def _ask(
    then: Callable[..., Any] | None,
    listens_on: str,
    controls: Controls | None,
    connection: ServerConnection,
    request: Request,
) -> Answer:
    headers = request.headers
    if why := turned_away(headers.get_all("Host"), headers.get_all("Origin"), listens_on):
        return connection.respond(http.HTTPStatus.FORBIDDEN, f"{why}\n")
    if controls and (ours := controls.answer(request)):
        return ours
    answer: Answer | Awaitable[Answer] = then(connection, request) if then else None
    found = await answer if isinstance(answer, Awaitable) else answer
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
