"""Set-up tells a machine that renders from one that does not, and says what to do."""

from __future__ import annotations

import os
import subprocess

import check_rendering


def test_the_back_end_of_these_tests_renders():
    assert check_rendering.failure(os.environ["MUJOCO_GL"]) == ""


def test_a_back_end_that_does_not_work_is_told_with_its_reason():
    assert "no-such-back-end" in check_rendering.failure("no-such-back-end")


def test_without_root_the_exact_command_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(check_rendering, "BACKENDS", ("no-such-back-end",))
    monkeypatch.setattr(check_rendering.shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(check_rendering.os, "geteuid", lambda: 1000)
    assert check_rendering.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "apt-get update && apt-get install -y" in said.err
    assert "libosmesa6" in said.err


def test_an_installation_that_fails_is_not_hidden(monkeypatch, capsys):
    def no_network(command, **_):
        raise subprocess.CalledProcessError(100, command)

    monkeypatch.setattr(check_rendering, "first_working", lambda: ("", {"egl": "no libEGL"}))
    monkeypatch.setattr(check_rendering.shutil, "which", lambda name: "/usr/bin/apt-get")
    monkeypatch.setattr(check_rendering.os, "geteuid", lambda: 0)
    monkeypatch.setattr(check_rendering.subprocess, "run", no_network)
    assert check_rendering.main() == 1
    assert "apt-get update failed with code 100" in capsys.readouterr().err
