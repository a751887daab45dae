"""A camera that has moved is found to have, whatever the light, and by how much; one that has not, is not."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image as Picture

from sayso.data.registration import Placement, Registration, edges, placed, small
from sayso.data.views import LEAST_MOVED, MOST, Costs, View, Views
from sayso.data.views_files import FILES, ViewsError, read_views, write_views
from sayso.spec import STATE, image_key
from small_desks import desk


def test_a_placement_is_found_again_to_a_part_of_a_pixel():
    template = edges(small(desk(0)))
    true = Placement(right=0.14, down=-0.06, turned_rad=np.radians(7), larger=1.08)
    match = Registration(template, placed(template, true)).anywhere()
    assert match.placement.right == pytest.approx(0.14, abs=0.01)
    assert match.placement.down == pytest.approx(-0.06, abs=0.01)
    assert np.degrees(match.placement.turned_rad) == pytest.approx(7, abs=1)
    assert match.placement.larger == pytest.approx(1.08, abs=0.02)


def test_how_far_a_placement_moves_a_picture_is_a_share_of_its_width():
    assert Placement(right=0.03, down=0.04).moved((48, 64)) == pytest.approx(0.05)
    assert Placement().moved((48, 64)) == 0
    assert 0.02 < Placement(turned_rad=0.1).moved((48, 64)) < 0.05


VIEW = View(np.stack([small(desk(seed)) for seed in range(8)]), np.zeros((8, 2), np.float32))
STILL = np.zeros(2, np.float32)


@pytest.mark.parametrize("light", [1.0, 0.5, 1.4])
def test_a_camera_in_its_place_is_familiar_though_things_lie_elsewhere_and_light_differs(light):
    for seed in range(20, 26):
        found = VIEW.compared((desk(seed) * light).clip(0, 255).astype(np.uint8), STILL)
        assert found.familiar and found.moved < LEAST_MOVED, (seed, found)


@pytest.mark.parametrize("light", [1.0, 0.5])
@pytest.mark.parametrize("moved", [(10, 0), (-6, 5), (0, 14)])
def test_a_camera_that_has_moved_is_found_to_have_and_by_how_much(moved, light):
    found = VIEW.compared((desk(30, *moved) * light).clip(0, 255).astype(np.uint8), STILL)
    assert not found.familiar and found.alike
    width = desk(30).shape[1]
    assert found.placement.right * width == pytest.approx(moved[0], abs=1.5)
    assert found.placement.down * width == pytest.approx(moved[1], abs=1.5)


def test_of_another_room_or_of_nothing_no_place_is_told():
    noise = np.random.default_rng(0).integers(0, 256, desk(0).shape, np.uint8)
    for picture in (noise, np.full_like(noise, 90)):
        found = VIEW.compared(picture, STILL)
        assert not found.alike and not found.familiar


def test_a_camera_that_stood_elsewhere_in_some_demonstrations_is_not_called_moved_by_that_much():
    shifts = [(0, 0), (9, 0), (-9, 0), (0, 9), (0, -9), (6, 6), (-6, 6), (6, -6)]
    pictures = np.stack([small(desk(k, *shift)) for k, shift in enumerate(shifts)])
    wide = View(pictures, VIEW.states)
    assert wide.usual.off > 2 * LEAST_MOVED
    assert wide.compared(desk(40, 4, 3), STILL).familiar


def test_pictures_in_which_the_robot_stood_as_it_does_now_count_the_most():
    pictures = np.concatenate([VIEW.pictures[:4], np.stack([small(desk(k, 14, 0)) for k in range(4)])])
    states = np.repeat(np.array([[0.0, 0.0], [50.0, 50.0]], np.float32), 4, axis=0)
    view = View(pictures, states, VIEW.usual)
    assert view.compared(desk(9), states[0]).familiar
    assert view.compared(desk(9, 14, 0), states[-1]).familiar
    assert not view.compared(desk(9, 14, 0), states[0]).familiar


def kept() -> Views:
    frames = [{image_key("front"): desk(k), STATE: np.full(2, k, np.float32)} for k in range(40)]
    views = Views.of(frames, ("front",))
    front = dataclasses.replace(views.cameras["front"], per_level=0.04)
    return Views(cameras={"front": front}, costs=Costs(success=((0, 0.9), (3, 0.5)), of="a test", shown=1))


def test_what_was_kept_reads_back(tmp_path):
    views = kept()
    assert len(views.cameras["front"].pictures) == MOST
    assert write_views(views, tmp_path) == FILES
    again = read_views(tmp_path)
    front, before = again.cameras["front"], views.cameras["front"]
    assert again.costs == views.costs and front.per_level == 0.04
    assert front.usual.off == pytest.approx(before.usual.off, abs=1e-4)
    np.testing.assert_array_equal(front.states, before.states)
    assert np.abs(front.pictures.astype(int) - before.pictures).mean() < 6, "JPEG loses a little"
    assert sum((tmp_path / name).stat().st_size for name in FILES) < 100_000


def test_of_a_policy_that_has_none_none_are_written_or_read(tmp_path):
    assert write_views(Views(), tmp_path) == () and not list(tmp_path.iterdir())
    assert not read_views(tmp_path)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder, said: (folder / FILES[1]).unlink(),
        lambda folder, said: (folder / FILES[1]).write_bytes(b"no picture"),
        lambda folder, said: Picture.new("RGB", (9, 9)).save(folder / FILES[1]),
        lambda folder, said: said.pop("states"),
        lambda folder, said: said.update(cameras={"front": {"shape": [0, 64]}}),
        lambda folder, said: said.update(cameras=3),
    ],
)
def test_files_that_are_damaged_are_refused_by_name(tmp_path, harm):
    write_views(kept(), tmp_path)
    said = json.loads((tmp_path / FILES[0]).read_text(encoding="utf-8"))
    harm(tmp_path, said)
    (tmp_path / FILES[0]).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ViewsError, match=r"views\.j"):
        read_views(tmp_path)
