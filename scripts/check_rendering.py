"""Make sure MuJoCo can render without a screen, and print the back end that does.

One frame is really rendered, in a process of its own, since a missing library shows itself in many ways:
an import error, an exception, a crash, or a picture that is black. Where nothing renders, the system's
libraries are installed (as root on Debian and its kin) or the exact command is printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = ("libegl1", "libgl1", "libosmesa6", "libglx-mesa0", "libegl-mesa0", "libgl1-mesa-dri")
UPDATE = ("apt-get", "update")
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", *PACKAGES)
BACKENDS = ("cgl",) if sys.platform == "darwin" else ("egl", "osmesa")

ONE_FRAME = """
import mujoco
floor = "<light pos='0 0 3'/><geom type='plane' size='1 1 .1' rgba='1 0 0 1'/>"
model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{floor}</worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, height=32, width=32)
renderer.update_scene(data)
frame = renderer.render()
renderer.close()
assert frame[..., 0].max() > frame[..., 2].max(), "the red floor is not red"
"""


def failure(backend: str) -> str:
    """Render one frame with a back end and return "" if it came out right, else the last line it said."""
    environment = os.environ | {"MUJOCO_GL": backend}
    environment.pop("PYOPENGL_PLATFORM", None)  # set for another back end, it would break this one
    try:
        run = subprocess.run(
            [sys.executable, "-c", ONE_FRAME], env=environment, capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return "no frame within 120 s"
    if run.returncode == 0:
        return ""
    said = run.stderr.strip().splitlines()
    return said[-1] if said else f"ended with code {run.returncode}"


def first_working() -> tuple[str, dict[str, str]]:
    """Return the first back end that renders ("" if none does) and why the ones before it did not."""
    failures: dict[str, str] = {}
    for backend in BACKENDS:
        failures[backend] = failure(backend)
        if not failures[backend]:
            return backend, failures
    return "", failures


def install_libraries() -> None:
    """Install the system's rendering libraries; needs root and apt-get."""
    print(f"rendering: installing {' '.join(PACKAGES)}", file=sys.stderr)
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (UPDATE, INSTALL):
        subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def main() -> int:
    """Print the back end that works; return 0, or 1 after saying what to install."""
    backend, failures = first_working()
    has_apt = shutil.which("apt-get") is not None
    if not backend and has_apt and os.geteuid() == 0:
        try:
            install_libraries()
        except subprocess.CalledProcessError as error:
            print(f"rendering: {' '.join(error.cmd)} failed with code {error.returncode}", file=sys.stderr)
        else:
            backend, failures = first_working()
    if backend:
        print(backend)
        return 0
    print("rendering: MuJoCo cannot draw a picture on this machine.", file=sys.stderr)
    for name, reason in failures.items():
        print(f"  {name}: {reason}", file=sys.stderr)
    if has_apt:
        print(
            f"Run this, then try again:\n  sudo sh -c '{' '.join(UPDATE)} && {' '.join(INSTALL)}'",
            file=sys.stderr,
        )
    elif sys.platform != "darwin":
        print("Install Mesa's EGL or OSMesa library with your system's package manager.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
