"""Rendering of cameras with Filament, the physically based renderer in MuJoCo's wheel (3.17 and later).

It computes what light does: materials, soft shadows, an environment that lights from all around, the
response of a film. It needs a Vulkan driver; Mesa's ``lavapipe`` is one on any processor (50 ms a picture of
128 by 128 pixels). Where it cannot start it ends the process, so `refuse_without` tries it in another one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import mujoco
import numpy as np

from sayso.sim.render import NO_CAMERA, RenderingError, load_triton_first, view_of
from sayso.spec import Image

PACKAGES = ("libvulkan1", "mesa-vulkan-drivers")
"""Debian's names of a Vulkan loader and of drivers for it."""
MATERIALS = ("mujoco.studio.window", "mujoco.experimental.studio.window")
"""Modules of MuJoCo, one of which a version has, that register Filament's materials when imported."""
MOST_PICTURES = 400
"""Pictures after which the next model gets a new context: each costs 1.5 MB, given back only with that."""
_WORKS = "SAYSO_FILAMENT"
"""Variable in which a process tells those that it starts with which interpreter the renderer works."""


class FilamentCameras:
    """Renderer of the named cameras of one model at a time, uint8 [H, W, 3], as `render.Cameras` is."""

    def __init__(self, height_px: int, width_px: int) -> None:
        """Start the renderer; the sizes are only what a picture without one is to be.

        Raises:
            RenderingError: if this MuJoCo has none. Without a driver the process ends: see `refuse_without`.
        """
        self._size = height_px, width_px
        self._filament = _filament()
        self._model: mujoco.MjModel | None = None
        self._drawn: dict[str, Any] = {}
        """What was made of the context and the model, what was made of others first."""
        self._start()

    def _start(self) -> None:
        """Open a context, in which nothing was drawn yet."""
        with _silent():
            vulkan = self._filament.GraphicsApi.GRAPHICS_API_VULKAN
            self._context = self._filament.Context(self._filament.ContextConfig(graphics_api=vulkan))
        self._rooms: dict[tuple[int, int], tuple[Any, Any, Image]] = {}
        """Height and width -> where such a picture is drawn, what reads it from there, and its pixels."""
        self._pictures = 0

    def load(self, model: mujoco.MjModel) -> None:
        """Take a new model; the previous one's textures and meshes are freed."""
        self._forget()
        if self._pictures > MOST_PICTURES:
            self._rooms.clear()
            del self._context
            self._start()
        scene = self._context.create_scene(self._filament.SceneParams())
        scene.configure_from_model(model)
        resources = self._filament.ModelResources(self._context, model)
        self._drawn = {
            "lights": self._filament.ModelLights(scene, resources),
            "things": self._filament.ModelRenderables(scene, resources),
            "resources": resources,
            "scene": scene,
        }
        self._model = model

    def picture(
        self, data: mujoco.MjData, camera: str | mujoco.MjvCamera, size_px: tuple[int, int] | None = None
    ) -> Image:
        """Return what a camera sees now, uint8 [H, W, 3].

        Raises:
            RuntimeError: if no model was loaded, or the cameras were closed.
        """
        if self._model is None:
            raise RuntimeError(NO_CAMERA)
        view = view_of(self._model, camera)
        height, width = size_px or self._size
        self._drawn["lights"].update(data)
        self._drawn["things"].update(data)
        target, read, pixels = self._room(height, width)
        request = self._filament.RenderRequest()
        request.scene, request.target = self._drawn["scene"], target
        request.camera = self._eye(mujoco.mjv_camera2GLCamera(self._model, data, view))
        request.viewport.left = request.viewport.bottom = 0
        request.viewport.width, request.viewport.height = width, height
        request.shadows, request.reflections, request.post_processing = True, False, True
        self._context.wait_for_frame(self._context.render([request], [read]))
        self._pictures += 1
        return pixels.copy()

    def close(self) -> None:
        """Free what was drawn; the context goes with this object. Safe to call twice."""
        self._forget()
        self._rooms.clear()

    def _room(self, height: int, width: int) -> tuple[Any, Any, Image]:
        """Return where to draw pictures of a size, which is kept, since two cameras take turns."""
        if (height, width) not in self._rooms:
            of = self._filament.RenderTargetConfig(color_format=self._filament.PixelFormat.PIXEL_FORMAT_RGB8)
            target, pixels = self._context.create_render_target(of), np.empty((height, width, 3), np.uint8)
            target.resize(width, height)
            read = self._filament.ReadRequest(target=target)
            read.set_buffer(pixels)
            self._rooms[height, width] = target, read, pixels
        return self._rooms[height, width]

    def _forget(self) -> None:
        self._model = None
        while self._drawn:  # lights and things before what they are made of
            self._drawn.pop(next(iter(self._drawn)))

    def _eye(self, camera: mujoco.MjvGLCamera) -> Any:
        names = ("pos", "forward", "up", "frustum_bottom", "frustum_top", "frustum_near", "frustum_far")
        return self._filament.Camera(**{name: getattr(camera, name) for name in names})


@functools.cache
def _filament() -> Any:
    """Return MuJoCo's module of Filament, with its materials at hand.

    Raises:
        RenderingError: if this MuJoCo has none.
    """
    load_triton_first()
    os.environ.setdefault("LP_NUM_THREADS", "1")  # else the driver takes every core
    try:
        filament = import_module("mujoco.mjrf")
    except ImportError as error:
        raise RenderingError(_without(f"MuJoCo {mujoco.__version__} has none ({error}); 3.17 has")) from error
    for name in MATERIALS:
        with contextlib.suppress(ImportError):
            import_module(name)
            break
    return filament


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let nobody hear what the renderer prints about itself while it starts, past Python's own streams."""
    sys.stdout.flush(), sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1), os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept[0], 1), os.dup2(kept[1], 2)
        for descriptor in (*kept, nowhere):
            os.close(descriptor)


@functools.cache
def refuse_without() -> None:
    """Draw one picture in another process, which it would take down, and raise RenderingError if it does."""
    if os.environ.get(_WORKS) == sys.executable:
        return
    command = [sys.executable, "-c", "from sayso.sim.filament import draw_one; draw_one()"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired as error:
        raise RenderingError(_without("it drew nothing within two minutes")) from error
    if ended.returncode:
        last = (ended.stderr.strip() or "it ended without a word").splitlines()[-1]
        raise RenderingError(last.partition("Error: ")[2] if _without("") in last else _without(last))
    os.environ[_WORKS] = sys.executable  # so that the workers of an evaluation need not try it again


def _without(reason: str) -> str:
    why = f"it cannot start here ({reason})" if reason else ""
    remedy = f"It needs a Vulkan driver (Debian: apt-get install {' '.join(PACKAGES)})"
    return f"MuJoCo's physically based renderer: {why}. {remedy}" if reason else remedy


def draw_one() -> None:
    """Draw a red floor, and raise RenderingError if it is not red."""
    floor = "<light pos='0 0 3'/><geom type='plane' size='1 1 .1' rgba='1 0 0 1'/>"
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{floor}</worldbody></mujoco>")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    cameras, above = FilamentCameras(32, 32), mujoco.MjvCamera()
    above.distance, above.elevation = 1.0, -90.0
    cameras.load(model)
    red, _, blue = cameras.picture(data, above).reshape(-1, 3).mean(axis=0)
    if red < 2 * blue:
        raise RenderingError(_without(f"it drew a red floor as {red:.0f} red and {blue:.0f} blue"))
