"""A language model divides what the grammar cannot, is believed in nothing else, and its key is safe."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sayso.tasks.household.words.endpoint import EndpointError, LanguageModelDecomposer
from sayso.tasks.household.words.kinds import Place, Thing
from sayso.tasks.household.words.language import NotUnderstoodError, examples, plain
from sayso.tasks.household.words.plan import MAX_PIECES

SCENE = [
    Thing("red", "block"),
    Thing("blue", "mug"),
    Place("blue", "tray"),
    Place("", "drawer"),
    Place("", "person"),
]


class Endpoint(HTTPServer):
    """Answer every chat completion with the same body, and keep what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = 200, b""
        self.asked: dict[str, object] = {}
        self.path, self.authorization, self.elsewhere = "", "", ""
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def say(self, text: str) -> None:
        self.body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        endpoint = self.server
        assert isinstance(endpoint, Endpoint)
        endpoint.path, endpoint.authorization = self.path, self.headers.get("Authorization", "")
        endpoint.asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        self.send_response(endpoint.status)
        if endpoint.elsewhere:
            self.send_header("Location", endpoint.elsewhere)
        self.end_headers()
        self.wfile.write(endpoint.body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_language_model_divides_free_form_text(endpoint: Endpoint) -> None:
    endpoint.say("1. open the drawer\n\n2. put the blue mug in the drawer\n- close the drawer\n")
    decomposer = LanguageModelDecomposer(base_url=endpoint.url, model="tiny", api_key="secret")
    text = "could somebody tidy away that mug where nobody sees it?"
    steps = decomposer(text, SCENE)
    assert [plain(intent) for intent in steps] == [
        "open the drawer",
        "put the blue mug in the drawer",
        "close the drawer",
    ]
    assert (endpoint.path, endpoint.authorization) == ("/v1/chat/completions", "Bearer secret")
    assert endpoint.asked["model"] == "tiny"
    system, user = endpoint.asked["messages"]  # type: ignore[misc]
    assert user == {"role": "user", "content": text}
    assert all(example in system["content"] for example in examples(SCENE))
    assert all(thing.name in system["content"] for thing in SCENE)


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(LanguageModelDecomposer(base_url="https://a", model="m", api_key="secret"))


def test_every_line_of_a_language_model_must_be_understood(endpoint: Endpoint) -> None:
    decomposer = LanguageModelDecomposer(base_url=endpoint.url, model="tiny")
    endpoint.say("open the drawer\nboil some water")
    with pytest.raises(NotUnderstoodError, match=r"said \"boil some water\".*'boil'"):
        decomposer("make tea", SCENE)
    assert endpoint.authorization == ""
    endpoint.say("put the purple block in the blue tray")
    with pytest.raises(NotUnderstoodError, match="There is no purple block here"):
        decomposer("tidy up", SCENE)
    endpoint.say("\n")
    with pytest.raises(NotUnderstoodError, match="nothing to do in 'sing'"):
        decomposer("sing", SCENE)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>hello</html>", "not that of a chat completion: '<html>hello"),
        (200, b'{"choices": []}', "not that of a chat completion"),
        (200, b'{"choices": [{"message": {"content": null}}]}', "no text but None"),
        (401, b"no such key", "answered 401: .no such key"),
    ],
)
def test_a_bad_answer_is_reported(endpoint: Endpoint, status: int, body: bytes, reason: str) -> None:
    endpoint.status, endpoint.body = status, body
    with pytest.raises(EndpointError, match=reason):
        LanguageModelDecomposer(base_url=endpoint.url, model="tiny")("open the drawer", SCENE)


def test_a_dead_endpoint_is_reported() -> None:
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/v1"
    with pytest.raises(EndpointError, match=r"cannot reach a language model at .*refused"):
        LanguageModelDecomposer(base_url=url, model="tiny")("open the drawer", SCENE)


def test_a_silent_endpoint_is_given_up() -> None:
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:  # listens, but never answers
        decomposer = LanguageModelDecomposer(
            base_url=f"http://127.0.0.1:{server.server_port}", model="tiny", timeout_s=0.1
        )
        with pytest.raises(EndpointError, match="timed out"):
            decomposer("open the drawer", SCENE)


def test_an_address_must_be_of_the_web() -> None:
    with pytest.raises(EndpointError, match="http://"):
        LanguageModelDecomposer(base_url="file:///etc", model="tiny")
    for bad in ("http://", "http://[::1", "http://localhost:many/v1"):
        with pytest.raises(EndpointError, match=r"address|names no computer"):
            LanguageModelDecomposer(base_url=bad, model="tiny")


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.5:8000/v1",
        "http://example.com/v1",
        "http://localhost@example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://localhost.example.com/v1",
        "http://0.0.0.0/v1",
    ],
)
def test_a_key_is_not_sent_through_a_network_for_all_to_read(url: str) -> None:
    with pytest.raises(EndpointError, match=r"could read the language model's key: .* https://"):
        LanguageModelDecomposer(base_url=url, model="tiny", api_key="secret")
    LanguageModelDecomposer(base_url=url, model="tiny")
    LanguageModelDecomposer(base_url=url.replace("http:", "https:"), model="tiny", api_key="secret")


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.0.0.1:1", "http://[::1]:1/v1"])
def test_a_key_may_go_to_a_model_on_this_computer(url: str) -> None:
    LanguageModelDecomposer(base_url=url, model="tiny", api_key="secret")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_key_follows_no_redirect(endpoint: Endpoint, status: int) -> None:
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        endpoint.status, endpoint.elsewhere = status, f"http://127.0.0.1:{server.server_port}/v1"
        server.timeout, asked = 0.1, []
        server.finish_request = lambda request, address: asked.append(address)  # type: ignore[method-assign]
        with pytest.raises(EndpointError, match=r"sends to|answered 30"):
            LanguageModelDecomposer(base_url=endpoint.url, model="tiny", api_key="secret")("tidy", SCENE)
        server.handle_request()
        assert not asked


def test_a_key_for_this_computer_goes_through_no_proxy(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    endpoint.say("open the drawer")
    LanguageModelDecomposer(base_url=endpoint.url, model="tiny", api_key="secret")("tidy", SCENE)
    assert endpoint.authorization == "Bearer secret"


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown() -> None:
    with pytest.raises(EndpointError, match="a line break") as refusal:
        LanguageModelDecomposer(base_url="https://a", model="tiny", api_key="sec\r\nret")
    assert "sec" not in str(refusal.value)


def test_a_language_model_that_wants_endlessly_much_is_refused(endpoint: Endpoint) -> None:
    endpoint.say("open the drawer\n" * (MAX_PIECES + 1))
    with pytest.raises(NotUnderstoodError, match=f"{MAX_PIECES + 1} steps"):
        LanguageModelDecomposer(base_url=endpoint.url, model="tiny")("tidy", SCENE)
