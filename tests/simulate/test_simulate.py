from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from cartscope._errors import InputError
from cartscope.simulate import _simulate as module
from cartscope.simulate import grades_table, simulate
from cartscope.simulate._design import libraries

if TYPE_CHECKING:
    from pathlib import Path


def digests(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


def test_the_tree_is_geos(study):
    files = {str(p.relative_to(study.root)) for p in study.root.rglob("*") if p.is_file()}
    assert files == {
        "geo/series/GSE246nnn/GSE246490/suppl/GSE246490_RAW.tar",
        "geo/series/GSE246nnn/GSE246490/suppl/filelist.txt",
        "geo/series/GSE246nnn/GSE246490/soft/GSE246490_family.soft.gz",
        "geo/series/GSE197nnn/GSE197268/suppl/GSE197268_RAW.tar",
        "geo/series/GSE197nnn/GSE197268/suppl/filelist.txt",
        "geo/series/GSE197nnn/GSE197268/soft/GSE197268_family.soft.gz",
        "truth/cells.csv.gz",
        "truth/samples.csv",
        "truth/effects.csv",
        "truth/genes.csv",
        "grades.csv",
    }


def test_file_list_tells_sizes(study):
    for accession in ("GSE246490", "GSE197268"):
        folder = study.suppl(accession)
        table = pd.read_csv(folder / "filelist.txt", sep="\t")
        archive = table[table["#Archive/File"] == "Archive"].iloc[0]
        assert archive["Size"] == (folder / f"{accession}_RAW.tar").stat().st_size
        assert list(table["Name"][1:]) == study.members(accession)


def test_everything_says_simulated(study):
    for accession in ("GSE246490", "GSE197268"):
        soft = study.soft(accession)
        assert f"!Series_title = SIMULATED: single-cell RNA-seq in the shape of {accession}" in soft
        samples = soft.split("^SAMPLE")[1:]
        assert len(samples) == len(study.members(accession))
        assert all("!Sample_characteristics_ch1 = data: SIMULATED" in s for s in samples)
    assert set(pd.read_csv(study.root / "grades.csv")["scale"]) == {"SIMULATED"}


def test_no_real_accession_is_made_up(study):
    real = {lib.gsm for lib in libraries() if lib.patient.study == "GSE197268"}
    assert {m.split("_")[0] for m in study.members("GSE197268")} == real
    assert all(m.startswith("GSMSIM") for m in study.members("GSE246490"))


def test_soft_holds_no_grade(study):
    # grades come by grades.csv, as a user gives them: GEO is not known to have any
    assert "grade" not in study.soft("GSE197268").replace("grades, sexes", "").lower()


@pytest.mark.parametrize(
    ("accession", "sample"),
    [("GSE246490", "SIM-NoAnakinra-01-D7"), ("GSE197268", "Patient6-D7-CART")],
)
def test_a_library_is_what_the_truth_says(study, accession, sample):
    counts, features, barcodes = study.read_library(accession, sample)
    truth = study.cells.query("sample_id == @sample")
    assert list(truth["barcode"]) == barcodes == sorted(set(barcodes))
    assert counts.shape == (len(barcodes), 36_603) == (len(truth), len(features))
    assert features[-2:] == [
        "Yescarta\tYescarta\tGene Expression",
        "Kymriah\tKymriah\tGene Expression",
    ]
    assert counts.dtype.kind == "i"
    assert counts.data.min() == 1
    # molecules follow what was expected of each droplet
    whole = truth["damage"].eq("").to_numpy()
    total = np.asarray(counts.sum(1)).ravel()[whole]
    expected = truth["expected_molecules"].to_numpy()[whole]
    assert np.corrcoef(np.log(total), np.log(expected))[0, 1] > 0.9
    assert np.asarray(counts[:, -1].sum()) == 0


@pytest.fixture
def few(monkeypatch):
    """Let the study have ten libraries, some of each series."""
    every = libraries()
    monkeypatch.setattr(module, "libraries", lambda **_: (*every[:5], *every[-5:]))


@pytest.mark.usefixtures("few")
def test_the_same_bytes_for_any_number_of_jobs(tmp_path):
    for name, jobs in (("one", 1), ("two", 2)):
        simulate(tmp_path / name, cells=1000, seed=7, n_jobs=jobs)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.usefixtures("few")
def test_another_seed_gives_other_cells(study, tmp_path):
    simulate(tmp_path, cells=1000, seed=6, n_jobs=2, null=True)
    other = pd.read_csv(tmp_path / "truth" / "cells.csv.gz", keep_default_na=False)
    assert not set(other["barcode"][:500]) & set(study.cells["barcode"][:500])
    # and --null plants nothing
    assert (tmp_path / "truth" / "effects.csv").read_text().count("\n") == 1
    assert (tmp_path / "truth" / "genes.csv").read_text().count("\n") == 1


def test_grades_are_of_the_patients_in_the_study(study):
    grades = pd.read_csv(study.root / "grades.csv")
    pd.testing.assert_frame_equal(grades, grades_table())
    assert set(study.samples["patient"]) == set(grades["patient"])


def test_progress_is_told_of_every_library(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "libraries", lambda **_: libraries()[:3])
    seen = []
    simulate(tmp_path, cells=1000, progress=lambda *a: seen.append(a))
    assert [a[:2] for a in seen] == [(1, 3), (2, 3), (3, 3)]


def test_a_failed_library_is_as_poor_as_a_real_one(tmp_path, monkeypatch):
    every = libraries(failed_library=True)
    failed = [lib for lib in every if lib.failed]
    assert len(failed) == 1
    assert failed[0].sorted
    monkeypatch.setattr(module, "libraries", lambda **_: (every[0], failed[0]))
    simulate(tmp_path, cells=20_000, failed_library=True)
    cells = pd.read_csv(tmp_path / "truth" / "cells.csv.gz", keep_default_na=False)
    mine = cells[cells["sample_id"] == failed[0].sample_id]
    assert set(mine["damage"]) == {"failed library"}
    assert 15 < mine["expected_molecules"].median() < 35


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"cells": 10}, "cells: 10 is fewer than the 1,000"),
        ({"cells": "all"}, "cells: 'all' is neither a number nor 'paper'"),
        ({"effect": -1.0}, "effect: -1.0 is not a strength"),
        ({"effect": float("nan")}, "effect: nan is not a strength"),
        ({"n_jobs": 0}, "n_jobs: 0 workers"),
    ],
)
def test_impossible_arguments(tmp_path, wrong, match):
    with pytest.raises(InputError, match=match):
        simulate(tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_truth_is_plain_json_types(study):
    row = study.samples.iloc[0]
    assert json.loads(row.to_json())["patient"] == "GSE246490-Anakinra-01"
