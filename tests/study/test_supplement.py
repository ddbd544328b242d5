"""Counterparts of the paper's supplementary tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope import io
from cartscope._schema import CONTRASTS, DE, GSEA, QC
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.steps import supplement


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two patients and one of no grade; the head-to-head contrast tested, response not."""
    out = tmp_path_factory.mktemp("run")
    ctx = Context(Settings(out=out), annotating_before=annotating_before)
    samples = pd.DataFrame(
        {
            "sample_id": ["A1-D7", "A1-CART", "A2-D7", "C1-D7"],
            "path": "x.h5",
            "patient": ["A1", "A1", "A2", "C1"],
            "study": ["GSE246490", "GSE246490", "GSE246490", "GSE197268"],
            "timepoint": "day7",
            "sorted": ["false", "true", "false", "false"],
            "anakinra": ["true", "true", "true", "false"],
            "crs_grade": [2, 2, 2, np.nan],
        }
    )
    ctx.write_table("tables/samples.csv", samples)
    ctx.write_table("tables/qc.csv", pd.DataFrame([QC.blank(sample=s) for s in samples.sample_id]))
    de = [DE.blank(contrast=c, gene=g) for c in ("ctl_anakinra_low_crs", "other") for g in "ab"]
    ctx.write_table("tables/de.csv", pd.DataFrame(de))
    ctx.write_table("tables/gsea.csv", GSEA.empty())
    rows = [
        CONTRASTS.blank(contrast=f"ip_{c}_response", reason="needs response", status="not testable")
        for c in ("cd4", "cd8")
    ]
    ctx.write_table("tables/contrasts.csv", pd.DataFrame(rows))
    supplement.run(ctx)
    return ctx, ctx.read_table(supplement.INDEX).set_index("table")


def test_every_table_has_a_file_or_a_reason_and_never_neither(made):
    ctx, index = made
    assert len(index) == 11
    for name, row in index.iterrows():
        assert row["file"] or row["reason"], name
        if row["file"]:
            assert len(io.read_table(ctx.path(row["file"]), None)) == row["n_rows"]
    assert index.loc["S6", "reason"] == "not described in the text"
    assert "patient table" in index.loc["S1", "reason"]
    assert set(supplement._files(ctx)) == set(index["file"]) - {""}


def test_a_counterpart_holds_its_contrasts_and_no_other(made):
    ctx, _ = made
    table = io.read_table(ctx.path("tables/supplement_s9.csv"), DE)
    assert table[["contrast", "gene"]].to_numpy().tolist() == [
        ["ctl_anakinra_low_crs", "a"],
        ["ctl_anakinra_low_crs", "b"],
    ]


def test_an_empty_counterpart_says_why(made):
    _, index = made
    assert index.loc["S7", "n_rows"] == 0
    assert index.loc["S7", "reason"] == (
        "ip_cd4_response: needs response; ip_cd8_response: needs response"
    )
    assert index.loc["S8", "reason"] == "no row has these values"


def test_the_summary_counts_patients_once_and_keeps_those_without_a_grade(made):
    ctx, _ = made
    table = io.read_table(ctx.path("tables/supplement_s2.csv"), None)
    unsorted = table[table["sorted"].astype(str).str.lower() == "false"]
    assert unsorted.set_index("study")["n_patients"].to_dict() == {"GSE246490": 2, "GSE197268": 1}
    assert table["n_libraries"].sum() == 4
    assert table.loc[table["study"] == "GSE197268", "crs_grade"].isna().all()


def test_the_pathway_library_is_the_presets(made):
    ctx, index = made
    table = io.read_table(ctx.path("tables/supplement_s5.csv"), None)
    assert set(table["collection"]) == set(ctx.preset.values("gsea")["collections"])
    assert (table["genes"].str.count(";") + 1 == table["n_genes"]).all()
    assert "not known" in index.loc["S5", "note"]
