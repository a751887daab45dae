"""In a real browser: type an instruction, see the robot finish. `make browser` runs it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += [
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
WAIT_MS = 240_000
ENDS = ("Done", "Not done", "The robot stopped")

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]


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
def url():
    """Open the page of the shipped policy, and close it."""
    command = [sys.executable, "-m", "sayso", "studio", "--port", "8090"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    studio = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    said = studio.stdout.readline()
    yield re.search(r"http://\S+?:\d+", said)[0]
    studio.send_signal(signal.SIGINT)
    assert "at rest" in studio.communicate(timeout=WAIT_MS / 1000)[0]
    assert studio.returncode == 0


@contextmanager
def opened(browser, url):
    """Yield the page, once it shows a scene that can be asked about."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    tab.set_default_timeout(WAIT_MS)
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(url)
    tab.locator('[data-headline="Ready"]').first.wait_for()
    tab.get_by_text("Software WebGL rendering detected").wait_for()  # as the flags want it
    tab.locator(".mantine-Notification-closeButton").first.click()
    yield tab
    tab.close()  # drawn by software, it would take a core from the next
    assert not wrong


def examples(tab):
    """Return the buttons with things to say, the last of them a long one."""
    return tab.get_by_role("button", name=re.compile(r"\bthe\b"))


def test_an_instruction_is_typed_and_the_robot_is_seen_to_finish(browser, url, tmp_path):
    with opened(browser, url) as tab:
        with opened(browser, url):
            long = examples(tab).last.inner_text()
            field = tab.locator("form input").first
            field.fill(long)
            field.press("Enter")
            tab.locator('[data-headline="Driving"]').wait_for()
            tab.locator('[data-lit="false"]').first.wait_for()
        # A tab that went took nothing with it.
        tab.locator(",".join(f'[data-headline="{word}"]' for word in ENDS)).wait_for()
        picture = Path(os.environ.get("SAYSO_SCREENSHOT", tmp_path / "studio.png"))
        tab.screenshot(path=str(picture))
        assert tab.locator('[data-headline="Done"]').count() == 1, tab.locator(".sayso").all_inner_texts()
        assert tab.locator('[data-step="done"]').count() >= 2
        assert (
            tab.locator('[data-lit="true"]').count() >= 3 and tab.locator('[data-lit="false"]').count() == 0
        )
        assert picture.stat().st_size > 20_000


def test_what_is_not_understood_is_answered_and_stop_and_new_scene_work(browser, url):
    with opened(browser, url) as tab:
        long = examples(tab).last.inner_text()
        tab.locator("form input").first.fill("make me a coffee")
        tab.locator("form input").first.press("Enter")
        tab.get_by_text("I can: ").wait_for()
        # One step can be over before a slow browser is done with the click: several are not.
        tab.get_by_role("button", name=long).click()
        tab.locator('[data-headline="Driving"]').wait_for()
        tab.get_by_role("button", name="Stop").click()
        tab.locator('[data-headline="Stopped"]').wait_for()
        tab.get_by_role("button", name="New scene").click()
        tab.locator('[data-headline="Ready"]').wait_for()
        tab.get_by_role("button", name=long).wait_for(state="detached")
