"""Door of a page: it lets in who shows the page's token, from the page itself and from no other web site.

    printed:    http://localhost:8080/?token=...          whoever types or clicks it has the token
    a browser:  GET /?token=...  Host: localhost:8080     the page, and a cookie that shows it from now on
                Origin: http://localhost:8080             the page itself: let in
                Origin: https://elsewhere.example         another site: turned away
                Host: elsewhere.example:8080              whose name now means this computer: turned away
    a program:  no Origin, as browsers always have one: let in, if it shows the token

The host must be one that this page was given, or a site could lend its own name to this computer (DNS
rebinding) and be at home here. The token keeps out who else reaches the port: other people of the same
computer, and those of the network where it listens to that.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
import urllib.parse
from http import HTTPStatus

BYTES = 24
"""Of randomness in a token."""


class Door:
    """Who may come in, for one page as long as it is open."""

    def __init__(self, listens_on: str) -> None:
        """Draw a token.

        Args:
            listens_on: the address that the page was given.
        """
        self._listens_on, self._token = listens_on, secrets.token_urlsafe(BYTES)
        made = hashlib.sha256(self._token.encode()).hexdigest()
        # Cookies know no ports, so two pages of one computer are told apart by the name.
        self._name, self._value = f"sayso-{made[:12]}", made[12:]

    def address(self, port: int) -> str:
        """Return where the page is, as a person opens it: with its token."""
        everywhere = self._listens_on in ("127.0.0.1", "0.0.0.0", "::")
        name = "localhost" if everywhere else self._listens_on
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/?token={self._token}"

    @property
    def cookie(self) -> str:
        """Return what to send as ``Set-Cookie`` to who has shown the token in an address."""
        return f"{self._name}={self._value}; Path=/; HttpOnly; SameSite=Strict"

    def refusal(
        self, target: str, hosts: list[str], origins: list[str], cookies: list[str]
    ) -> tuple[HTTPStatus, str] | None:
        """Return why a request is turned away, in one sentence; None lets it in.

        Args:
            target: what it asks for: a path, and what stands behind its question mark.
            hosts: what its headers give as Host.
            origins: what they give as Origin.
            cookies: what they give as Cookie.
        """
        if why := turned_away(hosts, origins, self._listens_on):
            return HTTPStatus.FORBIDDEN, why
        if self.in_address(target) or any(map(self._in_cookie, cookies)):
            return None
        return (
            HTTPStatus.UNAUTHORIZED,
            "open this page by the address in the terminal, all of it: it has the token",
        )

    def in_address(self, target: str) -> bool:
        """Tell whether an address shows the token."""
        asked = target.partition("?")[2].partition("#")[0].split("&")
        return any(_same(one, f"token={self._token}") for one in asked)

    def _in_cookie(self, header: str) -> bool:
        pairs = (pair.strip().partition("=") for pair in header.split(";"))
        return any(name == self._name and _same(value, self._value) for name, _, value in pairs)


def _same(shown: str, wanted: str) -> bool:
    """Compare in a time that tells nothing about where they differ."""
    return hmac.compare_digest(shown.encode(errors="surrogateescape"), wanted.encode())


def turned_away(hosts: list[str], origins: list[str], listens_on: str) -> str:
    """Return why a request is turned away by where it comes from; empty if it is let in.

    Args:
        hosts: what its headers give as Host.
        origins: what they give as Origin.
        listens_on: the address that the page was given.
    """
    if len(hosts) != 1 or not _is_ours(hosts[0], listens_on):
        named = ", ".join(hosts) or "no host"
        return f"this page does not go by {named}: open it by the address in the terminal"
    if origins and (len(origins) > 1 or _place(origins[0]) != hosts[0].lower()):
        return f"a page of {', '.join(origins)} may not drive this robot"
    return ""


def _place(origin: str) -> str:
    """Return host and port of an origin; empty if it names none."""
    try:
        return urllib.parse.urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_ours(host: str, listens_on: str) -> bool:
    """Tell whether a Host header names this computer by what nobody else can lend their name to."""
    try:
        name = urllib.parse.urlsplit(f"//{host}").hostname or ""
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
