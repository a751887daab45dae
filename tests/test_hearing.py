"""Whoever asks a policy for something is told what it cannot read of it, before anything moves."""

from __future__ import annotations

import pytest
from websockets.sync.client import connect

from sayso import cli
from sayso.models.words import Reading
from sayso.runtime.hearing import NotHeardError, not_heard, not_learned
from sayso.runtime.limits import limits_of
from sayso.runtime.loop import LoopConfig, drive
from sayso.runtime.remote import RemoteError, RemotePolicy
from sayso.runtime.robot import DryRun
from sayso.runtime.run import RunConfig, run
from sayso.runtime.wire import pack, unpack
from sayso.sim.robots import SO101
from sayso.spec import TASK, ConfigError, Features
from small_drivers import Driver, Steady
from small_servers import Remembering, look, served

ARM = SO101.features()
LONG = (
    "hey, could you please now just carefully and gently go ahead and put the white can that is there over "
    "in the yellow tray"
)
FOREIGN = ("Поставь банку в лоток", "😀 😀 😀", "😀 the ไป ครับ")


class Reader(Steady):
    """Read so many word pieces."""

    def hear(self, instruction: str) -> Reading:
        return Reading.of(instruction, 24)


class RemoteReader(Remembering):
    """Read so many word pieces."""

    def hear(self, instruction: str) -> Reading:
        return Reading.of(instruction, 24)


def driven(robot, instruction, told):
    return drive(
        robot,
        Reader([0.0] * 6),
        instruction,
        features=ARM,
        limits=limits_of(ARM, imagined=True),
        config=LoopConfig(seconds=0.2, rest_s=0),
        tell=told.append,
    )


@pytest.mark.parametrize("instruction", FOREIGN)
def test_a_robot_that_could_break_is_not_moved_by_words_that_its_policy_cannot_read(instruction):
    robot, told = Driver(ARM), list[str]()
    with pytest.raises(NotHeardError, match="cannot read most words of the instruction"):
        driven(robot, instruction, told)
    assert robot.sent == []
    driven(DryRun(robot, lambda _: None), instruction, told)
    assert robot.sent == [] and len(told) == 1 and "say it in plain English" in told[0]


def test_what_is_cut_is_said_once_before_a_robot_moves():
    robot, told = Driver(ARM), list[str]()
    report = driven(robot, LONG, told)
    assert robot.sent and not report.fault
    (line,) = told
    assert line.startswith("the policy reads 24 word pieces of an instruction and does not hear 'the yellow ")


class Learned(Reader):
    """Have learned two sentences."""

    sentences = ("put the red block in the bowl", "open the drawer")


@pytest.mark.parametrize(
    ("asked", "near"),
    [("place the crimson cube into the dish", "put the red block"), ("shut the drawer", "open the drawer")],
)
def test_a_sentence_that_was_never_learned_is_carried_out_and_the_nearest_is_named(asked, near):
    (said,) = not_heard(Learned([0.0]), asked)
    assert said.startswith(
        f"{asked!r} is none of the 2 instructions that the policy learned; nearest is '{near}"
    )


@pytest.mark.parametrize("asked", ["open the drawer", "Open the drawer"])
def test_a_sentence_that_was_learned_is_carried_out_without_a_word(asked):
    assert not_heard(Learned([0.0]), asked) == () == not_heard(Reader([0.0]), "shut the drawer")


def test_of_many_sentences_that_were_never_learned_three_are_named():
    told = [*not_learned(Learned.sentences, ["open the drawer", *(f"open the {k}th box" for k in range(5))])]
    assert len(told) == 4 and told[-1] == "and 2 more instructions that it never learned"
    assert [*not_learned((), ["open the box"])] == []


@pytest.mark.parametrize("instruction", ["!!!", " . ", "..."])
def test_signs_alone_are_an_empty_instruction(instruction):
    with pytest.raises(NotHeardError, match="the instruction is empty"):
        run(Reader([0.0] * 6), ARM, instruction, RunConfig(robot="dry"), print)


def test_a_policy_that_does_not_tell_what_it_reads_is_asked_all_the_same():
    assert not_heard(Steady([0.0]), "😀") == ()


def test_a_word_that_is_said_often_counts_as_often():
    assert Reading.of("😀 😀 😀 go").is_foreign and not Reading.of("put the 😀 can there").is_foreign


def test_a_shipped_policy_is_told_in_short_what_the_simulation_understood(capfd):
    given = ["run", "checkpoints/tabletop", LONG, "--seconds", "0.2", "--rest-s", "0"]
    assert cli.main(given) == 0
    said = capfd.readouterr()
    assert said.out.count("does not hear") == 1 and "does not hear" not in said.err
    assert '"put the white can in the yellow tray"; ' in said.out


def test_a_shipped_policy_without_a_robot_says_once_what_it_does_not_hear(capfd):
    given = ["run", "checkpoints/tabletop", LONG, "--robot", "dry", "--seconds", "0.2", "--rest-s", "0"]
    assert cli.main(given) == 0
    said = capfd.readouterr()
    assert said.out.count("does not hear 'the yellow tray'") == 1
    assert "does not hear" not in said.err


def test_a_client_is_told_what_is_not_heard_and_refused_what_is_not_read():
    with served(RemoteReader) as url, connect(url, compression=None) as client:
        assert unpack(client.recv())["max_words"] == 24
        for task, words in ((LONG, "does not hear"), ("go to the red spot", "")):
            client.send(pack(look(**{TASK: task})))
            told = unpack(client.recv()).get("warnings", [])
            assert len(told) == bool(words) and words in "".join(told)
        for instruction in FOREIGN:
            client.send(pack(look(**{TASK: instruction})))
            assert "say it in plain English" in client.recv()
        client.send(pack(look()))
        assert len(unpack(client.recv())["actions"]) == 3


def test_a_policy_elsewhere_tells_as_one_that_is_here(caplog):
    with served(RemoteReader) as url, RemotePolicy(url) as policy:
        for _ in range(2):
            policy.act(look(**{TASK: LONG}))
        assert [record.message.count("does not hear") for record in caplog.records] == [1], "once"
        caplog.clear()
        told = not_heard(policy, f"now {LONG}")
        policy.act(look(**{TASK: f"now {LONG}"}))
        assert len(told) == 1 and not caplog.records, "whoever asks is told, and the log is not"
        with pytest.raises(RemoteError, match="plain English"):
            policy.act(look(**{TASK: FOREIGN[0]}))


@pytest.mark.parametrize("told", [{"max_words": "many"}, {"max_words": -3}, {"max_words": None}, {}])
def test_a_server_that_does_not_say_what_it_reads_is_believed_to_read_all(told):
    with served() as url, RemotePolicy(url) as policy:
        policy.metadata = {**policy.metadata, **told}
        assert not_heard(policy, FOREIGN[0]) == ()


def test_letters_that_are_no_unicode_break_nothing():
    assert Reading.of("put the \udcff can").words == 3


@pytest.mark.parametrize("rate", [1e9, float("nan"), 0, -1])
def test_a_rate_at_which_a_loop_would_never_end_is_refused(rate):
    with pytest.raises(ConfigError, match="must be"):
        Features.from_json(ARM.to_json() | {"fps": rate})
    if rate > 0:
        with pytest.raises(ConfigError, match="hz is 1e"):
            LoopConfig(hz=rate)


def test_a_config_without_a_bottom_is_refused_in_one_sentence(tmp_path, capsys):
    (tmp_path / "config.json").write_text("[" * 200_000)
    assert cli.main(["run", str(tmp_path), "go", "--robot", "dry"]) == 2
    assert "Traceback" not in capsys.readouterr().err
