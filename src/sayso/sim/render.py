"""Rendering of cameras: MuJoCo's classic renderer with the settings that make it fast in software.

One GL context lives as long as the `Cameras`; what belongs to a model is replaced when the scene changes. Two
contexts in one process are safe because every picture makes its own context current first: without that a
second world silently draws the first one's meshes.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib.util
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import mujoco
import numpy as np

from sayso.sim.culling import HIDDEN_GROUP, Culling
from sayso.spec import Image, SaysoError

MAX_GEOMS = 2000
NO_CAMERA = "these cameras have no model: call load(model) first"


class Drawing(Protocol):
    """What draws the named cameras of one model at a time, as `Cameras` does."""

    def load(self, model: mujoco.MjModel) -> None:
        """Take a new model."""
        ...

    def picture(
        self, data: mujoco.MjData, camera: str | mujoco.MjvCamera, size_px: tuple[int, int] | None = None
    ) -> Image:
        """Return what a camera sees now, uint8 [H, W, 3]."""
        ...

    def close(self) -> None:
        """Free what it took."""
        ...


class Cameras:
    """Renderer of the named cameras of one model at a time, uint8 [H, W, 3]."""

    def __init__(self, height_px: int, width_px: int, *, plain: bool = True) -> None:
        """Open a GL context for pictures of up to that size; `load` a model before the first picture.

        `plain` leaves out shadows and mirrors.
        """
        self.height_px, self.width_px = height_px, width_px
        self._plain = plain
        self._gl = _open_context(height_px, width_px)
        self._drawn_with: list[mujoco.MjrContext] = []
        self._handle: int | None = None
        self._free = weakref.finalize(self, _free, self._gl, self._drawn_with)
        # At exit this must come before EGL ends, which `atexit` was told when the context was opened.
        self._free.atexit = False
        atexit.register(self._free)
        self._model: mujoco.MjModel | None = None
        self._option = mujoco.MjvOption()
        self._option.geomgroup[HIDDEN_GROUP] = 0
        self._option.sitegroup[4] = 0

    def load(self, model: mujoco.MjModel) -> None:
        """Take a new model; the previous one's textures and meshes are freed."""
        self._make_current()
        while self._drawn_with:
            self._drawn_with.pop().free()
        model.vis.global_.offheight, model.vis.global_.offwidth = self.height_px, self.width_px
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        self._drawn_with.append(context)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        self._scene = mujoco.MjvScene(model, maxgeom=MAX_GEOMS)
        if self._plain:
            self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0  # 43 ms a picture, the default map alone
            self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._model, self._culling = model, Culling(model)

    def picture(
        self, data: mujoco.MjData, camera: str | mujoco.MjvCamera, size_px: tuple[int, int] | None = None
    ) -> Image:
        """Return what a camera sees now, uint8 [H, W, 3], of a size or as large as it goes.

        Raises:
            RuntimeError: if no model was loaded, or the cameras were closed.
        """
        if not self._drawn_with or self._model is None:
            raise RuntimeError(NO_CAMERA)
        view = view_of(self._model, camera)
        self._make_current()
        height, width = size_px or (self.height_px, self.width_px)
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        with self._culled(data, view, width / height):
            mujoco.mjv_updateScene(self._model, data, self._option, None, view, everything, self._scene)
        viewport = mujoco.MjrRect(0, 0, width, height)
        (context,) = self._drawn_with
        mujoco.mjr_render(viewport, self._scene, context)
        image = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(image, None, viewport, context)
        return np.ascontiguousarray(image[::-1])

    def _make_current(self) -> None:
        """Make our GL context the current one, unless it is: changing it flushes what is being drawn."""
        current = _current_context()
        if self._handle is None or current() != self._handle:
            self._gl.make_current()
            self._handle = current()

    def _culled(
        self, data: mujoco.MjData, view: mujoco.MjvCamera, aspect: float
    ) -> contextlib.AbstractContextManager[None]:
        """Leave out what is outside of the picture, unless its shadow could be in it."""
        if not self._plain or view.type != mujoco.mjtCamera.mjCAMERA_FIXED:
            return contextlib.nullcontext()
        return self._culling.hidden(data, view.fixedcamid, aspect)

    def close(self) -> None:
        """Free the GL context. Safe to call twice."""
        self._free()
        atexit.unregister(self._free)


def view_of(model: mujoco.MjModel, camera: str | mujoco.MjvCamera) -> mujoco.MjvCamera:
    """Return a camera of a model by its name; any other as it is."""
    if not isinstance(camera, str):
        return camera
    view = mujoco.MjvCamera()
    view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(camera).id
    return view


def _free(gl: Any, drawn_with: list[mujoco.MjrContext]) -> None:
    """Free what was drawn with, then its GL context.

    MuJoCo's own destructor would do the former in whichever context is current, or in none, and crash.
    """
    from OpenGL.error import (
        GLError,
    )  # at import it would settle PyOpenGL's platform before MuJoCo has chosen one

    while drawn_with:
        context = drawn_with.pop()
        try:
            gl.make_current()
        except (GLError, RuntimeError):  # another thread holds it: better lost than freed in the wrong place
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(context))
            return
        context.free()
    gl.free()


@functools.cache
def _current_context() -> Callable[[], int | None]:
    """Return what tells which EGL context this thread draws in; None where that cannot be told."""
    try:
        current = ctypes.CDLL("libEGL.so.1").eglGetCurrentContext
    except (OSError, AttributeError):  # another system, or another way to draw
        return lambda: None
    current.restype = ctypes.c_void_p
    current.argtypes = []
    return current


class RenderingError(SaysoError):
    """Machine on which no picture can be drawn; it says what would help."""


def load_triton_first() -> None:
    """Load the library of Triton, a compiler that PyTorch for CUDA brings and imports when it likes.

    It holds an LLVM, as Mesa does. With Mesa's loaded first, importing Triton kills the process (SIGSEGV).
    """
    found = importlib.util.find_spec("triton")
    for folder in (found and found.submodule_search_locations) or ():
        for library in Path(folder).glob("_C/libtriton*.so"):
            with contextlib.suppress(OSError):  # then it cannot be imported later either
                ctypes.CDLL(str(library))


def _open_context(height_px: int, width_px: int) -> Any:
    """Open what ``MUJOCO_GL`` asks for now; by default EGL on Linux, which needs no screen.

    MuJoCo itself reads that variable when it is imported, which may be before a worker was told what to use.

    Raises:
        RenderingError: if that cannot be opened.
    """
    backend = os.environ.get("MUJOCO_GL") or ("egl" if sys.platform == "linux" else "")
    load_triton_first()
    try:
        if backend == "egl":
            from mujoco.egl import GLContext
        elif backend == "osmesa":
            from mujoco.osmesa import GLContext
        else:
            from mujoco import GLContext
        return GLContext(width_px, height_px)
    except (
        ImportError,
        AttributeError,
        RuntimeError,
    ) as error:  # PyOpenGL has no one word for a missing library
        raise RenderingError(
            f"cannot draw with MUJOCO_GL={backend or 'glfw'}: {str(error).splitlines()[0]}. Without a "
            "screen, install Mesa (Debian: apt-get install libegl1 libegl-mesa0 libosmesa6)"
            " and set MUJOCO_GL to egl or osmesa"
        ) from error
