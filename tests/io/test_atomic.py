from __future__ import annotations

import pytest

from cartscope.io._atomic import replacing


def _stopped(path, begin) -> None:
    with replacing(path) as temporary:
        begin(temporary)
        raise RuntimeError("stop")


def test_a_file_appears_when_the_block_ends_well(tmp_path) -> None:
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("earlier", ["file", "folder", None])
@pytest.mark.parametrize("now", ["file", "folder"])
def test_whatever_was_there_is_replaced_whole_or_stays(tmp_path, earlier, now) -> None:
    path = tmp_path / "a"

    def put(place, kind, text) -> None:
        if kind == "folder":
            place.mkdir()
            (place / text).write_text(text)
        elif kind == "file":
            place.write_text(text)

    def holds(kind, text) -> None:
        if kind == "folder":
            assert [p.name for p in path.iterdir()] == [text]
        elif kind == "file":
            assert path.read_text() == text
        else:
            assert not path.exists()

    put(path, earlier, "old")
    with pytest.raises(RuntimeError, match="stop"):
        _stopped(path, lambda temporary: put(temporary, now, "half"))
    holds(earlier, "old")
    assert list(tmp_path.iterdir()) == ([path] if earlier else [])
    with replacing(path) as temporary:
        put(temporary, now, "new")
    holds(now, "new")
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_run_left_is_no_obstacle(tmp_path) -> None:
    path = tmp_path / "a"
    places = []
    with pytest.raises(RuntimeError, match="stop"):
        _stopped(path, places.append)
    left = places[0]
    left.mkdir()
    (left / "x").write_text("x")
    with replacing(path) as temporary:
        temporary.write_text("one")
    assert path.read_text() == "one"
