"""Facts about the demonstration, in a small room with a point for a robot and in the real home."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sayso import onlooker
from sayso.data.statistics import Stats
from sayso.demo import DemoConfig, Demonstration, at_terminal, demo
from sayso.evaluation.planner import BROKEN_OFF
from sayso.models.checkpoint import CheckpointError, save
from sayso.models.table import build
from sayso.runtime.typed import Typed
from sayso.spec import ACTION, STATE, Chunk, FeatureMismatchError, Observation, SaysoError
from sayso.tasks.household.words.plan import Decomposer, decompose
from sayso.tasks.worlds import WORLDS, make_world
from small_rooms import SpotRoom
from small_videos import whole_video
from small_worlds import SpotExpert, Still


class Breaks:
    """Be a policy that raises."""

    def reset(self) -> None: ...

    def act(self, observation: Observation) -> Chunk:
        raise RuntimeError("the camera was unplugged")


class Show:
    """Hold a demonstration in the small room and what it printed."""

    def __init__(
        self, films: Path, policy: Any = None, seed: int = 0, decomposer: Decomposer = decompose
    ) -> None:
        self.room = SpotRoom()
        self.text = io.StringIO()
        console = Console(file=self.text, width=400, highlight=False)
        self.demonstration = Demonstration(
            self.room, policy or SpotExpert(self.room), console, films, seed, decomposer=decomposer
        )

    def hear(self, monkeypatch: pytest.MonkeyPatch, *lines: str) -> str:
        """Type lines at the prompt, then end the input, and return what was printed."""
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        self.demonstration.prompt()
        return self.text.getvalue()


def test_the_expert_carries_out_three_instructions_in_one_room(tmp_path: Path) -> None:
    show = Show(tmp_path)
    spots = dict(show.room.spots)
    reports = show.demonstration.run(3)
    assert [report.success for report in reports] == [True, True, True]
    assert len({report.asked for report in reports}) == 3
    assert all(np.array_equal(spots[colour], place) for colour, place in show.room.spots.items())
    assert "first motion" in show.text.getvalue()
    assert show.text.getvalue().count("success (at_spot yes, slow yes)") == 3


def test_each_instruction_leaves_a_film_of_its_own(tmp_path: Path) -> None:
    show = Show(tmp_path)
    episode = show.demonstration.run(2)[0].steps[0].episode
    films = sorted(tmp_path.glob("*.mp4"))
    assert [film.name[:2] for film in films] == ["1-", "2-"]
    assert len(list(whole_video(films[0]))) in (episode.steps // 2, episode.steps // 2 + 1)


def test_a_failure_is_told_with_the_condition_that_did_not_hold_and_is_no_crash(tmp_path: Path) -> None:
    show = Show(tmp_path, Still())
    (report,) = show.demonstration.run(1)
    assert not report.success and [step.reason for step in report.steps] == ["asked", "again"]
    assert show.text.getvalue().count("failure (at_spot NO, slow yes)") == 2
    assert not show.demonstration.crashed


class Interrupts(Still):
    """Have somebody press Ctrl-C at the third question."""

    asked = 0

    def act(self, observation: Observation) -> Chunk:
        self.asked += 1
        if self.asked == 3:
            raise KeyboardInterrupt
        return super().act(observation)


def test_after_ctrl_c_the_planner_knows_that_it_does_not_know_where_the_robot_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Show(tmp_path, Interrupts())
    text = show.hear(monkeypatch, f"put the {next(iter(show.room.spots))} block in the tray", "scene")
    assert "Stopped." in text and text.count("In this room") == 2, "the prompt goes on"
    assert show.demonstration._last is BROKEN_OFF


def test_a_prompt_without_anybody_to_type_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert not at_terminal()
    Show(tmp_path).demonstration.prompt()


def test_a_film_that_cannot_be_written_costs_no_demonstration(tmp_path: Path) -> None:
    (tmp_path / "films").write_text("a file")
    show = Show(tmp_path / "films")
    assert show.demonstration.run(1)[0].success
    assert "no film: " in show.text.getvalue() and "cannot be written" in show.text.getvalue()


def test_the_scene_that_is_shown_first_was_chosen_and_another_can_be_asked_for() -> None:
    assert DemoConfig().scene == WORLDS["home"].shown_seed and DemoConfig(seed=0).scene == 0
    for bad in ({"seed": -1}, {"instructions": -1}, {"threads": 0}):
        with pytest.raises(SaysoError, match=f"{next(iter(bad))} is "):
            DemoConfig(**bad)


def test_a_crash_is_told_as_a_crash_and_not_tried_again(tmp_path: Path) -> None:
    show = Show(tmp_path, Breaks())
    (report,) = show.demonstration.run(1)
    assert len(report.steps) == 1
    assert "crashed after 0 steps" in show.text.getvalue()
    assert "the camera was unplugged" in show.text.getvalue()
    assert show.demonstration.crashed


def test_the_robot_stays_still_when_it_does_not_understand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Show(tmp_path, Breaks())
    text = show.hear(monkeypatch, "make me a sandwich", "put the brown block in the blue tray")
    assert "I did not understand 'sandwich' in 'make me a sandwich'" in text
    assert 'I can: "put the' in text
    assert "There is no brown block here" in text
    assert text.count("The robot stays where it is.") == 2
    assert show.room.moves == 0
    assert not show.demonstration.crashed


def test_a_typed_instruction_is_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show = Show(tmp_path)
    colour = next(iter(show.room.spots))
    text = show.hear(monkeypatch, f"Please put the {colour} cube in the tray!", "quit", "new")
    assert "success" in text
    assert show.room.np_random_seed == 2_000_000


def test_a_policy_of_many_words_hears_what_was_typed_and_another_the_plainest_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, said in (
        ("household", "Kindly deposit the {} cube in the blue tray"),
        ("", "put the {} block in"),
    ):
        show = Show(tmp_path)
        show.demonstration.policy.words = words
        colour = next(iter(show.room.spots))
        text = show.hear(monkeypatch, f"Kindly deposit the {colour} cube in the tray")
        assert f'1. "{said.format(colour)}' in text and "success" in text


def test_what_is_asked_in_one_breath_is_done_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Show(tmp_path)
    one, other, _ = show.room.spots
    text = show.hear(monkeypatch, f"put the {one} block in the tray, then put the {other} block in the bowl")
    assert f'1. "put the {one} block in the blue tray"' in text
    assert f'2. "put the {other} block in the white bowl"' in text
    assert "2 of 2 steps done" in text
    assert len(list(tmp_path.glob("*.mp4"))) == 2


def test_what_was_so_already_is_said_to_have_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show = Show(tmp_path)
    asked = f"put the {next(iter(show.room.spots))} block in the tray"
    assert "it was so already" not in show.hear(monkeypatch, asked)
    assert "it was so already" in show.hear(monkeypatch, asked)


def test_a_language_model_that_cannot_be_reached_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decomposer = DemoConfig(llm_url="http://127.0.0.1:9/v1", llm_model="any").decomposer()
    show = Show(tmp_path, Breaks(), decomposer=decomposer)
    text = show.hear(monkeypatch, "tidy up, would you")
    assert "cannot reach a language model at http://127.0.0.1:9/v1" in text
    assert "The robot stays where it is." in text
    assert show.room.moves == 0


def test_scene_says_what_is_there_and_new_makes_another_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Show(tmp_path)
    before = show.room.describe()
    text = show.hear(monkeypatch, "scene", "", "new")
    assert text.count(f"In this room (test seed 0): {', '.join(before)}.") == 2
    assert show.room.np_random_seed == 2_000_001
    assert f"In this room (test seed 1): {', '.join(show.room.describe())}." in text


def untrained(folder: Path) -> Path:
    """Save a tiny policy for the home that has learnt nothing."""
    world = make_world("home")
    widths = {STATE: len(world.features.state), ACTION: len(world.features.action)}
    stats = {
        key: Stats.of(np.random.default_rng(0).normal(size=(50, width))) for key, width in widths.items()
    }
    save(build("vla", preset="tiny", features=world.features, stats=stats), folder)
    world.close()
    return folder


def test_a_policy_that_fails_in_the_real_home_is_no_crash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = DemoConfig(
        checkpoint=untrained(tmp_path / "policy"),
        films=tmp_path,
        instructions=1,
        interactive=False,
        threads=1,
    )
    assert demo(config) == 0
    printed = capsys.readouterr().out
    assert re.search(r"failure: (it|the) \w+", printed) and " NO" in printed
    assert "to type instructions of your own" in printed
    assert next(whole_video(next(tmp_path.glob("1-*.mp4")))).shape[0] % 2 == 0


def test_a_policy_of_another_robot_is_refused(tmp_path: Path) -> None:
    config = DemoConfig(checkpoint=untrained(tmp_path), films=tmp_path, world="tabletop")
    with pytest.raises(FeatureMismatchError, match="lekiwi"):
        demo(config)


def test_a_missing_checkpoint_says_how_to_get_one(tmp_path: Path) -> None:
    assert DemoConfig(world="tabletop").subject == Path("checkpoints/tabletop")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* train one with `sayso record`"):
        demo(replace(DemoConfig(), checkpoint=tmp_path / "nothing"))


def test_the_other_one_typed_while_it_moves_is_carried_out_instead(tmp_path: Path, monkeypatch) -> None:
    said: list[str] = []

    @contextlib.contextmanager
    def typing(typed: Typed, *, lines: bool):
        for line in () if said else ("no, the othr one", "no, the other one", "the green one"):
            said.append(line)
            typed.line(line)
        yield "keys"

    monkeypatch.setattr(onlooker, "listening", typing)
    show = Show(tmp_path)
    assert list(show.room.spots) == ["red", "blue", "green"]
    report = show.demonstration.tell("put the red block in the blue tray")
    episode = report.steps[0].episode
    assert report.success and len(report.steps) == 1 and episode.success
    assert episode.instruction == "put the green block in the blue tray"
    text = show.text.getvalue()
    assert "the green one: understood, put the green block in the blue tray" in text
    assert "Which other block? There is the blue block, the green block" in text
    assert 'did you mean "the other one"' in text
