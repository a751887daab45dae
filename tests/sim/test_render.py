"""Cameras that nobody closes: freed in their own context, whenever the interpreter gets to it."""

from __future__ import annotations

import _ctypes
import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

LEFT_ALONE = """
import gc, tempfile, threading, weakref
weakref.finalize(tempfile, print)  # whoever is told first what to do at exit does it last
from sayso.tasks.worlds import make_world

def used():
    world = make_world("tabletop")
    world.reset(seed=1)
    return world

def seen(world):
    return world.reset(seed=2)[0]["observation.images.front"].tobytes()

kept = used()
before = seen(kept)
gone = used()
del gone
gc.collect()
assert seen(kept) == before, "freed in the context of another world"
of_thread = []
thread = threading.Thread(target=lambda: of_thread.append(used()))
thread.start(), thread.join()
of_thread.clear()
gc.collect()
assert seen(kept) == before, "freed what belongs to a thread"
left = used()
left.itself = left
"""


def test_worlds_that_nobody_closed_harm_no_other_and_end_in_silence():
    ended = subprocess.run([sys.executable, "-c", LEFT_ALONE], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_world_draws_though_no_variable_says_with_what():
    """Importing PyOpenGL before MuJoCo has chosen a platform broke this where there is no screen."""
    unset = {
        name: value for name, value in os.environ.items() if name not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")
    }
    code = "from sayso import make_world; make_world('tabletop').reset(seed=1)"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=unset, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_where_nothing_draws_one_sentence_says_what_to_install():
    code = "import mujoco, os; os.environ['MUJOCO_GL'] = 'osmesa'; os.environ['PYOPENGL_PLATFORM'] = 'egl'\n"
    code += "from sayso import make_world; make_world('tabletop').reset(seed=1)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "RenderingError: cannot draw with MUJOCO_GL=osmesa" in ended.stderr
    assert "apt-get install" in ended.stderr


DRAWN = "from sayso import make_world; make_world('tabletop').reset(seed=1)\n"


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="PyTorch for CUDA brings Triton")
def test_a_compiler_with_an_llvm_of_its_own_can_be_imported_after_something_was_drawn():
    ended = subprocess.run([sys.executable, "-c", DRAWN + "import triton"], capture_output=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_library_of_such_a_compiler_is_loaded_before_mesas(tmp_path):
    (tmp_path / "triton" / "_C").mkdir(parents=True)
    (tmp_path / "triton" / "__init__.py").write_text("raise ImportError('only its library may be loaded')")
    shutil.copy(_ctypes.__file__, tmp_path / "triton" / "_C" / "libtriton.so")
    code = DRAWN + "print([line.split()[-1] for line in open('/proc/self/maps') if 'r-xp' in line])"
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert str(tmp_path / "triton" / "_C" / "libtriton.so") in ended.stdout
