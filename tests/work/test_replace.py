from __future__ import annotations

from pathlib import Path

import pytest

from sayso.work.replace import appearing, replace_folder


def write(text: str):
    return lambda folder: (folder / "file").write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    replace_folder(tmp_path / "policy", write("old"))
    return tmp_path / "policy"


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.parent.iterdir()]


def test_a_folder_is_replaced_as_a_whole(folder):
    replace_folder(folder, lambda new: (new / "other").write_text("new"))
    assert [path.name for path in folder.iterdir()] == ["other"]
    assert names(folder) == ["policy"]


def test_an_error_while_writing_leaves_the_old_folder_and_nothing_beside_it(folder):
    def fail(new: Path) -> None:
        (new / "file").write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        replace_folder(folder, fail)
    assert (folder / "file").read_text() == "old"
    assert names(folder) == ["policy"]


def test_an_error_between_the_two_renames_puts_the_old_folder_back(folder, monkeypatch):
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == ".policy.new":
            raise OSError("the disk is gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        replace_folder(folder, write("new"))
    assert (folder / "file").read_text() == "old"


def test_what_a_kill_between_the_two_renames_left_is_not_lost_when_the_next_writing_fails(folder):
    folder.rename(folder.with_name(".policy.old"))
    with pytest.raises(ZeroDivisionError):
        replace_folder(folder, lambda _: 1 / 0)
    assert (folder / "file").read_text() == "old"


def test_a_file_that_could_not_be_written_whole_leaves_the_one_before_and_nothing_else(tmp_path):
    file = tmp_path / "sheet.png"
    file.write_text("before")

    def write_half(partial):
        partial.write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), appearing(file) as partial:
        write_half(partial)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
    with appearing(file) as partial:
        partial.write_text("whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]
