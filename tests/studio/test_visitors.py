"""Who comes from another web site may not drive the robot, however it got the browser to ask."""

from __future__ import annotations

import http.client
import socket

import pytest

from sayso.spec import ConfigError, SaysoError
from sayso.studio.open import StudioConfig

pytest.importorskip("viser")

import viser
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sayso.studio.open import _quietly
from sayso.studio.page import serve
from sayso.studio.visitors import free_port, strangers_turned_away, turned_away


@pytest.fixture(scope="module")
def port():
    server = serve("127.0.0.1", 0, "tabletop")
    yield server.get_port()
    _quietly(server.stop)


def call(port: int, host: str | None = None, origin: str | None = None) -> str:
    """Open the page's websocket as a browser would, and return what it says first, or the refusal."""
    try:
        with connect(
            f"ws://{host or f'127.0.0.1:{port}'}/",
            origin=origin,
            subprotocols=[f"viser-v{viser.__version__}"],
            sock=socket.create_connection(("127.0.0.1", port)),
            compression=None,
        ) as page:
            return f"let in: {len(page.recv(timeout=30)) > 0}"
    except InvalidStatus as refusal:
        return f"{refusal.response.status_code}: {refusal.response.body.decode()}"


def test_the_page_itself_and_programs_are_let_in(port):
    assert call(port, origin=f"http://127.0.0.1:{port}") == "let in: True"
    assert call(port, f"localhost:{port}", f"http://localhost:{port}") == "let in: True"
    assert call(port) == "let in: True"


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null", "http://127.0.0.1"])
def test_a_page_of_another_site_is_turned_away(port, origin):
    said = call(port, origin=origin)
    assert said.startswith("403: ") and "may not drive this robot" in said


def test_a_name_that_was_bent_to_this_computer_is_turned_away(port):
    said = call(port, f"evil.example:{port}", f"http://evil.example:{port}")
    assert said.startswith("403: ") and "does not go by evil.example" in said
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    asked.request("GET", "/", headers={"Host": "evil.example"})
    assert asked.getresponse().status == 403
    asked.close()


@pytest.mark.parametrize(
    ("host", "listens_on", "let_in"),
    [
        ("localhost:9000", "127.0.0.1", True),  # through a tunnel
        ("[::1]:8080", "127.0.0.1", True),
        ("robot.local:8080", "robot.local", True),
        ("192.168.1.20:8080", "0.0.0.0", True),
        ("192.168.1.20:8080", "127.0.0.1", False),
        ("evil.example:8080", "0.0.0.0", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("localhost@evil.example", "127.0.0.1", False),
        ("[", "127.0.0.1", False),
        ("", "127.0.0.1", False),
    ],
)
def test_a_page_goes_by_the_names_it_was_given_alone(host, listens_on, let_in):
    assert (turned_away([host], [f"http://{host}"], listens_on) == "") is let_in
    assert turned_away([host], ["https://evil.example"], listens_on)


def test_what_is_said_twice_is_turned_away():
    assert turned_away(["localhost", "localhost"], [], "127.0.0.1")
    assert turned_away(["localhost"], ["http://localhost", "http://localhost"], "127.0.0.1")
    assert turned_away([], [], "127.0.0.1")


def test_a_server_that_cannot_be_guarded_is_not_opened():
    with pytest.raises(SaysoError, match="cannot guard"), strangers_turned_away("127.0.0.1"):
        pass


def test_a_port_that_is_taken_is_followed_by_the_next():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert port < free_port("127.0.0.1", port) < port + 1000
    assert free_port("127.0.0.1", 0) == 0


def test_an_address_that_is_not_here_is_refused_at_once():
    for host in ("192.0.2.1", "no such host", "nowhere.invalid"):
        with pytest.raises(SaysoError, match="listen"):
            free_port(host, 8080)
    with pytest.raises(SaysoError, match="at most 65535, but got 99999"):
        free_port("127.0.0.1", 99_999)
    with pytest.raises(ConfigError, match="port is -1"):
        StudioConfig(port=-1)
