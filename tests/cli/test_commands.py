"""The command line as a newcomer meets it: exit codes, one line for an error, nothing made up."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from cartscope import __version__
from cartscope.cli import main


def run(capsys, *argv):
    status = main([str(a) for a in argv])
    out = capsys.readouterr()
    return status, out.out, out.err


def test_version_and_help(capsys):
    assert run(capsys, "--version")[:2] == (0, f"cartscope {__version__}\n")
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for command in (
        "reproduce",
        "run",
        "figure",
        "claims",
        "report",
        "list",
        "geo",
        "simulate",
        "doctor",
    ):
        assert command in out


@pytest.mark.parametrize(
    ("what", "some"),
    [
        ("steps", "pseudobulk"),
        ("figures", "6C"),
        ("contrasts", "mono_crs_anakinra"),
        ("claims", "lr-cxcl10"),
        ("rules", "lasso-day7-expansion"),
    ],
)
def test_list_shows_what_there_is(capsys, what, some):
    status, out, _ = run(capsys, "list", what)
    assert status == 0
    assert re.search(rf"^{some}\s", out, flags=re.M)


def test_list_claims_says_what_each_needs(capsys):
    _, out, _ = run(capsys, "list", "claims")
    assert re.search(r"^cells-total\s+count\s+geo\s", out, flags=re.M)
    assert re.search(r"^pfs\s+estimate\s+clinical\s", out, flags=re.M)


def test_doctor_names_versions_memory_and_what_is_missing(capsys):
    status, out, _ = run(capsys, "doctor")
    assert status == 0
    for word in ("harmonypy", "cores", "memory", "disk", "GEO files in", "extra dask"):
        assert word in out


@pytest.mark.parametrize(
    "argv", [["no-such-command"], ["reproduce", "--no-such-option"], ["reproduce", "--seed", "x"]]
)
def test_wrong_usage_exits_2(capsys, argv):
    status, _, err = run(capsys, *argv)
    assert status == 2
    assert "Usage" in err or "No such" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["reproduce", "--data", "nowhere"],
            "--data nowhere: no such folder; give simulated, geo or a folder.",
        ),
        (
            ["reproduce", "--cells", "12"],
            "--cells is '12', but must be a number of 2000 or more, or `paper`.",
        ),
        (["reproduce", "--preset", "best"], "--preset is 'best'"),
        (["figure", "9Z", "--out", "o"], "figure is '9Z', but must be one of"),
        (
            ["run", "cells", "--out", "o"],
            "o: no run has written here; run `cartscope reproduce --out o` first.",
        ),
        (["geo", "get", "GSM12"], "GSM12"),
    ],
)
def test_an_error_is_one_line_and_exit_1(capsys, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, *argv)
    assert status == 1
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in err


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    from cartscope._errors import InputError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        main(["--debug", "reproduce", "--data", "nowhere"])


def test_simulate_refuses_a_folder_with_something_in_it(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    status, _, err = run(capsys, "simulate", "--out", tmp_path)
    assert status == 1
    assert "it is there and not empty; name a new folder" in err
    assert (tmp_path / "mine.txt").read_text("utf-8") == "mine"


def bad_folder(tmp_path, change):
    """A folder with one tiny library and a samples.csv, changed for the worse."""
    from anndata import AnnData
    from scipy import sparse

    tmp_path.mkdir(exist_ok=True)
    adata = AnnData(sparse.csr_matrix([[1.0, 2.0], [3.0, 0.0]]))
    adata.obs_names, adata.var_names = ["AA-1", "AC-1"], ["CD3D", "CD4"]
    table = pd.DataFrame({"sample_id": ["s"], "path": ["s.h5ad"], "patient": ["p"]})
    adata, table = change(adata, table)
    adata.write_h5ad(tmp_path / "s.h5ad")
    table.to_csv(tmp_path / "samples.csv", index=False)
    return tmp_path


def negative(adata, table):
    adata.X.data[0] = -1
    return adata, table


def fractional(adata, table):
    adata.X.data[0] = 0.5
    return adata, table


def duplicate_barcodes(adata, table):
    adata.obs_names = ["AA-1", "AA-1"]
    return adata, table


def missing_file(adata, table):
    return adata, table.assign(path="gone.h5")


def missing_column(adata, table):
    return adata, table.drop(columns="patient")


def bad_grade(adata, table):
    return adata, table.assign(crs_grade=9)


def typo(adata, table):
    return adata, table.assign(crs_grad=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (negative, "negative"),
        (fractional, "0.5"),
        (duplicate_barcodes, "AA-1"),
        (missing_file, "gone.h5"),
        (missing_column, "patient"),
        (bad_grade, "crs_grade"),
        (typo, "crs_grad"),
    ],
)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_wrong_input_of_each_kind_is_one_clear_line(capsys, tmp_path, change, message):
    folder = bad_folder(tmp_path / "data", change)
    status, _, err = run(capsys, "reproduce", "--data", folder, "--out", tmp_path / "o")
    assert status == 1
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, err
    assert message in lines[0]
    assert "Traceback" not in err


def test_an_unknown_patient_in_the_grades_is_named(capsys, tmp_path):
    folder = bad_folder(tmp_path / "data", lambda a, t: (a, t))
    grades = tmp_path / "grades.csv"
    grades.write_text("patient,crs_grade,nt_grade,scale\nsomebody,2,1,Lee 2014\n", "utf-8")
    status, _, err = run(
        capsys, "reproduce", "--data", folder, "--grades", grades, "--out", tmp_path / "o"
    )
    assert status == 1
    assert "somebody" in err


def test_a_bad_key_in_a_manifest_is_named(capsys, tmp_path):
    folder = bad_folder(tmp_path / "data", lambda a, t: (a, t))
    own = tmp_path / "own"
    own.mkdir()
    (own / "contrasts.toml").write_text("[outcomes]\n", "utf-8")
    status, _, err = run(
        capsys, "reproduce", "--data", folder, "--manifests", own, "--out", tmp_path / "o"
    )
    assert status == 1
    assert "contrasts.toml: " in err
    assert "unknown key" in err
