"""Scenes with thin meshes look as before, weigh as before, and cost less."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from PIL import Image as Pillow

from sayso.sim.render import Cameras
from sayso.sim.thinning import PICTURE_PX, decimated, thinned

pytest.importorskip("meshoptimizer", reason="pip install 'sayso[libero]'")

SCENE = """
<mujoco>
  <compiler inertiagrouprange="0 0"/>
  <asset>
    <texture name="checks" type="2d" file="{folder}/checks.png"/>
    <material name="checks" texture="checks" specular="0"/>
    <mesh name="drawn" file="{folder}/ball.obj" scale="0.1 0.1 0.1"/>
    <mesh name="touched" file="{folder}/ball.obj" scale="0.05 0.05 0.05"/>
  </asset>
  <worldbody>
    <camera name="eye" pos="0 -0.4 0.1" xyaxes="1 0 0 0 0.25 1"/>
    <light pos="0.3 -1 1" dir="-0.3 1 -1"/>
    <body>
      <freejoint/>
      <geom type="mesh" mesh="drawn" material="checks" group="1" contype="0" conaffinity="0"/>
      <geom type="mesh" mesh="touched" group="0" rgba="0 0 0 0"/>
    </body>
  </worldbody>
</mujoco>
"""


def ball(folder, rings=60):
    """Write a ball of many faces with texture coordinates, whose seam is open in the texture."""
    steps = np.linspace(0, 1, rings + 1)
    v, u = np.meshgrid(steps, steps, indexing="ij")
    x, y, z = (
        np.sin(np.pi * v) * np.cos(2 * np.pi * u),
        np.sin(np.pi * v) * np.sin(2 * np.pi * u),
        np.cos(np.pi * v),
    )
    lines = [f"v {a:.6f} {b:.6f} {c:.6f}" for a, b, c in zip(x.ravel(), y.ravel(), z.ravel(), strict=True)]
    lines += [f"vt {a:.6f} {b:.6f}" for a, b in zip(u.ravel(), v.ravel(), strict=True)]
    for i in range(rings):
        for j in range(rings):
            a, b = i * (rings + 1) + j + 1, (i + 1) * (rings + 1) + j + 1
            lines.append(f"f {a}/{a} {b}/{b} {b + 1}/{b + 1}")
            lines.append(f"f {a}/{a} {b + 1}/{b + 1} {a + 1}/{a + 1}")
    (folder / "ball.obj").write_text("\n".join(lines), encoding="utf-8")
    checks = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((128, 128)))[..., None] * [200, 120, 40] + 30
    Pillow.fromarray(checks.astype(np.uint8)).save(folder / "checks.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scene")


@pytest.fixture(scope="module")
def scenes(folder):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SAYSO_CACHE", str(folder / "cache"))
        ball(folder)
        full = SCENE.format(folder=folder)
        yield mujoco.MjModel.from_xml_string(full), mujoco.MjModel.from_xml_string(thinned(full))


def drawn(model):
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    cameras = Cameras(128, 128)
    cameras.load(model)
    picture = cameras.picture(data, "eye")
    cameras.close()
    return picture.astype(int)


def test_what_is_only_drawn_is_thin_and_small_and_what_is_touched_is_as_it_was(scenes):
    full, thin = scenes
    assert thin.mesh("drawn").facenum[0] < full.mesh("drawn").facenum[0] / 5
    assert thin.mesh("touched").facenum[0] == full.mesh("touched").facenum[0]
    assert full.tex("checks").width[0] == 1024 and thin.tex("checks").width[0] == PICTURE_PX


def test_nothing_weighs_otherwise(scenes):
    full, thin = scenes
    np.testing.assert_array_equal(thin.body_mass, full.body_mass)
    np.testing.assert_array_equal(thin.body_inertia, full.body_inertia)


def test_it_looks_the_same_also_where_the_texture_has_a_seam(scenes):
    before, after = map(drawn, scenes)
    assert before.std() > 10
    assert np.abs(after - before).mean() < 3


def test_a_mesh_that_would_vanish_stays_as_it_is():
    points = 1e-5 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    np.testing.assert_array_equal(decimated(points, faces), faces)


def test_a_second_process_finds_what_the_first_one_thinned(scenes, folder, monkeypatch):
    from sayso.sim import thinning

    thinning._thin_mesh.cache_clear()
    monkeypatch.setattr(thinning, "decimated", lambda *_: pytest.fail("it was thinned twice"))
    thinned(SCENE.format(folder=folder))
