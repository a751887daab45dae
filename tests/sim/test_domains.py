"""Domains: what a workshop is, that all of it lies outside of training, and that it is drawn and reported."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from dataclasses import fields, replace

import mujoco
import numpy as np
import pytest

from sayso import cli
from sayso.learn.recording import RECORDING, shown_within
from sayso.sim import filament
from sayso.sim.domain import CameraModel, Domain, Lamps
from sayso.sim.domains import CLASSIC, DOMAINS, PHOTOGRAPHS, WORKSHOP
from sayso.sim.dynamics import Dynamics, Motors
from sayso.sim.lens import Lens
from sayso.sim.optics import Optics
from sayso.sim.render import RenderingError
from sayso.sim.simulation import SUBSTEPS
from sayso.sim.textures import PHOTOGRAPHS as TRAINED_PHOTOGRAPHS
from sayso.sim.variation import LAMP_ASIDE_M
from sayso.spec import STATE, ConfigError, UnknownNameError, image_key
from sayso.tasks.axes import DYNAMICS, HOUSEHOLD, IMAGE, LIGHT
from sayso.tasks.worlds import WORLDS, in_domain, make_world

OURS = [DOMAINS[name] for name in DOMAINS.own]


def last(axis):
    """Return what the last level of an axis stands for."""
    return axis.change(axis.levels[-1])


def beyond(factor, most):
    """Tell whether a factor lies outside of what an axis brings about, more or less of it."""
    return factor > most or factor < 1 / most


@pytest.mark.parametrize("domain", OURS, ids=lambda domain: domain.name)
def test_everything_about_a_domain_of_ours_lies_outside_of_all_that_a_training_can_show(domain):
    light, image, matter = last(LIGHT), last(IMAGE), last(DYNAMICS)
    aside_m = math.hypot(*domain.lamps.aside_m) - math.hypot(LAMP_ASIDE_M, LAMP_ASIDE_M)
    assert aside_m > light["light_aside_m"] + math.hypot(LAMP_ASIDE_M, LAMP_ASIDE_M)
    colour = np.array(domain.lamps.colour) / np.mean(domain.lamps.colour)
    assert np.abs(colour - 1).max() > light["light_tint"]
    camera = domain.camera
    assert abs(camera.optics.exposure) > image["image_exposure"]
    assert camera.optics.noise > image["image_noise"]
    for at_s in np.linspace(0, 2 * camera.white_period_s, 50):
        white = np.array(camera.white(float(at_s)))
        assert np.abs(white / white.mean() - 1).max() > image["image_white"]
    assert beyond(domain.dynamics.friction, matter["friction"])
    assert beyond(domain.dynamics.mass, matter["mass"])
    assert domain.dynamics.lag_s > matter["lag_s"]
    trained = {path.read_bytes() for path in TRAINED_PHOTOGRAPHS.glob("*.jpg")}
    assert not trained & {path.read_bytes() for path in domain.photographs.values()}


@pytest.mark.parametrize("domain", OURS, ids=lambda domain: domain.name)
def test_what_is_on_no_axis_is_there_at_all(domain):
    can_vary = {name for axis in HOUSEHOLD for name in axis.change(axis.levels[1])}
    assert not {name for name in can_vary if any(word in name for word in ("barrel", "roll", "play", "zero"))}
    assert domain.camera.lens.barrel >= 0.2 and domain.camera.white_roll >= 0.1
    assert domain.camera.late_s == 0.02 and domain.dynamics.play_deg == 1.0
    assert len(domain.dynamics.zeros) == 6 and {abs(zero) for zero in domain.dynamics.zeros} == {2.0}


def test_the_two_of_ours_differ_in_the_renderer_alone():
    other = DOMAINS[CLASSIC]
    differing = {f.name for f in fields(Domain) if getattr(WORKSHOP, f.name) != getattr(other, f.name)}
    assert differing == {"name", "says", "opens", "needs"}


def test_photographs_say_whose_they_are():
    readme = (PHOTOGRAPHS / "README.md").read_text(encoding="utf-8")
    assert all(path.name in readme for path in PHOTOGRAPHS.glob("*.jpg"))
    assert {path.parent for path in WORKSHOP.photographs.values()} == {PHOTOGRAPHS}


@pytest.mark.parametrize("barrel", [0.25, -0.1])
@pytest.mark.parametrize("spot", [(30, 40), (64, 64), (100, 20)])
def test_a_point_is_found_where_the_lens_puts_it(barrel, spot):
    straight = np.zeros((128, 160, 3), np.uint8)
    row, column = spot
    straight[row - 2 : row + 3, column - 2 : column + 3] = 255
    bent = Lens(barrel=barrel).bend(straight)[..., 0].astype(float)
    rows, columns = np.mgrid[:128, :160]
    seen = (bent * columns).sum() / bent.sum() + 0.5, (bent * rows).sum() / bent.sum() + 0.5
    u, v = Lens(barrel=barrel).place((column + 0.5) / 160, (row + 0.5) / 128)
    assert (160 * u, 128 * v) == pytest.approx(seen, abs=0.5)


def test_a_barrel_keeps_the_corners_and_the_width_and_enlarges_the_middle():
    lens = Lens(barrel=0.25)
    assert lens.place(0.0, 1.0) == pytest.approx((0.0, 1.0))
    half = math.tan(math.radians(lens.widened_deg(46.0)) / 2)
    at_the_edge = math.tan(math.radians(46.0) / 2) / half  # of the straight picture, from -1 to 1
    assert lens.place((1 + at_the_edge) / 2, 0.5) == pytest.approx((1.0, 0.5))
    u, _ = lens.place(0.5 + 0.01 / lens.wider, 0.5)
    assert u - 0.5 > 0.011
    assert Lens().place(0.3, 0.9) == (0.3, 0.9) and Lens().widened_deg(46.0) == pytest.approx(46.0)


def test_gears_with_play_follow_only_once_it_is_taken_up():
    motors = Motors(Dynamics(play_deg=1.0), 0.005, geared=1)
    motors.rest_at(np.zeros(2))
    half = math.radians(0.5)
    assert motors.follow(np.array([half, half])).tolist() == [0.0, half], "what has no gears has no play"
    assert motors.follow(np.array([4 * half, 0.0]))[0] == pytest.approx(3 * half)
    assert motors.follow(np.array([2.5 * half, 0.0]))[0] == pytest.approx(3 * half), (
        "it turned back too little"
    )
    assert motors.follow(np.array([0.0, 0.0]))[0] == pytest.approx(half)


def test_dynamics_of_an_axis_come_on_top_of_those_of_a_domain():
    both = Dynamics(friction=0.5, lag_s=0.02, zeros=(1.0,)).besides(Dynamics(friction=3.0, lag_s=0.01))
    assert (both.friction, both.lag_s, both.zeros) == (1.5, pytest.approx(0.03), (1.0,))


def stiller(**changes):
    """Return a domain that changes but a little."""
    return Domain(name="still", says="nothing", **changes)


@pytest.fixture
def tabletop(monkeypatch):
    """Make the tabletop in a domain that is in no table."""
    worlds = []

    def make(domain):
        monkeypatch.setattr(DOMAINS, "own", {**DOMAINS.own, domain.name: domain})
        worlds.append(make_world("tabletop", domain=domain.name))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def test_a_calibration_that_is_off_shows_in_readings_and_commands_alike(tabletop):
    off = tabletop(stiller(dynamics=Dynamics(zeros=(2.0, -2.0, 2.0, -2.0, 2.0, 3.0))))
    usual = make_world("tabletop")
    there, _ = off.reset(seed=3, options={"family": "put"})
    here, _ = usual.reset(seed=3, options={"family": "put"})
    assert there[STATE] - here[STATE] == pytest.approx([2, -2, 2, -2, 2, 3], abs=1e-4)
    for _ in range(10):  # told to stay where it reads that it is, it stays
        there, *_ = off.step(there[STATE], render=False)
    assert there[STATE] == pytest.approx(here[STATE] + [2, -2, 2, -2, 2, 3], abs=0.3)
    expert, told = off.expert(), usual.expert()
    off.reset(seed=3, options={"family": "put"})
    difference = expert.act({}).actions[0] - told.act({}).actions[0]
    assert difference == pytest.approx([2, -2, 2, -2, 2, 3], abs=0.2)
    usual.close()


def test_pictures_are_as_late_as_a_domain_says(tabletop):
    late, usual = tabletop(stiller(camera=CameraModel(late_s=0.02))), make_world("tabletop")
    now, _ = late.reset(seed=3, options={"family": "put"})
    usual.reset(seed=3, options={"family": "put"})
    target = now[STATE] + np.array([25, 0, 0, 0, 0, 0], np.float32)
    late.step(target, render=False)
    usual.simulation.apply(target, substeps=SUBSTEPS - 4)  # 20 ms earlier
    assert np.array_equal(late.simulation._seen.qpos, usual.simulation.data.qpos)
    assert abs(late.simulation._seen.qpos - late.simulation.data.qpos).max() > 0.01
    late.simulation.apply(target, substeps=2)  # too short a time to be 20 ms late: as late as it can
    assert abs(late.simulation._seen.qpos - usual.simulation.data.qpos).max() > 0.01
    usual.close()


def test_labels_stand_where_the_lens_shows_things(tabletop):
    lens = Lens(barrel=0.25)
    bent, usual = tabletop(stiller(camera=CameraModel(lens=lens))), make_world("tabletop")
    for world in (bent, usual):
        world.reset(seed=3, options={"family": "put"})
    straight = usual.labels().reshape(2, 2, 3)
    for here, there in zip(straight.reshape(-1, 3), bent.labels().reshape(-1, 3), strict=True):
        if here[2] and there[2]:
            wider = 0.5 + (here[:2] - 0.5) / lens.wider
            assert there[:2] == pytest.approx(lens.place(*map(float, wider)), abs=1e-5)
    assert straight[..., 2].sum() >= 2
    usual.close()


def test_the_classic_workshop_looks_otherwise_and_is_drawn_the_same_each_time():
    world = make_world("tabletop", domain=CLASSIC)
    usual = make_world("tabletop")
    first, _ = world.reset(seed=7, options={"family": "put"})
    again, _ = world.reset(seed=7, options={"family": "put"})
    plain, _ = usual.reset(seed=7, options={"family": "put"})
    for camera in ("front", "wrist"):
        key = image_key(camera)
        assert first[key].shape == plain[key].shape and np.array_equal(first[key], again[key])
        assert np.abs(first[key].astype(int) - plain[key]).mean() > 25
    assert first["task"] == plain["task"], "a domain changes nothing of what is asked"
    world.close(), usual.close()


def test_the_white_balance_rolls_and_comes_back():
    camera = CameraModel(optics=Optics(), white_roll=0.1, white_period_s=4.0)
    assert camera.white(0.0) == pytest.approx(camera.white(4.0))
    reds = [camera.white(at)[0] for at in (0.0, 1.0, 3.0)]
    assert reds == pytest.approx([1.0, 1.1, 0.9])


def test_a_lamp_that_hangs_aside_lights_the_same_place():
    spec = mujoco.MjSpec()
    spec.worldbody.add_light(pos=[0.3, 0, 2.0], dir=[0, 0, -1])
    model = spec.compile()
    Lamps(aside_m=(1.0, 2.0), brightness=0.5).hang(model)
    lit = model.light_pos[0] + model.light_dir[0] * 2.0 / -model.light_dir[0, 2]
    assert lit == pytest.approx([0.3, 0.0, 0.0], abs=1e-6)


def test_the_first_picture_is_lit_as_all_others(tabletop):
    world = tabletop(stiller(lamps=Lamps(aside_m=(1.0, 2.0)), camera=CameraModel(late_s=0.02)))
    now, _ = world.reset(seed=3, options={"family": "put"})
    first = [data.light_xpos.copy() for data in (world.simulation.data, world.simulation._seen)]
    world.step(now[STATE], render=False)
    for lamps in first:
        assert lamps == pytest.approx(world.simulation.data.light_xpos) and abs(lamps[0, 1]) > 1.4


def test_what_cannot_be_laid_over_a_world_is_refused_in_a_sentence():
    with pytest.raises(UnknownNameError, match=r"workshap.*workshop"):
        in_domain("tabletop", "workshap")
    with pytest.raises(ConfigError, match="metaworld has none; leave it out, or choose among tabletop, home"):
        in_domain("metaworld", CLASSIC)
    with pytest.raises(ValueError, match="must cover table, floor, wall"):
        replace(WORKSHOP, photographs={"table": PHOTOGRAPHS / "moon.jpg"})
    assert in_domain("metaworld", "") == {} and in_domain("home", CLASSIC) == {"domain": CLASSIC}


def test_a_recording_says_its_domain_and_who_learns_from_it_has_seen_it(tmp_path, capsys):
    given = ["--world", "tabletop", "--families", "put", "--episodes", "1", "--workers", "1"]
    assert cli.main(["record", *given, "--domain", CLASSIC, "--out", str(tmp_path / "there")]) == 0
    within = shown_within(tmp_path / "there")
    assert within == {f"domain {CLASSIC}": (1.0, 1.0)}
    domain = DOMAINS[CLASSIC]
    assert domain.told(within).endswith("; shown in training)")
    assert domain.told({}).endswith("; unseen in training)") and "training" not in domain.told(None)
    about = json.loads((tmp_path / "there" / RECORDING).read_text(encoding="utf-8"))
    assert about["config"]["domain"] == CLASSIC
    assert cli.main(["record", *given, "--out", str(tmp_path / "there")]) != 0
    assert f"--domain: {CLASSIC} there" in capsys.readouterr().err


def test_a_report_names_the_domain(tmp_path, capsys):
    given = ["--world", "tabletop", "--families", "put", "--episodes", "1", "--workers", "1"]
    assert cli.main(["eval", "expert", *given, "--domain", CLASSIC, "--out", str(tmp_path / "r.json")]) == 0
    assert f"domain {CLASSIC} (drawn by the classic renderer" in capsys.readouterr().out
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert report["config"]["domain"] == CLASSIC and report["invalid"] == 0


def test_where_no_driver_is_one_sentence_says_what_to_install_and_what_is_there_without(monkeypatch):
    monkeypatch.delenv(filament._WORKS, raising=False)
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, os.devnull)
    filament.refuse_without.cache_clear()
    try:
        with pytest.raises(RenderingError) as refused:
            WORKSHOP.needs()
    finally:
        filament.refuse_without.cache_clear()
    said = str(refused.value)
    assert "apt-get install libvulkan1 mesa-vulkan-drivers" in said and f"--domain {CLASSIC}" in said
    assert len(said) < 600 and "\n" not in said


def drawable():
    """Tell whether the physically based renderer starts here."""
    try:
        filament.refuse_without()
    except RenderingError:
        return False
    return True


DRAWN = """
import sys, numpy as np
from sayso.tasks.worlds import make_world
world = make_world("tabletop", domain="workshop")
first, _ = world.reset(seed=7, options={"family": "put"})
world.reset(seed=8, options={"family": "stack"})
again, _ = world.reset(seed=7, options={"family": "put"})
world.close()
for camera in ("front", "wrist"):
    one, other = (each[f"observation.images.{camera}"] for each in (first, again))
    assert one.shape == (128, 128, 3) and np.abs(one.astype(int) - other).mean() < 1
    assert one.std() > 15 and 30 < one.mean() < 225
print("drawn")
"""


@pytest.mark.skipif(importlib.util.find_spec("mujoco.mjrf") is None, reason="an older MuJoCo")
def test_the_workshop_is_drawn_where_a_driver_is():
    if not drawable():
        pytest.skip("no Vulkan driver here: make vulkan")
    ended = subprocess.run([sys.executable, "-c", DRAWN], capture_output=True, text=True, timeout=200)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "drawn\n", "")


def test_a_world_that_takes_domains_says_so_in_its_row():
    assert [name for name in WORLDS if WORLDS[name].domains] == ["tabletop", "home"]
