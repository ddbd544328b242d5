from __future__ import annotations

import json
import socket

import pytest

from cartscope import geo
from cartscope._errors import IntegrityError
from cartscope._schema import GEO_FILES
from cartscope.geo import series_dir

RAW = "GSE197268_RAW.tar"
LOCK = ".cartscope-lock.json"


@pytest.fixture
def here(server, tmp_path, monkeypatch):
    """A fetched series; from then on no socket opens."""
    dest = tmp_path / "here"
    geo.download("GSE197268", dest, base_url=server.url, retry_seconds=2)

    def no_socket(*args, **kwargs):
        raise AssertionError("verify works offline")

    monkeypatch.setattr(socket, "create_connection", no_socket)
    return dest


def statuses(dest):
    table = GEO_FILES.check(geo.verify("GSE197268", dest))
    return {
        name.rpartition("/")[2]: s for name, s in zip(table["file"], table["status"], strict=True)
    }


def raw_of(dest):
    return series_dir("GSE197268", dest) / "suppl" / RAW


def test_what_was_fetched_is_as_recorded(here):
    assert set(statuses(here).values()) == {"as recorded"}


def test_a_truncated_file_is_named(here):
    raw_of(here).write_bytes(raw_of(here).read_bytes()[:-1000])
    table = geo.verify("GSE197268", here).set_index("file")
    assert table.loc[f"suppl/{RAW}", "status"] == "cut off"
    assert "recorded were" in table.loc[f"suppl/{RAW}", "reason"]
    assert (table["status"] == "as recorded").sum() == 3


def test_an_altered_file_of_the_same_size_is_named(here):
    data = bytearray(raw_of(here).read_bytes())
    data[-2000] ^= 1
    raw_of(here).write_bytes(bytes(data))
    assert statuses(here)[RAW] == "altered"


def test_a_missing_file_is_named(here):
    raw_of(here).unlink()
    assert statuses(here)[RAW] == "missing"


def test_an_unfinished_download_is_named(here):
    raw_of(here).rename(raw_of(here).with_name(RAW + ".part"))
    assert statuses(here)[RAW + ".part"] == "partial"


def test_files_seen_for_the_first_time_are_recorded_once_sound(here, build):
    (series_dir("GSE197268", here) / LOCK).unlink()
    assert set(statuses(here).values()) == {"recorded now"}
    assert set(statuses(here).values()) == {"as recorded"}


def test_damaged_files_are_not_recorded(here):
    lock = series_dir("GSE197268", here) / LOCK
    lock.unlink()
    raw_of(here).write_bytes(raw_of(here).read_bytes()[:50_000])
    assert statuses(here)[RAW] == "damaged"
    assert f"suppl/{RAW}" not in json.loads(lock.read_text())["files"]


def test_a_broken_lock_is_named(here):
    (series_dir("GSE197268", here) / LOCK).write_text("{")
    with pytest.raises(IntegrityError, match=rf"{LOCK}: not a lock file"):
        geo.verify("GSE197268", here)


def test_verify_needs_something_to_verify(tmp_path):
    with pytest.raises(ValueError, match="nothing of GSE197268"):
        geo.verify("GSE197268", tmp_path)


@pytest.mark.parametrize("use", ["index", "inspect"])
@pytest.mark.parametrize("how", ["cut", "altered"])
def test_a_file_that_is_not_as_recorded_is_never_used(here, use, how):
    from cartscope.manifest import manifest_dir, read_geo_series

    data = bytearray(raw_of(here).read_bytes())
    if how == "cut":
        data = data[:-20480]
    else:
        data[3000] ^= 1
    raw_of(here).write_bytes(bytes(data))
    manifest = read_geo_series(manifest_dir() / "GSE197268.toml")
    with pytest.raises(IntegrityError, match=rf"{RAW}: (cut off|altered).*It is not used"):
        getattr(geo, use)(here, manifest)
