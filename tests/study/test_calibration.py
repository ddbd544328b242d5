"""What was measured of the tests reaches the claims and the report."""

from __future__ import annotations

import pytest

from cartscope.study import Settings
from cartscope.study._calibration import measured, off_caveats, sentence, worst
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.report._calibration import calibration_summary, calibration_table

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

[[level]]
name = "cells"
title = "whole null cohorts"
cohorts = 20
first_seed = 1000
what = "cells"
"""
ROWS = """\
level,role,test,table,engine,contrast,what,alpha,cohorts,hits,rate,low,high,expected,verdict,note
patients,decides,"DE, quasi-likelihood",de,quasi_likelihood,mono_crs_anakinra,a named feature,0.05,500,25,0.05,0.03,0.07,0.05,holds,
patients,decides,"DE, quasi-likelihood",de,quasi_likelihood,mono_crs_anakinra,every feature,0.05,500,0,0.0423,0.041,0.0434,0.05,too few,
patients,decides,"DE, quasi-likelihood",de,quasi_likelihood,mono_crs_anakinra,"any feature, q",0.1,500,155,0.31,0.27,0.35,0.1,too many,
patients,decides,"DE, quasi-likelihood",de,quasi_likelihood,mono_crs_anakinra,"a named feature, q",0.1,500,2,0.004,0.0005,0.0144,0.1,holds,
cells,decides,"DE, quasi-likelihood",de,quasi_likelihood,mono_crs_anakinra,"any feature, q",0.1,20,19,0.95,0.75,0.99,0.1,too many,
patients,beside,"DE, limma-voom",de,limma_voom,mono_crs_anakinra,"any feature, q",0.1,500,50,0.1,0.08,0.13,0.1,holds,
patients,decides,"composition, exact U",composition,,composition_crs_no_anakinra,a named feature,0.05,500,21,0.042,0.026,0.063,0.042,holds,
patients,beside,"composition, propeller",composition,propeller,composition_crs_no_anakinra,a named feature,0.05,500,99,0.2,0.16,0.24,0.05,too many,
patients,beside,"GSEA, prerank",gsea,,ctl_anakinra_low_crs,a named feature,0.05,500,200,0.4,0.36,0.44,0.05,too many,a gene-permutation p
patients,decides,"gene sets, by genes and by patients",gsea,both,ctl_anakinra_low_crs,"a named feature, q",0.1,500,10,0.02,0.01,0.04,0.1,holds,
"""


@pytest.fixture
def context(tmp_path):
    def make(preset="recommended"):
        folder = tmp_path / "manifests"
        folder.mkdir(exist_ok=True)
        (folder / "calibration.toml").write_text(HEAD)
        (folder / "calibration.csv").write_text(ROWS)
        settings = Settings(out=tmp_path / "out", manifests=folder, preset=preset)
        return Context(settings, annotating_before=annotating_before)

    return make


def claim(ctx, name):
    return next(c for c in ctx.manifests.claims if c.id == name)


def test_a_claim_that_rests_on_a_test_that_is_off_says_so(context):
    said = off_caveats(context(), claim(context(), "monocyte-anakinra-only"))
    assert said == [
        "the test rejects too often where nothing differs: DE, quasi-likelihood, "
        "mono_crs_anakinra: any feature with q < 0.1 in 31% of 500 null cohorts "
        "(95% 27% to 35%; at most 10% if it held); "
        "a feature named before in 2 (95% 0.05% to 1.4%)"
    ]


def test_the_engine_of_the_preset_is_the_one_that_counts(context):
    ctx = context("published")
    assert off_caveats(ctx, claim(ctx, "monocyte-anakinra-only")) == []
    rows = measured(ctx, "de", "mono_crs_anakinra")
    assert {r.test for r in rows} == {"DE, limma-voom"}


def test_a_variant_that_judges_no_claim_is_no_caveat(context):
    ctx = context()
    assert {r.engine for r in measured(ctx, "composition", "composition_crs_no_anakinra")} == {""}
    assert off_caveats(ctx, claim(ctx, "composition-treg")) == []


def test_the_level_with_the_most_cohorts_speaks(context):
    ctx = context()
    row = worst(ctx.manifests.calibration.row)
    assert (row.test, row.cohorts) == ("GSEA, prerank", 500)
    assert worst([r for r in ctx.manifests.calibration.row if r.verdict == "holds"]) is None
    assert "4.2%" in sentence(ctx.manifests.calibration, ctx.manifests.calibration.row[1])


def test_where_one_of_two_tables_is_off_a_claim_says_how_often_both_call(context):
    ctx = context()
    (said,) = off_caveats(ctx, claim(ctx, "anakinra-il4-il13-il18-gsea"))
    assert "GSEA, prerank (a gene-permutation p), ctl_anakinra_low_crs" in said
    assert said.endswith(
        ". A claim asks two tables (gene sets, by genes and by patients), which together call a "
        "feature named before in 2% (95% 1% to 4%)"
    )


def test_the_report_shows_first_what_claims_rest_on_and_of_it_what_is_off(context):
    ctx = context()
    table = calibration_table(ctx)
    roles, verdicts = ([row[i] for row in table.rows] for i in (0, 1))
    assert roles == ["claims rest on it"] * 4 + ["stands beside"] * 3
    for part in (verdicts[:4], verdicts[4:]):
        assert part == sorted(part, key=lambda v: not v.startswith("off"))
    first = dict(zip((h for h, _ in table.headings), table.rows[0], strict=True))
    assert first["test"] == "DE, quasi-likelihood"
    assert first["any, q"] == "0.310 (0.270-0.350)"
    summary = calibration_summary(ctx)
    assert (summary["n"], summary["n_off"], summary["n_beside"]) == (4, 2, 3)
    assert summary["tests_off"] == ["DE, quasi-likelihood"]
    assert summary["beside_off"] == [
        "GSEA, prerank (a gene-permutation p)",
        "composition, propeller",
    ]
