"""The page about results: one file, each part of it where something tells it, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sayso import cli
from sayso.data.film import write_film
from sayso.spec import TASK, image_key

FAMILIES = ("put", "stack")
VOID = {"meta", "br", "img", "link"}


class Tree(HTMLParser):
    """Check that every element is closed, and keep what is asked of elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.asked: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.asked += [
            value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style"} & {*self.open}:
            self.text += data


def kept(
    path: Path, *, success: int = 8, axis: tuple[str, ...] = (), instruction: str = "put it there", **more
):
    """Write a report of ten episodes of each family, of which so many succeed."""
    config = {
        "policy": "checkpoints/<mine>",
        "world": "room",
        "axis": list(axis),
        "options": {},
        "swap": False,
    }
    config |= {"departs": [f"{each} (the camera stands aside)" for each in axis]} | more.pop("config", {})
    episodes = [
        {
            "world": "room",
            "family": family,
            "instruction": instruction,
            "seed": 2_000_000 + k,
            "horizon": 50,
            "outcome": "success" if k < success else "failure",
            "conditions": {"object_in_place": k < success, "gripper_released": k < 9},
            "steps": 20,
            "notes": {"chosen_object": "named" if k < 9 else "other"},
        }
        for family in FAMILIES
        for k in range(10)
    ]
    facts = {
        "benchmark": "evaluate",
        "world": "room",
        "families": FAMILIES,
        "config": config,
        "episodes": episodes,
    }
    path.write_text(json.dumps({**facts, "command": "sayso eval & more", "commit": "c0ffee", **more}))
    return str(path)


def written(*results: str, out: Path) -> tuple[str, Tree]:
    assert cli.main(["report", *results, "--out", str(out)]) == 0
    text, tree = out.read_text(encoding="utf-8"), Tree()
    tree.feed(text)
    assert tree.open == [] and tree.asked == [], "the page must be whole and need no other file"
    return text, tree


def test_a_page_of_all_that_was_measured(tmp_path, capsys):
    film = tmp_path / "films" / "put-2000008.mp4"
    frame = {image_key("front"): np.zeros((32, 32, 3), np.uint8), TASK: "put it there"}
    write_film(film, [frame] * 3, 10)
    results = [
        kept(tmp_path / "plain.json", films=["films/put-2000008.mp4", "films/gone.mp4"]),
        *(kept(tmp_path / f"camera{k}.json", success=8 - k, axis=(f"camera={k}",)) for k in (1, 2, 3)),
        kept(tmp_path / "both.json", success=2, axis=("camera=2", "light=1")),
        kept(tmp_path / "swap.json", success=7, config={"swap": True}),
        kept(tmp_path / "blank.json", success=1, instruction="", axis=("words=5",)),
        kept(tmp_path / "wrong.json", axis=("words=4",), config={"options": {"wording": "wrong"}}),
    ]
    text, tree = written(*results, out=tmp_path / "deep" / "page.html")
    assert "1 films are not where the reports say" in capsys.readouterr().err
    for title in (
        *("How often it works", "How far from training it still works", "Does it listen", "What goes wrong"),
        *("Failures to watch", "What it goes for", "How it was measured"),
    ):
        assert title in tree.text
    assert "80 % success" in tree.text and "16 of 20 episodes succeeded" in tree.text
    assert "between 58 and 92 %" in tree.text
    assert "checkpoints/<mine>" in tree.text and "sayso eval & more" in tree.text
    assert tree.seen.count("video") == 1 and text.count("data:video/mp4;base64,") == 1
    assert "put it there: not object in place" in tree.text
    plot = re.search(r"<svg class='plot'.*?</svg>", text, re.S)
    assert plot and all(f"all, level {k}: {80 - 10 * k} %" in plot[0] for k in range(4))
    assert "put, level 3: 50 %" in plot[0] and "camera 2, light 1" in tree.text
    assert "another thing is named" in tree.text and "nothing is said" in tree.text
    assert "the sentence of another task is said" in tree.text and text.count("<svg class='plot'") == 1
    assert "object in place" in tree.text and "the thing that was named" in tree.text
    assert "script" not in tree.seen


def test_what_nobody_measured_has_no_section(tmp_path):
    _, tree = written(kept(tmp_path / "plain.json", success=10), out=tmp_path / "page.html")
    assert "100 % success" in tree.text
    for title in ("How far from training", "Does it listen", "Failures to watch", "No films", "Compared"):
        assert title not in tree.text


def test_policies_have_a_part_each_and_comparisons_their_sentence(tmp_path):
    one = kept(tmp_path / "one.json")
    other = kept(tmp_path / "other.json", success=3, config={"policy": "runs/other"})
    compared = tmp_path / "compared.json"
    assert cli.main(["compare", one, other, "--out", str(compared)]) == 0
    _, tree = written(one, other, str(compared), out=tmp_path / "page.html")
    assert "runs/other" in tree.text and "checkpoints/<mine> is better than runs/other: " in tree.text
    assert tree.seen.count("h2") == 2


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("report", "report needs the JSON files of results"),
        ("report nowhere.json", "nowhere.json is not there; name the JSON file of a report"),
        ("report facts.json", "facts.json is no report of an evaluation in a world"),
        ("report facts.json --out page.txt", "--out is page.txt, but a page is called something.html"),
    ],
)
def test_what_is_no_result_is_refused_in_one_sentence(typed, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("facts.json").write_text("{}")
    assert cli.main(typed.split()) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not Path("report.html").exists()
