"""JSON that nests too deep, or holds a number too large for any float, is refused in one sentence."""

from __future__ import annotations

import json

import pytest

from sayso.data.cameras import read_cameras
from sayso.data.clicks import read_clicks
from sayso.evaluation.kept import read_result
from sayso.learn.settings import expanded
from sayso.learn.wordings import read_wordings
from sayso.spec import SaysoError
from sayso.spec.files import parsed

DEEP, HUGE, LONG = "[" * 100_000, '{"a": 1e999}', "1" * 400
UPRIGHT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
READERS = {
    "calibration": read_cameras,
    "clicks": read_clicks,
    "report": read_result,
    "wordings": read_wordings,
    "settings": lambda path: expanded(["--config", "x"], str(path)),
}


@pytest.mark.parametrize("content", [DEEP, '{"a":' * 50_000, HUGE, LONG, "-" + LONG, "", "\0", '{"a"'])
def test_what_is_no_json_of_ours_is_a_value_error(content):
    with pytest.raises(ValueError):
        parsed(content)
    with pytest.raises(ValueError):
        parsed(content.encode())


def test_what_is_json_is_read_as_ever():
    value = {"a": [1, -2, 1.5, 1e-300, 2**63, None, True, "\ud800"], "b": {}}
    assert parsed(json.dumps(value)) == value


@pytest.mark.parametrize("content", [DEEP, '{"cameras":' * 50_000, HUGE, LONG, "\udcff"])
@pytest.mark.parametrize("reader", READERS)
def test_a_persons_file_is_refused_in_a_sentence(reader, content, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(SaysoError) as refused:
        READERS[reader](path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_changes_of_a_model_that_are_none_are_refused(tmp_path):
    path = tmp_path / "run.json"
    for wrong in ("nonsense", 7, [1]):
        path.write_text(json.dumps({"model_config": wrong}), encoding="utf-8")
        with pytest.raises(SaysoError, match=r"no run\.json of a training"):
            READERS["settings"](path)


def test_sizes_and_frames_that_are_endless_are_refused(tmp_path):
    path, endless = tmp_path / "file.json", float("inf")
    camera = {"size": [endless, 640], "matrix": UPRIGHT, "rotation": UPRIGHT, "translation_m": [0, 0, 1]}
    path.write_text(json.dumps({"cameras": {"front": camera}}), encoding="utf-8")
    with pytest.raises(SaysoError, match="no calibration"):
        read_cameras(path)
    marks = {"episodes": {"0": {"front": {"object": [[endless, 0, 0]]}}}}
    path.write_text(json.dumps(marks), encoding="utf-8")
    with pytest.raises(SaysoError, match="no file of clicks"):
        read_clicks(path)
