"""The same road on real CAR T-cell libraries of another trial, by a samples.csv and nothing else."""

from __future__ import annotations

import pandas as pd
import pytest

from cartscope import io
from cartscope.study import Settings, reproduce

pytestmark = pytest.mark.reference

# one UMI of CAT_scFv among the authors' CAR T cells of the sorted libraries
ONE_UMI = {"P10-sorted": 0.815, "P11-sorted": 0.752}


@pytest.fixture(scope="module")
def carpall(reference, quick_manifests, tmp_path_factory):
    folder = reference / "carpall"
    known = pd.read_csv(folder / "samples.tsv", sep="\t")
    is_sorted = known["sort"] == "CD3+CAT+"
    table = pd.DataFrame(
        {
            "sample_id": known["patient"] + is_sorted.map({True: "-sorted", False: "-blood"}),
            "path": [str(folder / f"{s}.filtered_feature_bc_matrix.h5") for s in known["sample"]],
            "patient": known["patient"],
            "timepoint": known["timepoint"],
            "sorted": is_sorted.map({True: "true", False: "false"}),
            "car_features": "CAT_scFv",
        }
    )
    root = tmp_path_factory.mktemp("carpall")
    table.to_csv(root / "samples.csv", index=False)
    run = reproduce(
        Settings(data=str(root), out=root / "results", manifests=quick_manifests, jobs=2)
    )
    authors = pd.read_csv(folder / "author_car_t_cells.tsv", sep="\t")["CellID"]
    names = dict(zip(known["sample"], table["sample_id"], strict=True))
    cells = [f"{names[c.rpartition('_')[0]]}_{c.rpartition('_')[2]}" for c in authors]
    return run, cells


def test_it_reaches_the_report(carpall):
    run, _ = carpall
    page = (run.context.settings.out / "report.html").read_text("utf-8")
    assert "SIMULATED" not in page
    assert len(run.context.read_table("claims.csv")) == 48


def test_the_failed_library_is_flagged_and_crashes_nothing(carpall):
    qc = carpall[0].context.read_table("tables/qc.csv").set_index("sample")
    assert qc.loc["P09-sorted", "verdict"] == "failed library"
    assert "24" in qc.loc["P09-sorted", "reason"]
    assert set(qc.drop("P09-sorted")["verdict"]) == {"usable"}


def test_the_car_of_any_name_takes_no_part_in_clustering(carpall):
    genes = io.read_cells(carpall[0].context.settings.out / "cells.h5ad").var
    assert genes.loc["CAT_scFv", "clustering_excluded"]
    assert not genes.loc["CAT_scFv", "highly_variable"]


def test_ambient_rna_is_told_in_unsorted_blood_and_bounded_in_sorted(carpall):
    table = carpall[0].context.read_table("tables/ambient.csv").set_index("sample")
    for sample in ("P10-blood", "P11-blood"):
        share, high = table.loc[sample, ["ambient_share", "ambient_share_high"]]
        assert 0 < share <= high < 0.1
    for sample in ("P10-sorted", "P11-sorted"):
        assert table.loc[sample, "ambient_share_high"] < 0.05
        assert "sorted for the CAR" in table.loc[sample, "reason"]


@pytest.mark.parametrize("sample", ["P10-sorted", "P11-sorted"])
def test_car_calls_find_what_one_umi_finds(carpall, sample):
    run, authors = carpall
    adata = io.read_cells(run.context.settings.out / "cells.h5ad")
    theirs = adata.obs_names.isin([c for c in authors if c.startswith(sample)])
    assert theirs.sum() > 500
    positive = (adata.obs["car_status"] == "positive").to_numpy()
    one_umi = (adata.obs["car_counts"] > 0).to_numpy()
    assert one_umi[theirs].mean() == pytest.approx(ONE_UMI[sample], abs=0.02)
    assert positive[theirs].mean() >= ONE_UMI[sample]


@pytest.mark.parametrize("sample", ["P10-blood", "P11-blood"])
def test_next_to_nothing_is_called_in_unsorted_blood(carpall, sample):
    calls = carpall[0].context.read_table("tables/car_calls.csv").set_index("sample")
    assert calls.loc[sample, "positive_share"] <= 0.002
    assert calls.loc[sample, "n_one_umi"] <= 1


def test_what_needs_other_data_is_not_testable(carpall):
    run, _ = carpall
    contrasts = run.context.read_table("tables/contrasts.csv")
    assert (contrasts["status"] == "not testable").all()
    claims = run.context.read_table("claims.csv")
    assert "reproduced" not in set(claims["verdict"])
