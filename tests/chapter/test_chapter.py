"""Type the textbook's chapter as docs/chapter.md shows it, run it, and hold what answers it to its word."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import sayso
from sayso.chapter.body import Body, Capture, RobotCamera, RobotInterface
from sayso.chapter.evaluation import (
    MobileManipulator,
    action_accuracy,
    demonstrations,
    evaluate_model,
    execute_and_evaluate,
)
from sayso.chapter.terminal import Ended, TerminalInterface
from sayso.evaluation.rollout import rollout
from sayso.models.baselines.resnet import stand_in_for_torchvision
from sayso.models.baselines.textbook import LanguageEncoder, VisionLanguageActionModel
from sayso.models.checkpoint import load
from sayso.runtime.robot import ImaginedRobot
from sayso.sim.robots import LEKIWI
from sayso.spec import ConfigError, FeatureMismatchError, SaysoError, seeds
from sayso.tasks.worlds import make_world

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "chapter.md").read_text(encoding="utf-8")
PROGRAM = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
SNIPPETS = re.findall(r"^<!-- the chapter -->\n```python\n(.*?)^```", PAGE, re.M | re.S)
DIGESTS = [
    "680beeb8c4e30aaa",
    "dec58f1172aa8bd9",
    "5b8de88af6d436a8",
    "9ef00b4940a191e2",
    "a8ada04ccb0e1dde",
    "344af9fe4fdab35a",
]
"""What the chapter's own six snippets come to, in their order (SHA-256, its first 16 digits)."""
SENTENCES = ["put the red block in the blue tray", "Öffne die Schublade!"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def table():
    world = make_world("tabletop", family="put")
    yield world
    world.close()


def still(image, instruction):
    """Answer with the seven numbers that move nothing."""
    return torch.tensor([[0.0, 0, 0, 0, 0, 0, 0.5]])


def test_the_page_shows_the_chapter_s_snippets_letter_by_letter_and_in_its_order():
    found = [hashlib.sha256(snippet.encode()).hexdigest()[:16] for snippet in SNIPPETS]
    assert found == DIGESTS


@pytest.mark.timeout(900)
def test_the_whole_page_runs_as_typed_in_a_fresh_process_and_ctrl_c_ends_its_loop(tmp_path):
    program = tmp_path / "typed.py"
    program.write_text("\n".join(PROGRAM), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYTHONPATH")}
    run = subprocess.Popen(
        [sys.executable, "-u", str(program)], cwd=ROOT, text=True, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    said = []
    with run:
        late = threading.Timer(600, run.kill)
        late.start()
        for line in run.stdout:
            said.append(line)
            if line.startswith("There is: "):
                thing = line.removeprefix("There is: ").split(",")[0]
                run.stdin.write(f"make coffee\ngo to the {thing}\n")
                run.stdin.flush()
            if line.startswith("What shall I do? go to"):
                time.sleep(2)
                run.send_signal(signal.SIGINT)
        errors = run.stderr.read()
        late.cancel()
    out = "".join(said)
    assert run.returncode == 0, errors
    assert "Traceback" not in errors
    losses = [float(number) for number in re.findall(r"^loss (\S+)$", out, re.M)]
    assert losses[0] > losses[1]
    assert "I did not understand" in out
    assert "Goodbye.\nand on we go\n" in out
    assert "the chapter's model: 0%\n" in out
    assert "sayso's policy: 100%\n" in out


class Typed(nn.Module):
    """Be the chapter's class, in a file of its own, with the smallest of eyes."""

    def __init__(self, action_dim=7):
        super().__init__()
        self.vision_encoder = nn.Sequential(nn.Conv2d(3, 2048, 32, 32), nn.AdaptiveAvgPool2d(1))
        self.language_encoder = LanguageEncoder("minilm")
        self.action_decoder = sayso.ActionDecoder(latent_dim=2048 + 768, action_dim=action_dim)

    def forward(self, images, instructions):
        vision_features = self.vision_encoder(images)
        language_features = self.language_encoder(instructions)
        actions = self.action_decoder(vision_features, language_features)

        return actions


@pytest.mark.parametrize("kind", [Typed, lambda: VisionLanguageActionModel(pretrained=False)])
def test_a_scripted_model_takes_a_list_of_sentences_and_is_the_eager_one(kind):
    model = kind().eval()
    images = torch.randn(2, 3, 64, 64)
    scripted = torch.jit.script(model)
    kept = io.BytesIO()
    torch.jit.save(scripted, kept)
    kept.seek(0)
    with torch.no_grad():
        eager = model(images, SENTENCES)
        assert (scripted(images, SENTENCES) - eager).abs().max() < 1e-4
        assert (torch.jit.load(kept)(images, SENTENCES) - eager).abs().max() < 1e-4
        assert (torch.jit.script(copy.deepcopy(model))(images, SENTENCES) - eager).abs().max() < 1e-4
    assert type(model.language_encoder) is LanguageEncoder, "the model itself is as it was"
    assert model(images[:1], SENTENCES[0]).shape == (1, 7), "and still takes one sentence alone"


def test_a_typed_class_without_a_source_says_why_it_cannot_be_compiled():
    space = {"nn": nn, "LanguageEncoder": LanguageEncoder}
    exec(  # as at a prompt, which keeps no source
        "class Nowhere(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.words = LanguageEncoder('minilm')\n"
        "    def forward(self, sentences):\n"
        "        return self.words(sentences)\n",
        space,
    )
    with pytest.raises(SaysoError, match="file or a notebook"):
        torch.jit.script(space["Nowhere"]())


def test_torchvision_s_place_is_taken_only_where_there_is_none(monkeypatch):
    theirs = types.ModuleType("torchvision")
    with monkeypatch.context() as installed:
        installed.setitem(sys.modules, "torchvision", theirs)
        assert not stand_in_for_torchvision()
        assert not hasattr(theirs, "models")
    before = set(sys.modules)
    try:
        if stand_in_for_torchvision():
            from torchvision import models

            assert models.resnet50 is sayso.models.baselines.resnet.resnet50
            assert stand_in_for_torchvision()
    finally:
        for name in {"torchvision", "torchvision.models"} - before:
            sys.modules.pop(name, None)


def test_all_names_can_be_imported_with_a_star_and_singly():
    space: dict = {}
    exec("from sayso import *", space)
    assert set(sayso.__all__) <= set(space)
    assert {"VisionEncoder", "LanguageEncoder", "ActionDecoder", "VisionLanguageActionModel"} <= set(space)
    assert {"RobotInterface", "robot", "robot_camera", "user_interface", "MobileManipulator"} <= set(space)
    assert {"train_step", "evaluate_model", "execute_and_evaluate", "demonstrations", "load"} <= set(space)
    with pytest.raises(AttributeError, match="VisionEncoder"):
        _ = sayso.VisionEncodr


def test_the_expert_s_moves_succeed_in_the_chapter_s_loop_and_doing_nothing_fails(table):
    tests = demonstrations(table, 2, family="put")
    for key in ("action", "hand_move"):
        successes = [execute_and_evaluate(demo["image"], demo[key]) for demo in tests]
        assert sum(successes) == len(tests) == 2, f"{key} did not bring the things there"
        assert len(successes) > 20, "one turn of the loop for each step"
    assert evaluate_model(still, demonstrations(table, 1, longest_s=0.3)) == 0.0


def test_a_policy_s_share_of_successes_is_that_of_its_rollouts(table):
    policy = load(ROOT / "checkpoints" / "tabletop")
    chosen = seeds("test", 2, start=4)
    expected = [rollout(table, policy, seed, family="put").success for seed in chosen]
    tests = demonstrations(table, 2, start=4, family="put")
    assert list(tests.seeds) == chosen
    assert evaluate_model(policy, tests) == sum(expected) / 2
    assert evaluate_model(policy, tests[1:]) == expected[1]


def test_who_executes_nothing_sees_every_beginning_once(table):
    tests = demonstrations(table, 3)
    begun = list(tests)
    assert [demo["seed"] for demo in begun] == seeds("test", 3)
    assert torch.equal(begun[1]["image"], tests[1]["image"])
    assert begun[0]["image"].shape == (1, 3, 224, 224)
    assert isinstance(begun[0]["instruction"], list)
    assert begun[0]["hand_move"].shape == (7,)


def test_an_action_is_executed_in_the_scene_that_its_picture_shows(table):
    first, second = demonstrations(table, 2)[0], demonstrations(table, 2)[1]
    away = torch.full((6,), 40.0)
    felt = []
    for demo in (first, second, first):  # each time from the beginning of that very episode
        execute_and_evaluate(demo["image"], away)
        felt.append(np.array(list(demo["image"].body.robot.get_observation().values())[:6]))
    np.testing.assert_array_equal(felt[0], felt[2])
    old = first["image"].body.look()
    execute_and_evaluate(old, away)
    with pytest.raises(SaysoError, match="newest picture"):
        execute_and_evaluate(old, away)
    with pytest.raises(SaysoError, match="which scene"):
        execute_and_evaluate(torch.zeros(1, 3, 224, 224), away)


def test_the_open_loop_share_judges_each_first_action_alone(table):
    tests = list(demonstrations(table, 2))
    answers = iter([tests[0]["action"] + 0.09, tests[1]["action"] + 0.11])
    assert action_accuracy(lambda image, instruction: next(answers)[None], tests) == 0.5
    for share in (action_accuracy, evaluate_model):
        with pytest.raises(ConfigError, match="no demonstrations"):
            share(still, [])


def test_evaluating_leaves_a_model_learning_as_it_was(table):
    model = Typed()
    before = copy.deepcopy(model.state_dict())
    evaluate_model(model, demonstrations(table, 1, longest_s=0.1))
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


class Imagined(ImaginedRobot):
    """Remember what it was told."""

    def __init__(self):
        super().__init__(LEKIWI.features())
        self.told = []

    def send_action(self, action):
        self.told.append(list(action.values()))
        return super().send_action(action)


def test_a_robot_takes_its_own_numbers_a_chunk_or_the_seven_of_a_hand_s_move():
    driver = Imagined()
    robot = RobotInterface(driver, paced=False)
    own = torch.arange(9.0)
    for action in (own, own[None], own.numpy(), own.expand(1, 1, 9)):
        robot.execute(action)
    assert driver.told == [own.tolist()] * 4
    robot.execute(torch.zeros(16, 9))
    assert len(driver.told) == 8, "the first four of a chunk"
    robot.execute(torch.tensor([[0.02, 0, 0, 0, 0, 0, 0.25]]))
    moved = driver.told[-1]
    assert moved[5] == pytest.approx(25)
    assert moved[6:] == [0, 0, 0]
    assert np.abs(moved[:5]).max() > 1
    for wrong in (torch.zeros(1, 5), torch.zeros(8), torch.zeros(2, 2, 9), torch.zeros(0)):
        with pytest.raises(FeatureMismatchError):
            robot.execute(wrong)
    with pytest.raises(SaysoError, match="not finite"):
        robot.execute(torch.full((9,), float("nan")))


class Clock:
    """Be a time that passes only when somebody sleeps or thinks."""

    def __init__(self):
        self.now_s = 100.0

    def monotonic(self):
        return self.now_s

    def sleep(self, span_s):
        assert span_s > 0
        self.now_s += span_s


def test_a_loop_runs_at_the_robot_s_rate_and_catches_up_with_nothing(monkeypatch):
    clock, driver = Clock(), Imagined()
    monkeypatch.setattr("sayso.chapter.body.time", clock)
    robot = RobotInterface(driver)
    began_s = []
    for thinking_s in (0.03, 0.03, 0.03, 0.2, 0.2, 0.03, 0.03, 0.03):
        clock.now_s += thinking_s
        began_s.append(clock.now_s)
        robot.execute(torch.zeros(9))
    assert np.diff(began_s) == pytest.approx([0.08, 0.05, 0.22, 0.2, 0.03, 0.05, 0.05])
    robot.execute(torch.zeros(16, 9))
    assert clock.now_s - began_s[-1] == pytest.approx(0.02 + 4 * 0.05), "each step of a chunk has its time"


def test_a_policy_of_ours_drives_the_manipulator_with_all_that_the_camera_s_robot_felt():
    robot = RobotInterface("home", paced=False)
    look = RobotCamera(robot).capture()
    policy = load(ROOT / "checkpoints" / "home")
    action = MobileManipulator(policy, robot).execute_instruction(look, "go to the shelf")
    assert action.shape == (16, 9)
    assert robot.body.steps == 4
    with pytest.raises(FeatureMismatchError, match="every camera"):
        policy(torch.zeros(1, 3, 224, 224), "go to the shelf")
    with pytest.raises(FeatureMismatchError, match="2 instructions"):
        policy(look, ["go", "stop"])
    raw = MobileManipulator(Typed(), robot).execute_instruction(np.zeros((48, 64, 3), np.uint8), "go on")
    assert raw.shape == (1, 7)
    robot.body.close()


def test_what_comes_of_a_picture_is_a_plain_tensor(table):
    look = demonstrations(table, 1)[0]["image"]
    assert isinstance(look, Capture)
    assert type(look + 1) is torch.Tensor
    assert type(torch.cat([look, look])) is torch.Tensor


def test_a_person_is_asked_when_there_is_nothing_to_do_and_the_end_of_lines_ends_the_loop(capsys):
    robot = RobotInterface("tabletop", paced=False)
    things = [n for n in robot.body.robot.world.describe() if n.split()[-1] not in ("tray", "mat")]
    person = TerminalInterface(
        robot, io.StringIO(f"\nmake coffee\npush the {things[0]} onto the white mat\n")
    )
    asked = set()

    def inference_loop():
        while True:
            asked.update(person.get_instruction())
            robot.execute(still(None, None))

    with pytest.raises(Ended) as ended:
        inference_loop()
    said = capsys.readouterr().out
    assert asked == {f"push the {things[0]} onto the white mat"}
    assert "There is: " in said
    assert "I did not understand" in said
    assert "Not done in time: push the" in said
    assert ended.value.code is None, "a program that ends here ends well"


@pytest.mark.parametrize("goodbye", ["quit", "exit", "QUIT"])
def test_a_person_can_say_goodbye_in_the_middle(goodbye):
    person = TerminalInterface(RobotInterface(Imagined()), io.StringIO(f"go on\n{goodbye}\n"))
    assert person.get_instruction() == person.get_instruction() == ["go on"], (
        "a real robot never says it is done"
    )
    person = TerminalInterface(RobotInterface(Imagined()), io.StringIO(f"{goodbye}\n"))
    with pytest.raises(SystemExit):
        person.get_instruction()


def test_ctrl_c_ends_the_loop_at_its_next_question_and_is_given_back():
    before = signal.getsignal(signal.SIGINT)
    person = TerminalInterface(RobotInterface(Imagined()), io.StringIO("go on\n"))
    person.get_instruction()
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.01)
    with pytest.raises(SystemExit):
        person.get_instruction()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_robot_that_says_nothing_of_itself_needs_features():
    class Silent:
        def connect(self):
            pass

    with pytest.raises(SaysoError, match=r"policy\.features"):
        _ = Body(Silent).features
