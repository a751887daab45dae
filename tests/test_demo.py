"""Facts about the demonstration, in a small room with a point for a robot and in the real home."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sayso.data.normalize import Stats
from sayso.data.video import decode_video
from sayso.demo import DemoConfig, Demonstration, demo, errands
from sayso.models.policy import CheckpointError, build, save
from sayso.spec import ACTION, STATE, Array, Chunk, FeatureMismatchError, Image, Observation
from sayso.tasks.language import NotUnderstoodError, parse, things
from sayso.tasks.world import make_world
from small_worlds import SpotExpert, SpotTask, SpotWorld, Still

HOME = ["blue tray", "red bowl", "green block", "pink can", "cyan block", "grey bin by the sofa"]


class SpotRoom(SpotWorld):
    """Call the spots blocks, and bring the point to the one that is asked for."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        self.families = SpotWorld.families  # the small world draws its own sentence, which nobody hears here
        begin = super().reset(seed=seed, options=options)
        self.families = ("put",)
        return begin

    def describe(self) -> list[str]:
        return ["blue tray", *(f"{colour} block" for colour in self.spots)]

    def instruct(self, sentence: str) -> Observation:
        intent = parse(sentence, things(self.describe()))
        self.task = SpotTask(
            family="put", instruction=sentence, horizon=self.horizon, colour=intent.object.colour
        )
        self.steps = 0
        return self._observe()

    def render(self) -> Image | None:
        return None

    def step(self, action: Array) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.moves = getattr(self, "moves", 0) + 1
        return super().step(action)


class Breaks:
    """Be a policy that raises."""

    def reset(self) -> None: ...

    def act(self, observation: Observation) -> Chunk:
        raise RuntimeError("the camera was unplugged")


class Show:
    """Hold a demonstration in the small room and what it printed."""

    def __init__(self, films: Path, policy: Any = None, seed: int = 0) -> None:
        self.room = SpotRoom()
        self.text = io.StringIO()
        console = Console(file=self.text, width=400, highlight=False)
        self.demonstration = Demonstration(self.room, policy or SpotExpert(self.room), console, films, seed)

    def hear(self, monkeypatch: pytest.MonkeyPatch, *lines: str) -> str:
        """Type lines at the prompt, then end the input, and return what was printed."""
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        self.demonstration.prompt()
        return self.text.getvalue()


def test_errands_take_turns_and_are_understood_in_their_room() -> None:
    sentences = errands(HOME, ("put", "fetch"), 3, np.random.default_rng(0))
    intents = [parse(sentence, things(HOME)) for sentence in sentences]
    assert [intent.family for intent in intents] == ["put", "fetch", "put"]
    assert [intent.object.name for intent in intents] == ["green block", "pink can", "cyan block"]


def test_a_room_without_places_has_no_errands() -> None:
    with pytest.raises(NotUnderstoodError, match="nothing to ask for"):
        errands(["red block"], ("put",), 1, np.random.default_rng(0))


def test_the_expert_carries_out_three_instructions_in_one_room(tmp_path: Path) -> None:
    show = Show(tmp_path)
    spots = dict(show.room.spots)
    episodes = show.demonstration.run(3)
    assert [episode.success for episode in episodes] == [True, True, True]
    assert len({episode.instruction for episode in episodes}) == 3
    assert all(np.array_equal(spots[colour], place) for colour, place in show.room.spots.items())
    assert "first motion" in show.text.getvalue()
    assert show.text.getvalue().count("success (at_spot yes, slow yes)") == 3


def test_each_instruction_leaves_a_film_of_its_own(tmp_path: Path) -> None:
    show = Show(tmp_path)
    episode = show.demonstration.run(2)[0]
    films = sorted(tmp_path.glob("*.mp4"))
    assert [film.name[:2] for film in films] == ["1-", "2-"]
    assert len(list(decode_video(films[0]))) in (episode.steps // 2, episode.steps // 2 + 1)


def test_a_failure_is_told_with_the_condition_that_did_not_hold_and_is_no_crash(tmp_path: Path) -> None:
    show = Show(tmp_path, Still())
    assert not show.demonstration.run(1)[0].success
    assert "failure (at_spot NO, slow yes)" in show.text.getvalue()
    assert not show.demonstration.crashed


def test_a_crash_is_told_as_a_crash(tmp_path: Path) -> None:
    show = Show(tmp_path, Breaks())
    show.demonstration.run(1)
    assert "crashed after 0 steps" in show.text.getvalue()
    assert "the camera was unplugged" in show.text.getvalue()
    assert show.demonstration.crashed


def test_the_robot_stays_still_when_it_does_not_understand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Show(tmp_path, Breaks())
    text = show.hear(monkeypatch, "make me a sandwich", "put the brown block in the blue tray")
    assert "I did not understand 'make', 'me', 'sandwich'" in text
    assert "I can put a thing into a tray or a bowl" in text
    assert "There is no brown block here" in text
    assert text.count("The robot stays where it is.") == 2
    assert not hasattr(show.room, "moves")
    assert not show.demonstration.crashed


def test_a_typed_instruction_is_carried_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show = Show(tmp_path)
    colour = next(iter(show.room.spots))
    text = show.hear(monkeypatch, f"Please put the {colour} cube in the tray!", "quit", "new")
    assert "success" in text
    assert show.room.np_random_seed == 2_000_000


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
    assert "failure (object_in_place NO" in printed
    assert "to type instructions of your own" in printed
    assert next(decode_video(next(tmp_path.glob("1-*.mp4")))).shape[0] % 2 == 0


def test_a_policy_of_another_robot_is_refused(tmp_path: Path) -> None:
    config = DemoConfig(checkpoint=untrained(tmp_path), films=tmp_path, world="tabletop")
    with pytest.raises(FeatureMismatchError, match="lekiwi"):
        demo(config)


def test_a_missing_checkpoint_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* train one with `sayso record`"):
        demo(replace(DemoConfig(), checkpoint=tmp_path / "nothing"))
