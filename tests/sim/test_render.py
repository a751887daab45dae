"""Cameras that nobody closes: freed in their own context, whenever the interpreter gets to it."""

from __future__ import annotations

import os
import subprocess
import sys

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
