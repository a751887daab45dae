"""The client: it acts like any policy, survives what a network does, and says what it cannot survive."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from websockets.sync.server import serve

from contracts.policy_contract import PolicyContract
from sayso import cli, loading
from sayso.data.statistics import Stats
from sayso.evaluation.rollout import rollout as roll
from sayso.runtime import remote
from sayso.runtime.limits import Limits
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.remote import RemoteError, RemotePolicy, Renamed
from sayso.runtime.robot import ImaginedRobot
from sayso.runtime.wire import pack, unpack
from sayso.spec import ACTION, STATE, TASK, Chunk, NotFiniteError, Outcome, Policy, SaysoError, image_key
from sayso.tasks.worlds import WORLDS
from small_servers import Breaking, look, served, served_by_a_process
from small_worlds import FEATURES, SMALL_WORLDS, SpotWorld

FRONT = image_key("front")


class Homing:
    """Go to the middle, wherever it is."""

    def reset(self) -> None:
        pass

    def act(self, observation) -> Chunk:
        return Chunk((np.float32([[0.5, 0.5]]) - observation[STATE]).repeat(4, axis=0))


class TestRemotePolicyKeepsTheContract(PolicyContract):
    @pytest.fixture(scope="class")
    def made(self):
        with served() as url, RemotePolicy(url) as policy:
            yield policy, FEATURES


del PolicyContract


@contextmanager
def openpi_server(answer, metadata=None):
    """Behave as openpi's server does: metadata, then answers, and a traceback as text before hanging up."""
    heard = []

    def converse(connection):
        connection.send(metadata if isinstance(metadata, str) else pack(metadata or {}))
        for message in connection:
            heard.append(unpack(message))
            reply = answer(heard[-1])
            connection.send(reply if isinstance(reply, str) else pack(reply))
            if isinstance(reply, str):
                connection.close(1011, "internal error")
                return  # what was asked meanwhile is not heard: it is asked again of the next connection

    with serve(converse, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", heard
        finally:
            server.shutdown()
            thread.join()


def test_an_episode_through_a_socket_is_the_same_as_without():
    here = roll(SpotWorld(), Homing(), 7, keep_frames=True)
    with served(Homing) as url, RemotePolicy(url) as policy:
        there = roll(SpotWorld(), policy, 7, keep_frames=True)
    assert here.outcome is there.outcome is not Outcome.INVALID
    assert here.steps == there.steps == len(there.frames)
    for mine, other in zip(here.frames, there.frames, strict=True):
        np.testing.assert_array_equal(mine["action"], other["action"])


def test_it_knows_what_the_policy_sees():
    with served(about={"policy": "spots"}) as url, RemotePolicy(url) as policy:
        assert isinstance(policy, Policy)
        assert policy.features == FEATURES and policy.metadata["policy"] == "spots"


def test_a_reset_reaches_the_server():
    with served() as url, RemotePolicy(url) as policy:
        counted = []
        for begins in (False, False, True, False):
            if begins:
                policy.reset()
            counted.append(int(policy.act(look()).actions[0, 1]))
    assert counted == [1, 2, 1, 2]


def test_two_policies_of_one_process_do_not_share_a_memory():
    with served() as url, RemotePolicy(url) as one, RemotePolicy(url) as other:
        one.act(look())
        assert other.act(look()).actions[0, 1] == 1


def test_a_server_that_comes_back_is_found_again():
    with served() as url:
        policy = RemotePolicy(url, connect_s=30)
        policy.act(look())
    port = int(url.rpartition(":")[2])

    def back_after_a_while():
        time.sleep(0.5)
        with served(port=port):
            over.wait(60)

    over = threading.Event()
    thread = threading.Thread(target=back_after_a_while)
    thread.start()
    try:
        assert policy.act(look()).actions[0, 1] == 1
    finally:
        policy.close()
        over.set()
        thread.join()


def test_a_server_that_is_killed_is_missed_and_found_again_when_it_is_back():
    process, url = served_by_a_process()
    policy = RemotePolicy(url, connect_s=2)
    policy.act(look())
    process.kill()
    process.communicate()
    with pytest.raises(RemoteError, match="nothing listens at"):
        policy.act(look())
    with served(port=int(url.rpartition(":")[2])):
        assert policy.act(look()).actions[0, 1] == 1
        policy.close()


class Counted:
    """Count the answers of a policy."""

    def __init__(self, policy) -> None:
        self.policy, self.reset, self.answers = policy, policy.reset, 0

    def act(self, observation) -> Chunk:
        chunk = self.policy.act(observation)
        self.answers += 1
        return chunk


def driven(policy, until):
    """Let a policy drive no robot at all."""
    wide = np.full(2, 1e6, np.float32)
    return drive(
        ImaginedRobot(FEATURES),
        policy,
        "go",
        features=FEATURES,
        limits=Limits(names=FEATURES.action_names, low=-wide, high=wide, speed_per_s=wide),
        config=LoopConfig(hz=50, watchdog_ms=300, rest_s=0.05, patience_s=60),
        until=until,
    )


def test_a_robot_whose_server_is_killed_is_held_and_then_stopped():
    process, url = served_by_a_process()
    policy = Counted(RemotePolicy(url))

    def kill_after_three():
        if policy.answers == 3:
            policy.policy._connect_s = 1
            process.kill()
        return ""

    report = driven(policy, kill_after_three)
    process.communicate()
    assert report.fault and "nothing listens at" in report.stopped
    assert report.answers > 0 and report.watchdog > 0 and report.at_rest


def test_a_robot_whose_server_falls_silent_is_held_until_it_answers_again():
    process, url = served_by_a_process()
    remote = RemotePolicy(url, answer_s=60)
    policy, silent = Counted(remote), []

    def silence_after_three():
        if silent or policy.answers == 3:
            silent.append(1)
        if len(silent) in (1, 25):
            process.send_signal(signal.SIGSTOP if len(silent) == 1 else signal.SIGCONT)
        return "enough" if len(silent) > 25 and policy.answers >= 6 else ""

    report = driven(policy, silence_after_three)
    remote.close()
    process.kill()
    process.communicate()
    assert report.stopped == "enough" and not report.fault
    assert report.watchdog > 0 and report.held > 15


def test_a_server_that_comes_back_with_another_policy_is_not_asked():
    with served(about={"weights": "one"}) as url:
        policy = RemotePolicy(url)
    with (
        served(port=int(url.rpartition(":")[2]), about={"weights": "other"}),
        pytest.raises(RemoteError, match="another policy than before"),
    ):
        policy.act(look())


def test_after_hanging_up_it_can_be_asked_again():
    with served() as url:
        policy = RemotePolicy(url)
        policy.close()
        policy.close()
        assert len(policy.act(look())) == 3
        policy.close()


def test_when_nobody_is_there_it_says_so_in_time():
    with served() as url:
        pass
    started = time.monotonic()
    with pytest.raises(RemoteError, match=rf"nothing listens at {url}: start `sayso serve` there"):
        RemotePolicy(url, connect_s=0.5)
    assert 0.2 < time.monotonic() - started < 5


@pytest.mark.parametrize("url", ["http://localhost:8000", "localhost:8000", "checkpoints/home"])
def test_an_address_of_another_kind_is_refused(url):
    with pytest.raises(RemoteError, match="ws://host:port"):
        RemotePolicy(url)


@pytest.mark.parametrize("url", ["ws://", "ws://localhost:what", "ws://[", "ws://localhost:70000"])
def test_an_address_that_leads_nowhere_is_refused_at_once(url):
    with pytest.raises(RemoteError, match="cannot be reached"):
        RemotePolicy(url, connect_s=0.3)


def test_a_wrong_token_is_not_tried_again():
    with served(token="s3cret") as url:
        started = time.monotonic()
        with pytest.raises(RemoteError, match="refused with 401: show the token"):
            RemotePolicy(url, token="wrong", connect_s=60)
        assert time.monotonic() - started < 20
        with RemotePolicy(url, token="s3cret") as policy:
            assert len(policy.act(look())) == 3


def test_what_the_server_says_about_a_bad_observation_is_passed_on_and_the_next_is_answered():
    with served() as url, RemotePolicy(url) as policy:
        with pytest.raises(RemoteError, match="must be 2 numbers"):
            policy.act(look(**{STATE: np.zeros(5)}))
        assert len(policy.act(look())) == 3


def test_after_the_policy_failed_the_next_question_is_answered_by_a_new_one():
    with served(Breaking) as url, RemotePolicy(url) as policy:
        policy.act(look())
        with pytest.raises(RemoteError, match="the policy failed"):
            policy.act(look(task="raise"))
        assert policy.act(look()).actions[0, 1] == 1


def test_a_late_answer_is_not_taken_for_that_to_the_next_question():
    with served(Breaking) as url, RemotePolicy(url) as policy:
        policy.act(look())
        policy._answer_s = 0.2
        with pytest.raises(RemoteError, match=r"did not answer within 0\.2 s"):
            policy.act(look(x=0.25, task="dawdle"))
        policy._answer_s = 30
        assert policy.act(look(x=0.75)).actions[0, 0] == 0.75


def test_an_openpi_server_is_driven_by_its_own_names_and_units():
    def libero(request):
        assert request.keys() == {"observation/image", "observation/state", "prompt"}
        return {"actions": np.ones((10, 7)), "state": request["observation/state"], "policy_timing": {}}

    names = {FRONT: "observation/image", STATE: "observation/state", TASK: "prompt"}
    mapping = {"to_server": Renamed(names), "from_server": lambda actions: 90 * actions[:, :2]}
    with openpi_server(libero, {"reset_pose": [0.0]}) as (url, heard), RemotePolicy(url, **mapping) as policy:
        assert policy.features is None
        actions = policy.act(look()).actions
    np.testing.assert_array_equal(actions, np.full((10, 2), 90, np.float32))
    assert actions.dtype == np.float32 and heard[0]["prompt"] == look()[TASK]
    np.testing.assert_array_equal(heard[0]["observation/image"], look()[FRONT])


def test_the_traceback_of_an_openpi_server_is_passed_on_and_it_is_asked_again():
    def moody(request):
        return (
            "Traceback ...\nKeyError: 'prompt'" if request[TASK] == "wrong" else {"actions": np.ones((4, 2))}
        )

    with openpi_server(moody) as (url, heard), RemotePolicy(url) as policy:
        with pytest.raises(RemoteError, match="KeyError: 'prompt'"):
            policy.act(look(task="wrong"))
        assert len(policy.act(look())) == 4
        assert len(heard) == 2


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            {"action": np.zeros((4, 2))},
            RemoteError,
            "should answer with 'actions'.*sent NoneType beside action",
        ),
        ({"actions": [1, 2]}, RemoteError, "sent list of length 2 beside nothing"),
        ({"actions": np.zeros((1, 4, 2))}, RemoteError, r"sent float64 \[1, 4, 2\]"),
        ([1], RemoteError, "sent list of length 1 and not a map"),
        ({"actions": np.ones((4, 2), bool)}, RemoteError, r"in floats, but its actions are bool \[4, 2\]"),
        ({"actions": np.ones((4, 2), int)}, RemoteError, r"floats, but its actions are int64 \[4, 2\]"),
        ({"actions": np.zeros((320_000, 2))}, RemoteError, "320000 actions instead of 4096 at most"),
        ({"actions": np.full((4, 2), np.nan)}, NotFiniteError, "not finite"),
        ({"actions": np.full((4, 2), 1e300)}, NotFiniteError, "not finite"),
    ],
)
def test_an_answer_that_is_none_is_an_error_in_words(answer, error, words):
    with (
        openpi_server(lambda _: answer) as (url, _),
        RemotePolicy(url) as policy,
        pytest.raises(error, match=words),
    ):
        policy.act(look())


@pytest.mark.parametrize("rows", [1, 15, 17, 320_000])
def test_a_server_of_ours_that_answers_with_another_chunk_than_it_announced_is_refused(rows):
    metadata = {"server": "sayso", "features": FEATURES.to_json(), "chunk": 16}
    answer = {"actions": np.zeros((rows, 2), np.float32)}
    with (
        openpi_server(lambda _: answer, metadata) as (url, _),
        RemotePolicy(url) as policy,
        pytest.raises(RemoteError, match=f"answered with {rows} actions instead of the 16 it announced"),
    ):
        policy.act(look())


@contextmanager
def talking_server(converse):
    """Serve conversations of another kind."""
    with serve(converse, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("pause_s", [0.0, 0.6], ids=["at once", "later"])
def test_a_second_answer_to_one_question_is_not_taken_for_that_to_the_next(pause_s, monkeypatch):
    monkeypatch.setattr(
        remote, "SETTLE_S", 0.5
    )  # long enough for a busy machine; waiting ends with the answer

    def twice(connection):
        connection.send(pack({}))
        for message in connection:
            answer = pack({"actions": np.full((2, 2), unpack(message)[STATE][0], np.float32)})
            connection.send(answer)
            connection.send(answer)

    with talking_server(twice) as url, RemotePolicy(url) as policy:
        for k in range(4 if pause_s else 15):
            assert policy.act(look(float(k))).actions[0, 0] == k
            time.sleep(pause_s)


def test_a_server_that_speaks_before_it_is_asked_is_refused():
    def chatter(connection):
        for _ in range(20):
            connection.send(pack({"actions": np.zeros((2, 2), np.float32)}))
            time.sleep(0.001)

    with talking_server(chatter) as url, RemotePolicy(url) as policy:
        policy._answered = time.monotonic() + 5
        with pytest.raises(RemoteError, match="speaks before it is asked"):
            policy.act(look())


def test_what_the_policy_learned_from_comes_over_the_socket_too():
    rows = np.random.default_rng(0).normal(0, 1, (50, 2))

    class Learned(Homing):
        stats = {key: Stats.of(rows) for key in (STATE, ACTION)}  # noqa: RUF012

    with served(Learned) as url, RemotePolicy(url) as policy:
        assert policy.stats == Learned.stats
    nonsense = {"stats": {ACTION: {"min": 3}}}
    with (
        openpi_server(dict, metadata=nonsense) as (url, _),
        RemotePolicy(url) as policy,
        pytest.raises(RemoteError, match="tells statistics that are none"),
    ):
        _ = policy.stats


@pytest.mark.parametrize(("told", "words"), [({"words": "household"}, "household"), ({}, ""), ("no", "")])
def test_whether_a_policy_learned_many_words_comes_over_the_socket_too(told, words):
    with openpi_server(dict, metadata={"training": told}) as (url, _), RemotePolicy(url) as policy:
        assert policy.words == words


@pytest.mark.parametrize("wrong", [np.full(2, np.nan), np.zeros(3)], ids=["nan", "short"])
def test_statistics_that_do_not_belong_to_the_policy_are_refused(wrong):
    told = {name: list(wrong) for name in ("mean", "std", "min", "max")}
    says = {"server": "sayso", "features": FEATURES.to_json(), "stats": {ACTION: told}}
    with (
        openpi_server(dict, metadata=says) as (url, _),
        RemotePolicy(url) as policy,
        pytest.raises(RemoteError, match="'action' that are none: they should be 2 finite numbers"),
    ):
        _ = policy.stats


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (None, "not as sayso writes them"),
        ({}, "features lack 'robot_type'"),
        ({"fps": "fast"}, "could not convert string to float: 'fast'"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"robot_type": ["so101"]}, "robot_type is"),
        ({"action": []}, "a policy moves something"),
        ({"state": [["x", "m"], ["x", "m"]]}, "has 'x', but names are texts, each of them once"),
        ({"state": [[1, "m"], ["y", "m"]]}, "has 1, but names are texts"),
        ({"cameras": ["front"]}, "not as sayso writes them"),
        ({"cameras": {"front": [0, 8]}}, r"cameras.front is \[0, 8\], but both must be whole numbers"),
        ({"cameras": {"front": [10**9, 10**9]}}, "from 1 to 16384"),
        ({"scaled_from": {"nowhere": [8, 8]}}, "the camera one of front, wrist"),
    ],
)
def test_a_server_that_says_what_no_policy_can_see_is_refused_in_words(features, words):
    whole = FEATURES.to_json() | features if features else features
    with (
        openpi_server(dict, metadata={"server": "sayso", "features": whole}) as (url, _),
        RemotePolicy(url) as policy,
        pytest.raises(RemoteError, match=words),
    ):
        _ = policy.features


def test_a_server_that_cannot_introduce_itself_is_an_error_in_words():
    with (
        openpi_server(dict, metadata="no policy today") as (url, _),
        pytest.raises(RemoteError, match="no policy today"),
    ):
        RemotePolicy(url)


def test_a_name_that_the_observation_lacks_is_an_error_in_words():
    renamed = Renamed({"observation.images.top": "top"})
    with (
        served() as url,
        RemotePolicy(url, to_server=renamed) as policy,
        pytest.raises(RemoteError, match=r"observation\.images\.top should be sent"),
    ):
        policy.act(look())


@pytest.fixture
def small(monkeypatch):
    """Let the command line find the small worlds under their names."""
    for name, row in SMALL_WORLDS.own.items():
        monkeypatch.setitem(WORLDS.own, name, row)


def test_a_policy_elsewhere_is_evaluated_like_one_that_is_here(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SAYSO_TOKEN", "s3cret")
    out = tmp_path / "report.json"
    facts = {"training": {"datasets": {"spots": "abc"}, "seeds": [[1, 20]]}, "weights": "0123"}
    with served(Homing, token="s3cret", about=facts) as url:
        given = ["eval", url, "--world", "spots", "--families", "go", "--episodes", "2", "--workers", "1"]
        assert cli.main([*given, "--out", str(out)]) == 0
    raw = json.loads(out.read_text())
    assert raw["n"] == 2 and raw["config"]["policy"] == url
    told = {
        "datasets": {"spots": "abc"},
        "seeds": [[1, 20]],
        "seedless": [],
        "left_out": {},
        "sentences": [],
        "words": "",
        "within": {},
    }
    assert raw["training"] == told
    assert "s3cret" not in out.read_text() + capsys.readouterr().out


def test_the_command_line_takes_only_servers_that_say_what_they_understand():
    with openpi_server(dict) as (url, _), pytest.raises(SaysoError, match="does not say which names"):
        loading.policy_and_features(url, threads=1)


@pytest.mark.parametrize("training", [[1], {"seeds": [1]}, {"seeds": [["a", "b"]]}, {"datasets": 3}])
def test_a_server_that_tells_nonsense_about_its_training_is_refused(training):
    with served(about={"training": training}) as url, pytest.raises(SaysoError, match="learned from"):
        loading.learned_from(url)


def test_a_policy_for_another_robot_is_refused_before_it_moves_this_one(monkeypatch):
    from dataclasses import replace

    world = SpotWorld()
    world.features = replace(FEATURES, robot_type="lekiwi")
    with served() as url, pytest.raises(Exception, match="'point' in the policy and 'lekiwi' in the world"):
        loading.maker_of(url)(world)


def test_nobody_at_the_address_is_refused_in_one_line(small, capsys, monkeypatch):
    with served() as url:
        pass
    monkeypatch.setattr("sayso.runtime.remote.FIRST_PAUSE_S", 20.0)
    assert cli.main(["eval", url, "--world", "spots"]) == 2
    assert capsys.readouterr().err.startswith(f"sayso: nothing listens at {url}: start")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "nowhere"], "there is no checkpoint folder 'nowhere'"),
        (["serve", "nowhere", "--port", "70000"], "ports run from 0 (any that is free) to 65535"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("sayso: ") and words in captured.err
    assert len(captured.err.splitlines()) == 1


def test_policies_of_one_server_share_weights_and_no_memory():
    import torch

    from sayso.data.statistics import Stats
    from sayso.models.table import build
    from sayso.spec import ACTION

    stats = {key: Stats.of(np.random.default_rng(0).normal(0, 1, (50, 2))) for key in (STATE, ACTION)}
    torch.manual_seed(0)
    policy = build("vla", preset="tiny", features=FEATURES, stats=stats, decoder="flow")
    own, other, alone = (loading.with_its_own_memory(policy) for _ in range(3))
    assert own.model is other.model is policy.model

    for policy_of_a_client, looks in ((own, 1), (other, 2), (alone, 1)):
        for _ in range(looks):
            policy_of_a_client.act(look(0.0))
    unmixed = alone.act(look(0.5)).actions
    np.testing.assert_array_equal(own.act(look(0.5)).actions, unmixed)
    assert (other.act(look(0.5)).actions != unmixed).any(), "its noise is one look further"
