from __future__ import annotations

from pathlib import Path

import pytest

from cartscope.geo import check_accession, default_dest, sample_path, series_dir, series_path
from cartscope.geo._places import find_series, relative_to


@pytest.mark.parametrize(
    ("accession", "path"),
    [
        ("GSE246490", "geo/series/GSE246nnn/GSE246490"),
        ("GSE1000", "geo/series/GSE1nnn/GSE1000"),
        ("GSE999", "geo/series/GSEnnn/GSE999"),
        ("GSE7", "geo/series/GSEnnn/GSE7"),
    ],
)
def test_layout_of_series(accession, path):
    assert series_path(accession) == path
    assert series_dir(accession, "/x") == Path("/x") / path


def test_layout_of_samples():
    assert sample_path("GSM5911983") == "geo/samples/GSM5911nnn/GSM5911983"
    with pytest.raises(ValueError, match="is not a GEO sample"):
        sample_path("GSM1/../x")


def test_accessions_are_told_in_any_case():
    assert check_accession(" gse12 ") == "GSE12"


def test_default_dest_follows_the_system(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_dest() == Path("/cache/cartscope")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert default_dest() == tmp_path / ".cache" / "cartscope"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_dest() == tmp_path / ".cache" / "cartscope"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_dest() == tmp_path / "Library" / "Caches" / "cartscope"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert default_dest() == tmp_path / "Local" / "cartscope"


def test_a_series_is_found_by_root_by_its_own_folder_and_flat(tmp_path):
    own = series_dir("GSE5", tmp_path / "tree")
    (own / "suppl").mkdir(parents=True)
    assert find_series(tmp_path / "tree", "GSE5") == own
    assert find_series(own, "GSE5") == own
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "GSE5_RAW.tar").write_bytes(b"")
    assert find_series(tmp_path / "flat", "GSE5") == tmp_path / "flat"


def test_another_series_is_not_taken_for_it(tmp_path):
    own = series_dir("GSE5", tmp_path)
    (own / "suppl").mkdir(parents=True)
    for place in (tmp_path, own):
        with pytest.raises(ValueError, match=r"nothing of GSE6; .*cartscope geo get GSE6 --dest"):
            find_series(place, "GSE6")


def test_paths_below_the_tree_are_relative(tmp_path):
    assert relative_to(tmp_path / "a" / "b", tmp_path) == "a/b"
    assert relative_to(Path("/elsewhere/b"), tmp_path) == "/elsewhere/b"
