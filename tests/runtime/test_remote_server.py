"""The server: what it answers, whom it turns away, and that nobody can stop it from outside."""

from __future__ import annotations

import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from sayso.runtime.server import PolicyServer, ServeConfig
from sayso.runtime.wire import pack, unpack
from sayso.spec import STATE, TASK, Chunk, Features, SaysoError
from small_servers import Breaking, Remembering, look, served, served_by_a_process
from small_worlds import FEATURES


class Caller:
    """Speak the protocol without any of our client."""

    def __init__(self, url, **options):
        self.opened = ExitStack()
        self.socket = self.opened.enter_context(connect(url, compression=None, proxy=None, **options))
        self.metadata = unpack(self.socket.recv(timeout=30))

    def ask(self, **changes):
        return self.send(pack(look(**changes)))

    def send(self, message):
        self.socket.send(message)
        answer = self.socket.recv(timeout=30)
        return answer if isinstance(answer, str) else unpack(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.opened.close()


def looks(answer):
    """Return how many looks the policy behind an answer remembers."""
    return int(answer["actions"][0, 1])


def get(url, path, **headers):
    """Return status, kind and text of a plain HTTP request."""
    request = urllib.request.Request(url.replace("ws://", "http://") + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def wait_for(true):
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def url():
    with served(Breaking, max_mb=1.0) as address:
        yield address


def test_the_first_message_says_what_it_is():
    with served(about={"policy": "spots"}) as address, Caller(address) as caller:
        told = caller.metadata
        assert told["policy"] == "spots" and told["server"] == "sayso" and told["chunk"] == 3
        assert Features.from_json(told["features"]) == FEATURES
        assert told["observation"] == list(look())


def test_it_answers_with_a_chunk_and_the_time_it_took(url):
    with Caller(url) as caller:
        first, second = caller.ask(x=0.75), caller.ask()
    assert first["actions"].dtype == np.float32 and first["actions"].shape == (3, 2)
    assert first["actions"][0, 0] == 0.75
    assert first["server_timing"].keys() == {"infer_ms", "queue_ms", "batch_size"}
    assert second["server_timing"].keys() - first["server_timing"].keys() == {"prev_total_ms"}
    assert 0 <= second["policy_timing"]["infer_ms"] <= second["server_timing"]["infer_ms"]


def test_each_connection_has_a_policy_with_a_memory_of_its_own(url):
    with Caller(url) as one, Caller(url) as other:
        assert [looks(c.ask()) for c in (one, one, other, one, other)] == [1, 2, 1, 3, 2]
    with Caller(url) as late:
        assert looks(late.ask()) == 1


def test_a_client_can_begin_an_episode_afresh(url):
    with Caller(url) as caller:
        assert [looks(caller.ask(reset=r)) for r in (True, False, None, True, None)] == [1, 2, 3, 1, 2]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("hello", "a text message came"),
        (b"", "incomplete"),
        (pack(look())[:-7], "incomplete"),
        (bytes(900_000), "extra data"),
        (b"\x91" * 100_000, "not msgpack"),
        (pack(look(task=None)), "needs task"),
        (pack(look(**{STATE: np.array([np.nan, 0])})), "x.pos is not"),
        (pack(look() | {"x": {b"__ndarray__": True, b"dtype": "|O", b"data": b"", b"shape": [1]}}), "'|O'"),
        (pack(look() | {"x": {b"__ndarray__": True, b"dtype": "<f4", b"data": b"", b"shape": [-1]}}), ">= 0"),
    ],
)
def test_a_bad_message_is_told_what_is_wrong_and_the_connection_stays(url, message, words):
    with Caller(url) as caller:
        caller.ask()
        answer = caller.send(message)
        assert isinstance(answer, str) and words in answer and len(answer) < 500
        assert looks(caller.ask()) == 2


def test_a_message_that_is_too_large_ends_its_connection_and_no_other(url):
    with Caller(url) as other, Caller(url) as caller:
        with pytest.raises(ConnectionClosed) as closed:
            caller.send(bytes(2_000_000))
        assert closed.value.rcvd.code == 1009
        assert looks(other.ask()) == 1


def test_a_gigabyte_is_refused_by_its_announcement(url):
    with Caller(url) as caller:
        # The head of a masked binary frame of 2**30 bytes, of which none ever comes.
        caller.socket.socket.sendall(b"\x82\xff" + (2**30).to_bytes(8) + b"mask")
        with pytest.raises(ConnectionClosed) as closed:
            caller.socket.recv(timeout=30)
        assert closed.value.rcvd.code == 1009


def test_a_message_in_endless_pieces_ends_its_connection(url):
    with Caller(url) as caller:
        # The head of a binary message that goes on, and continuations of it, all of them empty.
        caller.socket.socket.sendall(b"\x02\x80mask" + 5000 * b"\x00\x80mask")
        with pytest.raises(ConnectionClosed) as closed:
            caller.socket.recv(timeout=30)
        assert closed.value.rcvd.code == 1009


def test_whoever_stops_in_the_middle_of_a_message_holds_up_nobody(url):
    with Caller(url) as slow, Caller(url) as other:
        slow.socket.socket.sendall(b"\x82\xfe\x7f\xff" + b"mask" + b"some, then nothing")
        started = time.monotonic()
        assert [looks(other.ask()) for _ in range(3)] == [1, 2, 3]
        assert time.monotonic() - started < 5
        slow.socket.socket.shutdown(socket.SHUT_RDWR)


def test_rubbish_instead_of_http_changes_nothing(url):
    host, _, port = url.removeprefix("ws://").partition(":")
    for rubbish in (
        bytes(9000) + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500,
        b"POST / HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(rubbish)
            raw.settimeout(30)
            while raw.recv(4096):
                pass
    with Caller(url) as caller:
        assert looks(caller.ask()) == 1


@pytest.mark.parametrize("header", ["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Upgrade", "Connection"])
def test_a_handshake_that_is_no_text_is_refused_and_no_error_of_ours(url, header):
    shown = {"Host": "robot", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    shown |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", header: "\xff"}
    host, port = url.removeprefix("ws://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        lines = "\r\n".join(["GET / HTTP/1.1", *(f"{name}: {said}" for name, said in shown.items()), "", ""])
        raw.sendall(lines.encode("latin-1"))
        assert raw.recv(4096).split()[1] == b"400"


@given(st.lists(st.binary(max_size=40) | st.text(max_size=10), min_size=1, max_size=5), st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_message_stops_the_server(url, messages, data):
    tampered = bytearray(pack(look()))
    for _ in range(data.draw(st.integers(1, 6))):
        tampered[data.draw(st.integers(0, len(tampered) - 1))] = data.draw(st.integers(0, 255))
    with Caller(url) as caller:
        for message in [*messages, bytes(tampered)]:
            answer = caller.send(message)
            assert isinstance(answer, str) or answer["actions"].shape == (3, 2)
        assert caller.ask()["actions"].shape == (3, 2)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("raise", "the policy failed (RuntimeError)"),
        ("nan", "an action that is not finite"),
        ("wide", "returned 7 numbers per action instead of 2"),
    ],
)
def test_when_the_policy_fails_strangers_learn_little_and_others_nothing(url, task, words, caplog):
    with Caller(url) as other, Caller(url) as caller:
        answer = caller.ask(task=task)
        assert words in answer
        assert "secret" not in answer and "Traceback" not in answer
        assert "Traceback" in caplog.text
        with pytest.raises(ConnectionClosed) as closed:
            caller.socket.recv(timeout=30)
        assert closed.value.rcvd.code == 1011
        assert looks(other.ask()) == 1


def test_a_state_that_no_robot_has_is_told_by_name_and_costs_one_line_of_the_log(url, caplog):
    with Caller(url) as caller:
        for _ in range(5):
            assert "x.pos is 1e+30" in caller.ask(**{STATE: np.float32([1e30, 0])})
        assert looks(caller.ask()) == 1
    lines = [record for record in caplog.records if record.name == "sayso.server"]
    assert len(lines) == 1 and "x.pos is 1e+30" in lines[0].getMessage() and lines[0].exc_info is None


def test_a_policy_that_suddenly_answers_with_another_chunk_is_not_passed_on():
    class Uneven(Remembering):
        def act(self, observation):
            chunk = super().act(observation)
            return chunk if self.looks == 1 else Chunk(np.repeat(chunk.actions[:1], 4, axis=0))

    with served(Uneven) as address, Caller(address) as caller:
        assert looks(caller.ask()) == 1
        assert "returned 4 actions instead of 3" in caller.ask()


def test_health_tells_of_a_policy_that_is_at_one_answer_for_too_long():
    with served(Breaking, hung_s=0.3) as address, Caller(address) as caller:
        assert get(address, "/healthz")[0] == 200
        caller.socket.send(pack(look(task="dawdle")))
        time.sleep(0.45)
        status, _, told = get(address, "/healthz")
        assert status == 503 and told.startswith("the policy has been at one answer for ")
        caller.socket.recv(timeout=30)
        assert get(address, "/healthz")[0] == 200


def test_a_policy_that_cannot_be_made_is_an_error_in_words():
    made = []

    def once():
        if made:
            raise MemoryError
        made.append(1)
        return Remembering()

    with served(once) as address, connect(address, proxy=None) as caller:
        assert "the policy failed (MemoryError)" in caller.recv(timeout=30)


def test_a_policy_that_does_not_fit_its_features_is_found_before_anybody_is_served():
    class Wide(Remembering):
        def act(self, observation):
            return Breaking().act(observation | {TASK: "wide"})

    with pytest.raises(SaysoError, match="7 numbers per action"), served(Wide):
        pass


def test_without_the_token_nothing_is_told_but_health():
    with served(token="s3cret") as address:
        assert get(address, "/healthz") == (200, "text/plain; charset=utf-8", "OK\n")
        shown = [None, "Api-Key s3cre", "Api-Key s3cret2", "s3cret", "Bearer s3cret", "Api-Key s3cret\xe9"]
        for wrong in shown:
            headers = {"Authorization": wrong} if wrong else {}
            assert get(address, "/metrics", **headers)[0] == 401
            with pytest.raises(InvalidStatus, match="401"):
                Caller(address, additional_headers=headers)
        told = get(address, "/metrics", Authorization="Api-Key s3cret")[2]
        assert f'sayso_turned_away_total{{reason="token"}} {2.0 * len(shown)}' in told


@pytest.mark.parametrize("token", ["s3cret\n", "s3 cret", "s3crét"])
def test_a_token_that_no_header_can_show_is_refused(token):
    with pytest.raises(SaysoError, match="without spaces"):
        PolicyServer(Remembering, FEATURES, ServeConfig(), token=token)


def test_the_right_token_is_let_in_and_two_of_them_are_not():
    with served(token="s3cret") as address:
        with Caller(address, additional_headers={"Authorization": "Api-Key s3cret"}) as caller:
            assert looks(caller.ask()) == 1
        twice = [("Authorization", "Api-Key s3cret"), ("Authorization", "Api-Key s3cret")]
        with pytest.raises(InvalidStatus, match="401"):
            Caller(address, additional_headers=twice)


def test_others_can_reach_it_only_with_a_token():
    for host in ("0.0.0.0", "", "::", "192.168.1.5", "robot.local"):
        with pytest.raises(SaysoError, match="set SAYSO_TOKEN"):
            PolicyServer(Remembering, FEATURES, ServeConfig(host=host))
        PolicyServer(Remembering, FEATURES, ServeConfig(host=host), token="s3cret")


def test_a_page_in_a_browser_is_turned_away(url):
    with pytest.raises(InvalidStatus, match="403"):
        Caller(url, origin="http://example.com")


def test_more_clients_than_places_are_told_to_come_back_and_can():
    with served(connections=1) as address:
        with Caller(address):
            with pytest.raises(InvalidStatus, match="503"):
                Caller(address)
            assert get(address, "/healthz")[0] == 200
        wait_for(lambda: "sayso_connections 0.0" in get(address, "/metrics")[2])
        with Caller(address) as caller:
            assert looks(caller.ask()) == 1


def test_whoever_asks_for_nothing_is_hung_up_on():
    with served(idle_s=0.2) as address, Caller(address) as caller:
        with pytest.raises(ConnectionClosed) as closed:
            caller.socket.recv(timeout=30)
        assert closed.value.rcvd.code == 1001 and "nothing happened for 0.2 s" in closed.value.rcvd.reason


def test_prometheus_reads_what_became_of_messages():
    with served() as address:
        with Caller(address) as caller:
            caller.ask(), caller.ask(), caller.send(b"\xc1")
            status, kind, text = get(address, "/metrics")
        assert status == 200 and kind.startswith("text/plain; version=")
        for line in (
            'sayso_requests_total{outcome="answered"} 2.0',
            'sayso_requests_total{outcome="refused"} 1.0',
            "sayso_inference_seconds_count 2.0",
            "sayso_connections 1.0",
        ):
            assert line in text.splitlines()


def test_when_it_stops_who_waits_gets_the_answer_and_who_is_idle_goes_at_once():
    answers = []
    with served(Breaking) as address:
        idle, busy = Caller(address), Caller(address)
        asking = threading.Thread(target=lambda: answers.append(busy.ask(task="dawdle")))
        asking.start()
        time.sleep(0.2)
    asking.join()
    assert looks(answers[0]) == 1
    for caller in (idle, busy):
        with pytest.raises(ConnectionClosed) as closed:
            caller.socket.recv(timeout=30)
        assert closed.value.rcvd.code == 1001


def test_a_taken_port_is_an_error_in_words(url):
    with (
        pytest.raises(SaysoError, match=r"cannot listen on 127\.0\.0\.1:"),
        served(port=int(url[-5:].strip(":"))),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"port": 99999}, "port is 99999, but ports run from 0"),
        ({"connections": 0}, "connections is 0, but must be at least 1"),
        ({"max_mb": 0}, "max_mb is 0, but must be above 0"),
        ({"idle_s": np.nan}, "idle_s is nan, but must be above 0"),
        ({"hung_s": 0}, "hung_s is 0, but must be above 0"),
    ],
)
def test_impossible_settings_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        ServeConfig(**changes)


def test_a_policy_that_hangs_keeps_the_server_from_ending_no_longer_than_the_grace():
    process, address = served_by_a_process()
    with Caller(address) as caller:
        caller.ask()
        caller.socket.send(pack(look(task="hang")))
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            caller.socket.recv(timeout=60)
    assert process.communicate(timeout=60)[0] == "stopped\n" and process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_good_order(number):
    process, address = served_by_a_process()
    with Caller(address) as caller:
        caller.ask()
        process.send_signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            caller.socket.recv(timeout=30)
    assert closed.value.rcvd.code == 1001
    assert process.communicate(timeout=60)[0] == "stopped\n" and process.returncode == 0
