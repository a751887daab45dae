"""In a real browser: type an instruction, see the robot finish. `make browser` runs it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sayso.data.reader import Dataset
from sayso.sim.kinematics import ArmKinematics
from sayso.sim.robots import from_robot_units
from sayso.spec import ACTION

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += [
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
WAIT_MS = 600_000
"""How long to wait for anything: what is waited for are states, so that a fast machine waits for nothing."""
ENDS = ("Done", "Not done", "The robot stopped")
PATIENT = ["--strategy", "synchronous", "--watchdog-ms", "600000", "--patience-s", "600"]
"""The robot waits for its answers, so that what it achieves does not depend on how fast they come."""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def browser():
    """Return a headless Chromium with a profile of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: make browser installs it")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed; `make browser` installs one")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=program, args=FLAGS, timeout=WAIT_MS)
        yield chromium
        chromium.close()


@pytest.fixture
def studio():
    """Open pages of the shipped policy, whose robot takes so many steps a second, and close them."""
    begun: list[subprocess.Popen[str]] = []

    def begin(hz: int, *more: str) -> str:
        command = [sys.executable, "-m", "sayso", "studio", "--port", "0", "--hz", str(hz), *PATIENT, *more]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path])}
        begun.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True))
        return re.search(r"http://\S+", begun[-1].stdout.readline())[0]

    begin.pages = begun
    yield begin
    for page in begun:
        ended(page)


def ended(page: subprocess.Popen[str]) -> None:
    """End a page by Ctrl-C, unless it has ended."""
    if page.returncode is None:
        page.send_signal(signal.SIGINT)
        assert "at rest" in page.communicate(timeout=WAIT_MS / 1000)[0]
        assert page.returncode == 0


def headline(tab, *words):
    """Return where one of some headlines stands."""
    return tab.locator(",".join(f'[data-headline="{word}"]' for word in words))


@contextmanager
def opened(browser, url):
    """Yield the page, once it shows a scene that can be asked about."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    tab.set_default_timeout(WAIT_MS)
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    # That it draws slowly, as the flags want it, is told in front of what is to be clicked, sooner or later.
    notice = tab.locator(".mantine-Notification-closeButton").first
    tab.add_locator_handler(notice, lambda button: button.dispatch_event("click"))
    tab.goto(url)
    headline(tab, "Ready", "Driving", *ENDS).first.wait_for()
    yield tab
    tab.close()  # drawn by software, it would take a core from the next
    assert not wrong


def examples(tab):
    """Return the buttons with things to say, the last of them a long one."""
    return tab.get_by_role("button", name=re.compile(r"\bthe\b"))


def actor(tab, *names):
    """Return the line that says who acts, if it is one of some."""
    return tab.locator(",".join(f'[data-actor="{name}"]' for name in names)).first


def timeout() -> type[Exception]:
    """Return what Playwright raises when nothing comes in time."""
    from playwright.sync_api import TimeoutError

    return TimeoutError


def ball(tab) -> tuple[float, float]:
    """Return where the orange ball at the hand is on the screen: a patch of its colour, which no path is."""
    for _ in range(60):  # a browser that draws by software is behind what is so
        picture = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"), int)
        red, green, blue = np.moveaxis(picture[:, 340:1040], -1, 0)
        orange = (red > 130) & (red - green > 35) & (green - blue > 15)
        patches = np.lib.stride_tricks.sliding_window_view(orange, (5, 5)).all(axis=(2, 3))
        rows, columns = np.nonzero(patches)
        if len(rows):
            middle = len(rows) // 2
            return 340 + 2 + float(columns[middle]), 2 + float(rows[middle])
        tab.wait_for_timeout(1000)
    raise AssertionError("no ball is to be seen")


def test_the_hand_is_dragged_and_the_gripper_shut_and_the_correction_is_kept(browser, studio, tmp_path):
    out = tmp_path / "corrections"
    with opened(browser, studio(1, "--corrections", str(out))) as tab:
        examples(tab).last.click()  # long, so that it is not done before somebody has taken hold
        actor(tab, "policy").wait_for()
        for _ in range(10):  # it moves while one reaches for it
            x, y = ball(tab)
            tab.mouse.move(x, y)
            tab.mouse.down()
            for step in range(1, 6):
                tab.mouse.move(x + 10 * step, y - 12 * step)
            with contextlib.suppress(timeout()):
                actor(tab, "person").wait_for(timeout=20_000)
                break
            tab.mouse.up()
        else:
            pytest.fail("the ball could not be taken hold of")
        tab.keyboard.press("Space")
        tab.wait_for_timeout(3000)
        picture = Path(os.environ.get("SAYSO_SCREENSHOT_PERSON", tmp_path / "person.png"))
        tab.screenshot(path=str(picture))
        tab.mouse.up()
        actor(tab, "policy").wait_for()
        tab.get_by_text("1 correction kept").wait_for()
        # Keys do the same, and only where nobody types.
        tab.keyboard.down("PageUp")
        actor(tab, "person").wait_for()
        tab.wait_for_timeout(2000)
        tab.keyboard.up("PageUp")
        tab.get_by_text("2 corrections kept").wait_for()
    ended(studio.pages[-1])
    dataset = Dataset(out)
    assert [episode.ending.actor for episode in dataset.episodes] == ["person", "person"]
    dragged, lifted = (np.array([f[ACTION] for f in dataset.frames(e)]) for e in dataset.episodes)
    assert np.ptp(dragged[:, 5]) > 30, "the gripper's key is not in it"
    assert np.ptp(dragged[:, :5], axis=0).max() > 3
    heights = [ArmKinematics().forward(from_robot_units(action)[0])[0][2] for action in lifted]
    assert heights[-1] > heights[0] + 0.01


def test_an_instruction_is_typed_and_the_robot_is_seen_to_finish(browser, studio, tmp_path):
    url = studio(hz=10)
    with opened(browser, url) as tab:
        with opened(browser, url):
            long = examples(tab).last.inner_text()
            field = tab.locator("form input").first
            field.fill(long)
            field.press("Enter")
            headline(tab, "Driving", *ENDS).wait_for()
        # A tab that went took nothing with it.
        headline(tab, *ENDS).wait_for()
        picture = Path(os.environ.get("SAYSO_SCREENSHOT", tmp_path / "studio.png"))
        tab.screenshot(path=str(picture))
        assert headline(tab, "Done").count() == 1, tab.locator(".sayso").all_inner_texts()
        assert tab.locator('[data-step="done"]').count() >= 2
        assert (
            tab.locator('[data-lit="true"]').count() >= 3 and tab.locator('[data-lit="false"]').count() == 0
        )
        assert picture.stat().st_size > 20_000


def test_what_is_not_understood_is_answered_and_stop_and_new_scene_work(browser, studio):
    # At one step a second, no browser is so slow that the robot is done before it is stopped.
    with opened(browser, studio(hz=1)) as tab:
        long = examples(tab).last.inner_text()
        tab.locator("form input").first.fill("make me a coffee")
        tab.locator("form input").first.press("Enter")
        tab.get_by_text("I can: ").wait_for()
        tab.get_by_role("button", name=long).click()
        headline(tab, "Driving").wait_for()
        tab.get_by_role("button", name="Stop").click()
        headline(tab, "Stopped").wait_for()
        tab.get_by_role("button", name="New scene").click()
        headline(tab, "Ready").wait_for()
        tab.get_by_role("button", name=long).wait_for(state="detached")
