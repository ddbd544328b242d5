from __future__ import annotations

import pytest

from cartscope._errors import ManifestError
from cartscope.manifest import manifest_dir, read_calibration, read_contrasts

HEAD = """
[measured]
cartscope = "0.1.0"
command = ["python benchmarks/calibration.py table"]
bounds = "95%"

[[level]]
name = "patients"
title = "null cohorts"
cohorts = 500
first_seed = 1000
what = "sums"
"""
COLUMNS = "level,role,test,table,engine,contrast,what,alpha,cohorts,hits,rate,low,high,expected,verdict,note"
ROW = "patients,decides,DE,de,deseq2,c,any,0.1,500,200,0.4,0.35,0.45,0.1,too many,"


@pytest.fixture
def written(tmp_path):
    def make(*rows, head=HEAD, columns=COLUMNS):
        (tmp_path / "calibration.toml").write_text(head)
        (tmp_path / "calibration.csv").write_text("\n".join([columns, *rows]) + "\n")
        return tmp_path / "calibration.toml"

    return make


def test_the_shipped_one_is_sound_and_about_contrasts_that_are_there():
    found = read_calibration(manifest_dir() / "calibration.toml")
    known = {c.id for c in read_contrasts(manifest_dir() / "contrasts.toml").contrast}
    # an interaction is listed with its effects within the arms
    assert {r.contrast.split(" within ")[0] for r in found.row} <= known
    assert {level.name for level in found.level} == {r.level for r in found.row}
    for level in found.level:
        assert max(r.cohorts for r in found.row if r.level == level.name) == level.cohorts


def test_rows_are_found_by_table_and_contrast(written):
    found = read_calibration(written(ROW, ROW.replace(",c,", ",d,")))
    assert [r.verdict for r in found.of("de", "c")] == ["too many"]
    assert found.of("gsea", "c") == ()
    assert found.row[0].cohorts == 500


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW.replace("0.4,0.35", "0.5,0.35"), "line 2, row: .*lies outside of"),
        (ROW.replace("500,200", "100,200"), "200 hits of 100 cohorts"),
        (ROW.replace("too many", "bad"), "line 2, verdict"),
        (ROW.replace("0.1,500", "2,500"), "line 2, alpha"),
        (ROW.replace("patients", "cells"), r"levels \['cells'\] are not described"),
    ],
)
def test_impossible_rows_are_named(written, row, message):
    with pytest.raises(ManifestError, match=message):
        read_calibration(written(row))


def test_unknown_columns_and_a_missing_table_are_named(written, tmp_path):
    with pytest.raises(ManifestError, match="line 2, colour"):
        read_calibration(written(ROW + ",red", columns=COLUMNS + ",colour"))
    (tmp_path / "calibration.csv").unlink()
    with pytest.raises(ManifestError, match=r"calibration\.csv: cannot be read"):
        read_calibration(tmp_path / "calibration.toml")
