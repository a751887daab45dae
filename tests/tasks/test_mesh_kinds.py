"""Things from meshes: never shown in training, laid out and called without their files, refused without."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from gymnasium.utils import seeding

from sayso.evaluation.rollout import rollout
from sayso.sim.mesh_kinds import PICTURE_PX, MissingMeshesError, model_of, thin
from sayso.sim.objects import MESHES, SETS, SHAPES, shape_of
from sayso.spec import Outcome
from sayso.tasks.axes import departures
from sayso.tasks.household.draw import askable, draw_task
from sayso.tasks.household.scenes import objects_for, scenes_with
from sayso.tasks.household.words.kinds import EVERYDAY, KINDS, MOVABLE
from sayso.tasks.household.words.language import Intent, Place, Thing, parse, plain
from sayso.tasks.worlds import WORLDS, make_world

SEED = 1_000_001


def installed():
    try:
        SETS[0].require()
    except MissingMeshesError as error:
        return str(error)
    return ""


needs_meshes = pytest.mark.skipif(bool(installed()), reason=installed())


def drawn(world, family, seed, objects):
    return draw_task(world, family, seeding.np_random(seed)[0], objects=objects)


def test_there_are_at_least_twenty_kinds_and_jaws_reach_around_each():
    assert len(MESHES) >= 20 and set(MESHES) <= set(MOVABLE) and set(MESHES).isdisjoint(EVERYDAY)
    for name, kind in MESHES.items():
        assert len(kind.called) >= 2, "the last is held out"
        shape = SHAPES[name]
        assert 0.010 <= 1.25 * shape.width_m <= 0.060 and 0.010 <= shape.grasp_m < shape.height_m
        assert shape.width_m / 2 < shape.radius_m <= 0.052 and shape.height_m <= 0.090


@pytest.mark.parametrize("things", ["train", "heldout", "pairs", "kinds"])
def test_no_other_scene_has_one(things):
    for seed in range(SEED, SEED + 30):
        task = drawn("tabletop", "put", seed, things)
        assert not {item.kind for item in task.layout.items} & set(MESHES)


@pytest.mark.parametrize(("world", "family"), [("tabletop", "put"), ("home", "put"), ("home", "fetch")])
def test_a_thing_from_a_mesh_is_asked_for_among_everyday_ones_or_among_its_like(world, family):
    asked = set()
    for seed in range(SEED, SEED + 25):
        for things, count in (("meshes", 1), ("meshes alone", 3)):
            task = drawn(world, family, seed, things)
            movable = [item.kind for item in task.layout.items if SHAPES[item.kind].movable]
            assert len(movable) == 3 and sum(kind in MESHES for kind in movable) == count
            named = task.intent.object
            assert named is not None and named.kind in MESHES and named.colour == ""
            asked.add(named.kind)
    assert len(asked) > 10
    assert len({intent.object for intent in askable(task)} - {None, named}) >= 2


def test_each_can_be_asked_for_by_every_word_for_it():
    for kind in MESHES:
        for word in (*KINDS[kind].words.train, *KINDS[kind].words.heldout):
            found = parse(f"put the {word} in the blue tray")
            assert found == Intent("put", "in", Thing("", kind), Place("blue", "tray")), word
        assert parse(plain(found)) == found and objects_for(found) == "meshes"


def test_a_level_without_its_things_says_in_one_sentence_what_to_type(monkeypatch):
    monkeypatch.setattr("sayso.sim.mesh_kinds.find_spec", lambda name: None)
    with pytest.raises(MissingMeshesError, match=r"not installed: pip install 'sayso\[meshes\]'$"):
        departures(WORLDS["tabletop"].axes, ["objects=3"])
    with pytest.raises(MissingMeshesError, match=r"pip install 'sayso\[meshes\]'"):
        next(scenes_with("tabletop", parse("put the ketchup in the tray"), range(SEED, SEED + 5)))
    for word in ("objects=0", "objects=2", "camera=3"):
        departures(WORLDS["tabletop"].axes, [word])
    world = make_world("tabletop")
    with pytest.raises(MissingMeshesError, match=r"pip install 'sayso\[meshes\]'"):
        world.reset(seed=SEED, options={"family": "put", "objects": "meshes"})
    world.close()


def test_a_thinned_mesh_keeps_its_outline_and_its_picture():
    across, up = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60))
    at = np.stack([across.ravel(), up.ravel()], axis=1)
    points = np.column_stack([at, 0.2 * np.sin(3 * at[:, 0])])
    corner = np.array([i * 60 + j for i in range(59) for j in range(59)])
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 60], axis=1),
            np.stack([corner + 61, corner + 60, corner + 1], axis=1),
        ]
    )
    fewer, where, left = thin(points, at, faces, 1500)
    assert 500 < len(left) <= 1500 < len(faces) and left.max() < len(fewer) == len(where)
    assert np.abs(fewer[:, :2] - where).max() < 1e-9, "what a point shows moves with it"
    assert np.abs(fewer[:, 2] - 0.2 * np.sin(3 * fewer[:, 0])).max() < 0.01
    edges = [np.cross(fewer[b] - fewer[a], fewer[c] - fewer[a])[2] / 2 for a, b, c in left]
    assert sum(edges) == pytest.approx(1.0, abs=0.1) and min(edges) > 0, "no face is lost or turned over"


@needs_meshes
@pytest.mark.parametrize("kind", MESHES)
def test_a_kind_is_as_large_as_its_row_says(kind):
    row, model = MESHES[kind], model_of(MESHES[kind])
    points = np.concatenate([surface.points for surface in model.surfaces])
    assert np.ptp(points[:, 2]) == pytest.approx(row.height_m, abs=1e-4) and abs(points[:, 2].min()) < 1e-4
    assert np.hypot(*points[:, :2].T).max() == pytest.approx(row.radius_m, abs=1e-3)
    (held,) = [s for s in model.solids if abs(row.grasp_m - s.middle[2]) <= s.half[2]][:1]
    assert 2 * held.half[0] == pytest.approx(row.width_m, abs=1e-3)
    assert len(model.solids) <= 8 and sum(len(s.faces) for s in model.surfaces) <= 6000
    assert sum(2 * s.half[2] for s in model.solids) == pytest.approx(row.height_m, abs=1e-4)


@needs_meshes
def test_things_from_meshes_stand_still_in_their_colours():
    world = make_world("tabletop", family="put")
    observation, _ = world.reset(seed=SEED, options={"objects": "meshes alone"})
    again, _ = world.reset(seed=SEED, options={"objects": "meshes alone"})
    assert all(np.array_equal(observation[key], again[key]) for key in observation)
    simulation, model = world.simulation, world.simulation.model
    items = [item for item in world.task.layout.items if item.kind in MESHES]
    before = {item.name: simulation.position(item.name) for item in items}
    for _ in range(200):
        mujoco.mj_step(model, simulation.data)
    for item in items:
        assert simulation.position(item.name) == pytest.approx(before[item.name], abs=1e-3), item.name
        assert before[item.name][2] == pytest.approx(shape_of(item).height_m / 2, abs=1e-3)
        start = model.tex_adr[model.texture(f"{item.name} 0").id]
        picture = model.tex_data[start : start + 3 * PICTURE_PX**2]
        assert np.array_equal(picture, model_of(MESHES[item.kind]).surfaces[0].picture.ravel())
    world.close()


@needs_meshes
@pytest.mark.parametrize("kind", ["ketchup", "book"])
def test_the_expert_puts_one_away(kind):
    seed = next(
        s for s in range(SEED, SEED + 500) if drawn("tabletop", "put", s, "meshes").object_name == kind
    )
    world = make_world("tabletop", family="put")
    episode = rollout(world, world.expert(), seed, options={"objects": "meshes"})
    world.close()
    assert episode.outcome is Outcome.SUCCESS
