"""Long work says how far it is: with a bar to people, in lines now and then to files."""

from __future__ import annotations

from sayso.work.progress import tracked


def test_where_no_terminal_is_lines_count_pieces_by_their_size(capsys):
    parts = [range(3), range(3), range(1)]
    assert [*tracked(parts, "measuring [/b]", size=len, every_s=0)] == parts
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [f"measuring [/b]: {n} of 7" for n in (3, 6, 7)]


def test_what_is_quick_says_nothing_there(capsys):
    assert [*tracked("abc", "reading")] == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_whoever_stops_in_the_middle_may(capsys):
    pieces = tracked([1, 2, 3], "reading", every_s=0)
    assert next(pieces) == 1
    pieces.close()
    assert capsys.readouterr().err == ""
