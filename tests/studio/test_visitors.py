"""Who comes from another web site may not drive the robot, however it got the browser to ask."""

from __future__ import annotations

import http.client
import http.cookiejar
import socket
import urllib.error
import urllib.request

import pytest

from sayso.spec import ConfigError, SaysoError
from sayso.studio.open import StudioConfig

pytest.importorskip("viser")

import viser
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sayso.studio.controls import Controls
from sayso.studio.door import Door, turned_away
from sayso.studio.open import _quietly
from sayso.studio.page import serve
from sayso.studio.visitors import free_port, strangers_turned_away


@pytest.fixture(scope="module")
def address():
    server, address = serve("127.0.0.1", 0, "tabletop")
    yield urllib.parse.urlsplit(address)
    _quietly(server.stop)


@pytest.fixture
def port(address):
    return address.port


@pytest.fixture
def token(address):
    return address.query


def call(port: int, token: str, host: str | None = None, origin: str | None = None, cookie: str = "") -> str:
    """Open the page's websocket as a browser would, and return what it says first, or the refusal."""
    try:
        with connect(
            f"ws://{host or f'127.0.0.1:{port}'}/?{token}",
            additional_headers={"Cookie": cookie} if cookie else None,
            origin=origin,
            subprotocols=[f"viser-v{viser.__version__}"],
            sock=socket.create_connection(("127.0.0.1", port)),
            compression=None,
        ) as page:
            return f"let in: {len(page.recv(timeout=30)) > 0}"
    except InvalidStatus as refusal:
        return f"{refusal.response.status_code}: {refusal.response.body.decode()}"


def test_the_page_itself_and_programs_are_let_in(port, token):
    assert call(port, token, origin=f"http://127.0.0.1:{port}") == "let in: True"
    assert call(port, token, f"localhost:{port}", f"http://localhost:{port}") == "let in: True"
    assert call(port, token) == "let in: True"


def test_who_opened_the_printed_address_needs_no_token_any_more_and_nobody_else_has_it(address, port):
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with browser.open(address.geturl(), timeout=30) as page:
        assert page.status == 200 and b"<html" in page.read(2000)
    (cookie,) = jar
    assert cookie.has_nonstandard_attr("HttpOnly") and cookie.get_nonstandard_attr("SameSite") == "Strict"
    assert cookie.value not in address.query, "who steals the cookie of one page has no token"
    with browser.open(address.geturl().partition("?")[0], timeout=30) as again:
        assert again.status == 200
    shown = f"other=1; {cookie.name}={cookie.value}"
    assert call(port, "", origin=f"http://127.0.0.1:{port}", cookie=shown) == "let in: True"
    assert call(port, "", origin="https://evil.example", cookie=shown).startswith("403: ")


@pytest.mark.parametrize("shown", ["", "token=", "token", "token=guess", "other=1&token=x%00", "token=%ff"])
@pytest.mark.parametrize("cookie", ["", "sayso-=", "=;;", "sayso-1=2; a"])
def test_who_shows_no_token_is_told_in_one_sentence_where_it_is(port, shown, cookie):
    said = call(port, shown, cookie=cookie)
    assert said.startswith("401: open this page by the address in the terminal") and said.count("\n") == 1


@pytest.mark.parametrize(
    "lines",
    [
        'Host: 127.0.0.1:{port}\r\nX-Sayso-Controls: {{"up": "\xff"}}',
        "Host: 127.0.0.1:{port}\r\nX-Sayso-Controls: {{}}\r\nX-Sayso-Controls: {{}}",
        "Host: 127.0.0.1:{port}\r\nX-Sayso-Controls: " + "[" * 5000,
        "Host: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: \xff",
        "Host: \xff",
        "Host: 127.0.0.1:{port}\r\nOrigin: \xff",
    ],
)
def test_what_is_no_text_is_refused_and_no_error_of_ours(lines):
    server, address = serve("127.0.0.1", 0, "tabletop", Controls())
    place = urllib.parse.urlsplit(address)
    said = lines.format(port=place.port)
    with socket.create_connection(("127.0.0.1", place.port), timeout=30) as line:
        asked = f"GET /sayso/controls?{place.query} HTTP/1.1\r\n{said}\r\n\r\n"
        line.sendall(asked.encode("latin-1"))
        answer = line.recv(4096)
    _quietly(server.stop)
    assert answer.split()[1] in (b"400", b"403")


def test_an_address_that_no_file_can_have_is_nowhere(port, token):
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    asked.request("GET", f"/{'a' * 2000}?{token}", headers={"Host": "localhost"})
    assert asked.getresponse().status == 404
    asked.close()


def test_a_page_that_is_opened_again_has_another_token():
    one, other = Door("127.0.0.1"), Door("127.0.0.1")
    assert not other.in_address(one.address(8080))
    cookie = one.cookie.partition(";")[0]
    assert one.refusal("/", ["localhost"], [], [cookie]) is None
    assert other.refusal("/", ["localhost"], [], [cookie])


@pytest.mark.parametrize(
    ("listens_on", "begins"),
    [
        ("0.0.0.0", "http://localhost:1/?"),
        ("::1", "http://[::1]:1/?"),
        ("robot.local", "http://robot.local:1/?"),
    ],
)
def test_the_printed_address_can_be_opened(listens_on, begins):
    assert Door(listens_on).address(1).startswith(begins)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost:1", "null", "http://127.0.0.1", "http://["]
)
def test_a_page_of_another_site_is_turned_away(port, token, origin):
    said = call(port, token, origin=origin)
    assert said.startswith("403: ") and "may not drive this robot" in said


def test_a_name_that_was_bent_to_this_computer_is_turned_away(port, token):
    said = call(port, token, f"evil.example:{port}", f"http://evil.example:{port}")
    assert said.startswith("403: ") and "does not go by evil.example" in said
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    asked.request("GET", f"/?{token}", headers={"Host": "evil.example"})
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
    with pytest.raises(SaysoError, match="cannot guard"), strangers_turned_away(Door("127.0.0.1")):
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
